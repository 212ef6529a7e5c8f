"""A retraining: a new generation of the data, and an update of the stack to it."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from common.errors import FunctionError, code_of, failure, text_of
from common.histories import scanned
from common.objects import Objects
from common.stack_update import StackUpdate

from retraining.gathering import ATTRIBUTES, Gathered

_LONGEST: Final = 1200  # seconds that a run can take, with room: the function's timeout is 900
_TAKEN: Final = ("PreconditionFailed", "ConditionalRequestConflict")


class RetrainingError(FunctionError):
    """A retraining cannot be started; the message says why, to a person."""


class Retraining:
    """Starts retrainings.

    Args:
        update: of the stack by its parameter, the data's generation.
        dynamodb, s3: boto3 clients.
        table: the histories.
        bucket: where the data are.
        catalogue: the key of catalogue.json.
        generations: the prefix of generations.
    """

    def __init__(
        self,
        *,
        update: StackUpdate,
        dynamodb: Any,
        s3: Any,
        table: str,
        bucket: str,
        catalogue: str,
        generations: str,
    ) -> None:
        self._update, self._dynamodb, self._s3 = update, dynamodb, s3
        self._objects = Objects(s3, bucket)
        self._table, self._bucket = table, bucket
        self._catalogue, self._generations = catalogue, generations

    def start(self, *, scheduled: bool) -> dict[str, Any]:
        """Gather the events, and start the update.

        Args:
            scheduled: whether a schedule asks: then a stack that is being updated is no failure,
                and events that were refused before are not tried again.

        Raises:
            BusyError: AWS could not answer now.
            FunctionError: it cannot be started; the message says why.
        """
        stack = self._update.described()
        current = int(self._update.value(stack))
        manifests = self._manifests()
        if reason := self._update.busy(stack) or _gathering(manifests):
            if scheduled:
                return {"outcome": "busy", "reason": reason}
            raise RetrainingError(reason)
        number = max([current, *manifests]) + 1
        begun = {"begun": _now(), "before": current}
        if not self._claim(number, begun):
            return self._claimed(scheduled)
        try:
            return self._retrain(stack, current, number, manifests, begun, scheduled)
        except BaseException:
            self._objects.delete(self._manifest(number))  # so that the next run need not wait
            raise

    def _retrain(
        self,
        stack: Mapping[str, Any],
        current: int,
        number: int,
        manifests: Mapping[int, Mapping[str, Any]],
        begun: Mapping[str, Any],
        scheduled: bool,
    ) -> dict[str, Any]:
        rows, now = scanned(self._dynamodb, self._table, ATTRIBUTES), datetime.now(UTC)
        gathered = Gathered(rows, self._numbers(), now.timestamp())
        if reason := _unchanged(gathered, current, manifests, scheduled):
            self._objects.delete(self._manifest(number))
            return {"outcome": "unchanged", "reason": reason}
        found = {
            "events": gathered.events,
            "users": gathered.users,
            "unknown_events": gathered.unknown,
        }
        manifest = {**begun, **found, "digest": gathered.digest}
        self._objects.put(self._data(number), gathered.to_bytes())
        self._objects.put(self._manifest(number), json.dumps(manifest, indent=1).encode())
        self._update.update(stack, str(number), f"retraining-{number}")
        for other in manifests:
            if other not in (current, number):
                self._objects.delete(self._data(other))
        return {"outcome": "started", "generation": number, "before": current, **found}

    # S3

    def _manifests(self) -> dict[int, dict[str, Any]]:
        """What is known of each generation that was begun, by its number."""
        keys = self._objects.keys(self._generations)
        form = re.compile(rf"{re.escape(self._generations)}(\d+)/manifest\.json")
        found = {int(match[1]): key for key in keys if (match := form.fullmatch(key))}
        return {number: json.loads(self._objects.get(key)) for number, key in sorted(found.items())}

    def _claim(self, number: int, begun: Mapping[str, Any]) -> bool:
        """Begin a generation, unless another run has begun it at the same time."""
        try:
            self._s3.put_object(
                Bucket=self._bucket,
                Key=self._manifest(number),
                Body=json.dumps(begun).encode(),
                IfNoneMatch="*",
            )
        except (ClientError, BotoCoreError) as error:
            if code_of(error) in _TAKEN:
                return False
            path = self._objects.uri(self._manifest(number))
            raise failure(error, f"{path}: {text_of(error)}") from None
        return True

    def _claimed(self, scheduled: bool) -> dict[str, Any]:
        reason = "Another retraining has just begun: see what becomes of it first"
        if scheduled:
            return {"outcome": "busy", "reason": reason}
        raise RetrainingError(reason)

    def _numbers(self) -> dict[str, int]:
        """The catalogue's integer of each item."""
        try:
            items = json.loads(self._objects.get(self._catalogue))["items"]
            return {str(one["id"]): int(one["item"]) for one in items}
        except (ValueError, KeyError, TypeError) as error:
            path = self._objects.uri(self._catalogue)
            raise RetrainingError(f"{path} is no catalogue: {error!r}") from None

    def _data(self, number: int) -> str:
        return f"{self._generations}{number}/interactions.npz"

    def _manifest(self, number: int) -> str:
        return f"{self._generations}{number}/manifest.json"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _gathering(manifests: Mapping[int, Mapping[str, Any]]) -> str:
    """Whether another run gathers events now; empty if not."""
    for number, manifest in manifests.items():
        if "digest" not in manifest:
            age = datetime.now(UTC) - datetime.fromisoformat(manifest["begun"])
            if age.total_seconds() < _LONGEST:
                return (
                    f"Another retraining gathers events for generation {number} since "
                    f"{manifest['begun']}: see what becomes of it first"
                )
    return ""


def _unchanged(
    gathered: Gathered, current: int, manifests: Mapping[int, Mapping[str, Any]], scheduled: bool
) -> str:
    """Why there is nothing to learn; empty if there is."""
    if not current and not gathered.live:
        return "There are no events yet but those that were deployed"
    if current in manifests and manifests[current].get("digest") == gathered.digest:
        return f"There are no new events since generation {current}"
    known = [manifest for manifest in manifests.values() if "digest" in manifest]
    if scheduled and known and known[-1]["digest"] == gathered.digest:
        return f"There are no new events since generation {max(manifests)} was refused"
    return ""
