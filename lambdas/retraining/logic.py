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

from retraining.gathering import ATTRIBUTES, Gathered

_LONGEST: Final = 1200  # seconds that a run can take, with room: the function's timeout is 900
_TAKEN: Final = ("PreconditionFailed", "ConditionalRequestConflict")


class RetrainingError(FunctionError):
    """A retraining cannot be started; the message says why, to a person."""


class Retraining:
    """Starts retrainings.

    Args:
        cloudformation, dynamodb, s3: boto3 clients.
        stack: the name of the stack that is updated.
        parameter: its parameter, the data's generation.
        table: the histories.
        bucket: where the data are.
        catalogue: the key of catalogue.json.
        generations: the prefix of generations.
    """

    def __init__(
        self,
        *,
        cloudformation: Any,
        dynamodb: Any,
        s3: Any,
        stack: str,
        parameter: str,
        table: str,
        bucket: str,
        catalogue: str,
        generations: str,
    ) -> None:
        self._cloudformation, self._dynamodb, self._s3 = cloudformation, dynamodb, s3
        self._objects = Objects(s3, bucket)
        self._stack, self._parameter, self._table = stack, parameter, table
        self._bucket, self._catalogue, self._generations = bucket, catalogue, generations

    def start(self, *, scheduled: bool) -> dict[str, Any]:
        """Gather the events, and start the update.

        Args:
            scheduled: whether a schedule asks: then a stack that is being updated is no failure,
                and events that were refused before are not tried again.

        Raises:
            BusyError: AWS could not answer now.
            FunctionError: it cannot be started; the message says why.
        """
        stack = self._described()
        current = int(self._parameters(stack)[self._parameter])
        manifests = self._manifests()
        if reason := self._busy(stack["StackStatus"]) or _gathering(manifests):
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
        gathered = Gathered(scanned(self._dynamodb, self._table, ATTRIBUTES), self._numbers())
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
        self._update(stack, number)
        for other in manifests:
            if other not in (current, number):
                self._objects.delete(self._data(other))
        return {"outcome": "started", "generation": number, "before": current, **found}

    # CloudFormation

    def _described(self) -> dict[str, Any]:
        try:
            answer = self._cloudformation.describe_stacks(StackName=self._stack)
        except (ClientError, BotoCoreError) as error:
            raise failure(error, f"The stack {self._stack}: {text_of(error)}") from None
        found: dict[str, Any] = answer["Stacks"][0]
        return found

    def _parameters(self, stack: Mapping[str, Any]) -> dict[str, str]:
        return {one["ParameterKey"]: one["ParameterValue"] for one in stack["Parameters"]}

    def _busy(self, status: str) -> str:
        """Why the stack cannot be updated now; empty if it can."""
        if status.endswith("_IN_PROGRESS"):
            return (
                f"The stack {self._stack} is being updated ({status}), by a retraining or a "
                "deployment: try again when that has ended"
            )
        if status.endswith("_FAILED"):
            raise RetrainingError(
                f"The stack {self._stack} is in the state {status}: docs/runbook.md tells how to "
                "repair it; until then the lists do not learn"
            )
        return ""

    def _update(self, stack: Mapping[str, Any], number: int) -> None:
        """Update the stack, with its template and all other parameters as they are.

        The stack's own role does it: CloudFormation uses the one that was used before.
        https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_UpdateStack.html
        """
        others = [name for name in self._parameters(stack) if name != self._parameter]
        try:
            self._cloudformation.update_stack(
                StackName=self._stack,
                UsePreviousTemplate=True,
                Parameters=[
                    {"ParameterKey": self._parameter, "ParameterValue": str(number)},
                    *({"ParameterKey": name, "UsePreviousValue": True} for name in others),
                ],
                Capabilities=stack.get("Capabilities", []),
                ClientRequestToken=f"retraining-{number}",
            )
        except (ClientError, BotoCoreError) as error:
            raise failure(
                error, f"The stack {self._stack} cannot be updated: {text_of(error)}"
            ) from None

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
