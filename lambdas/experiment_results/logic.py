"""Exposures and events of the tables as JSON Lines, one file a day."""

import gzip
import json
import math
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from common.errors import FunctionError
from common.histories import scanned
from common.objects import Objects

_EXPOSURES: Final = (
    *("user", "event", "at", "arm", "shares", "milliseconds", "items", "teams", "session"),
)
_EVENTS: Final = ("user", "event", "item", "kind", "value", "session")

Unit = tuple[str, str]
"""A `user` or a `session`, and its id."""


class ExperimentResultsError(FunctionError):
    """The results cannot be written."""


class ExperimentResults:
    """Writes what the tables have at this time.

    All files are written each time, so that users who were forgotten, and what has expired, leave
    them. `recsys.experiments.outcomes` describes the columns, and reads the files.

    Args:
        dynamodb, s3: boto3 clients.
        exposures, histories: names of the tables.
        bucket: where the files are written.
        prefix: begins their keys; nothing else is below it.
        definitions: of the experiments, as JSON.
    """

    def __init__(
        self,
        *,
        dynamodb: Any,
        s3: Any,
        exposures: str,
        histories: str,
        bucket: str,
        prefix: str,
        definitions: str,
    ) -> None:
        self._dynamodb, self._objects = dynamodb, Objects(s3, bucket)
        self._exposures, self._histories = exposures, histories
        self._prefix, self._definitions = prefix, definitions

    def write(self) -> dict[str, int]:
        """Write all files, and delete those of days that have nothing left.

        Returns:
            The numbers of `exposures`, `users`, `events` and `files`.

        Raises:
            BusyError: AWS could not answer now.
            FunctionError: AWS refuses.
        """
        # before the tables are read, so that a run at the same time loses no newer file
        known = set(self._objects.keys(self._prefix))
        shown = list(self._shown())
        since: dict[Unit, int] = {}
        for row in shown:
            unit, second = _unit(row), math.floor(row["time"])
            since[unit] = min(since.get(unit, second), second)
        events, earlier = self._happened(since)
        exposures: defaultdict[str, list[bytes]] = defaultdict(list)
        for row in shown:
            exposures[_day(row["time"])].append(_line({**row, "earlier": earlier[_unit(row)]}))
        files = {
            f"{self._prefix}{table}/day={day}/{table}.jsonl.gz": gzip.compress(
                b"".join(sorted(lines)), mtime=0
            )
            for table, days in (("exposures", exposures), ("events", events))
            for day, lines in days.items()
        }
        files[f"{self._prefix}experiments.json"] = self._definitions.encode()
        for key, content in files.items():
            self._objects.put(key, content)
        for key in known - files.keys():
            self._objects.delete(key)
        return {
            "exposures": len(shown),
            "users": len({row["user"] for row in shown}),
            "events": sum(map(len, events.values())),
            "files": len(files),
        }

    def _shown(self) -> Iterator[dict[str, Any]]:
        for row in scanned(self._dynamodb, self._exposures, _EXPOSURES):
            yield {
                "experiment": row["event"]["S"].partition("#")[0],
                "user": row["user"]["S"],
                "time": float(row["at"]["N"]),
                **({"arm": row["arm"]["S"]} if "arm" in row else {}),
                "shares": row["shares"]["S"],
                "milliseconds": float(row["milliseconds"]["N"]),
                "items": json.loads(row["items"]["S"]),
                **({"teams": json.loads(row["teams"]["S"])} if "teams" in row else {}),
                **({"session": row["session"]["S"]} if "session" in row else {}),
            }

    def _happened(self, since: Mapping[Unit, int]) -> tuple[dict[str, list[bytes]], Counter[Unit]]:
        """The units' events since their first exposure, by day; and how many each had before.

        An event is of its user and of its session; without a session, the user may be one.
        """
        days: defaultdict[str, list[bytes]] = defaultdict(list)
        earlier: Counter[Unit] = Counter()
        for row in scanned(self._dynamodb, self._histories, _EVENTS):
            user, second = row["user"]["S"], int(row["event"]["S"].partition("#")[0])
            session = {"session": row["session"]["S"]} if "session" in row else {}
            units = [("user", user), ("session", session.get("session", user))]
            shown = [unit for unit in units if unit in since]
            if not any(second >= since[unit] for unit in shown):
                earlier.update(shown)
                continue
            event = {
                "user": user,
                "time": second,
                "item": row["item"]["S"],
                **({"type": row["kind"]["S"]} if "kind" in row else {}),
                **({"value": float(row["value"]["N"])} if "value" in row else {}),
                **session,
            }
            days[_day(second)].append(_line(event))
        return days, earlier


def _unit(exposure: Mapping[str, Any]) -> Unit:
    """Whose an exposure is: the session's, if it has one."""
    kind = "session" if "session" in exposure else "user"
    return kind, exposure[kind]


def _line(row: Mapping[str, Any]) -> bytes:
    return json.dumps(row, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _day(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).date().isoformat()
