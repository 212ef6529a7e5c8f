"""Runs models in separate processes: one per training, one per served version.

The programs are plug-ins; docs/plugins.md describes a version's folder, the two commands and the
requests.
"""

import base64
import json
import subprocess
import threading
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from local_aws import plugins
from local_aws.environment import NOWHERE, machine
from local_aws.inflight import InFlight
from local_aws.personalize.data import Events, GroupData, Metadata, split
from local_aws.personalize.schemas import Field
from local_aws.processes import Child

_GRACE = 2.0
_READY = 120.0


class TrainingFailed(Exception):
    """Training failed; the message says why."""


class ModelFailed(Exception):
    """The model's process did not respond, or responded with an error."""


@dataclass(frozen=True)
class Codes:
    """Maps a trained version's codes to those of its dataset group.

    Attributes:
        users, items, event_types: the group's code of each code of the version.
        config: the training's config.json.
    """

    users: NDArray[np.int64]
    items: NDArray[np.int64]
    event_types: NDArray[np.int64]
    config: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name in ("users", "items", "event_types"):
            forward = getattr(self, name)
            back = np.full(int(forward.max()) + 1 if len(forward) else 0, -1, np.int64)
            back[forward] = np.arange(len(forward))
            object.__setattr__(self, f"_{name}", back)

    def local(self, kind: str, codes: NDArray[Any]) -> NDArray[np.int64]:
        """The version's codes for the group's codes, −1 if unknown."""
        back: NDArray[np.int64] = getattr(self, f"_{kind}")
        known = (codes >= 0) & (codes < len(back))
        local = np.full(len(codes), -1, np.int64)
        local[known] = back[codes[known]]
        return local

    def local_one(self, kind: str, code: int) -> int:
        """The version's code for one of the group's codes."""
        back: NDArray[np.int64] = getattr(self, f"_{kind}")
        return int(back[code]) if 0 <= code < len(back) else -1


def export(
    data: GroupData,
    events: Events,
    excluded: dict[str, list[str]],
    config: dict[str, Any],
    folder: Path,
) -> Codes:
    """Write the training data to `folder`.

    Args:
        data: the group's data.
        events: the interactions to train on, sorted by user and time.
        excluded: columns to exclude, by dataset type.
        config: the content of config.json.
        folder: the version's new folder.
    """
    tables = data.metadata
    users = _known(events.user, tables.get("USERS"))
    items = _known(events.item, tables.get("ITEMS"))
    # events of permanently excluded items may come after the training
    excluded_types = [data.event_types.add(name) for name in config["exclude_event_types"]]
    kinds = np.union1d(events.event_type[events.event_type >= 0], excluded_types).astype(np.int64)
    codes = Codes(users, items, kinds, config)
    strings: dict[str, Any] = {
        "users": [data.users.names[code] for code in users],
        "items": [data.items.names[code] for code in items],
        "event_types": [data.event_types.names[code] for code in kinds],
        "columns": {"items": {}, "users": {}, "interactions": {}},
    }
    arrays: dict[str, NDArray[Any]] = {
        "user": codes.local("users", events.user).astype(np.int32),
        "item": codes.local("items", events.item).astype(np.int32),
        "timestamp": events.timestamp,
        "event_type": codes.local("event_types", events.event_type).astype(np.int16),
        "event_value": events.event_value,
    }
    for kind, forward in (("ITEMS", items), ("USERS", users)):
        table = tables.get(kind)
        for column in table.schema.fields if table else ():
            if column.name in ("ITEM_ID", "USER_ID") or column.name in excluded.get(kind, ()):
                continue
            assert table is not None
            values = [table.rows.get(int(code), {}).get(column.name) for code in forward]
            _column(kind.lower(), column, values, strings, arrays)
    schema = data.interactions_schema
    for column in schema.metadata if schema else ():
        if column.name in events.context and column.name not in excluded.get("INTERACTIONS", ()):
            _column("interactions", column, events.context[column.name], strings, arrays)
    (folder / "data").mkdir(parents=True)
    np.savez(folder / "data" / "arrays.npz", **arrays)  # type: ignore[arg-type]
    (folder / "data" / "strings.json").write_text(json.dumps(strings), encoding="utf-8")
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return codes


def _known(seen: NDArray[np.int32], table: Metadata | None) -> NDArray[np.int64]:
    listed = np.array(list(table.rows) if table else [], np.int64)
    return np.union1d(seen.astype(np.int64), listed)


def _column(
    table: str, column: Field, values: list[Any], strings: dict[str, Any], arrays: dict[str, Any]
) -> None:
    key = f"{table}.{column.name}"
    # a string that has none of these attributes is for filters alone
    kind = "text" if column.textual else "name" if column.item_name else "string"
    described: dict[str, Any] = {"kind": kind}
    if column.numeric:
        described = {"kind": "number"}
        arrays[key] = np.array([np.nan if v is None else float(v) for v in values])
    elif column.categorical:
        codes: dict[str, int] = {}
        rows = [[codes.setdefault(v, len(codes)) for v in split(value, True)] for value in values]
        described = {"kind": "category", "values": list(codes)}
        arrays[f"{key}.indptr"] = np.cumsum([0, *map(len, rows)]).astype(np.int32)
        arrays[f"{key}.indices"] = np.array([code for row in rows for code in row], np.int32)
    else:
        described["values"] = ["" if value is None else str(value) for value in values]
    strings["columns"][table][column.name] = described


def _start(command: str, folder: Path, **streams: Any) -> Child:
    recipe = json.loads((folder / "config.json").read_text("utf-8"))["recipe"]
    program = plugins.personalize_models()[recipe]["command"]
    return Child(
        [*program, command, str(folder)],
        env={
            "AWS_ENDPOINT_URL": NOWHERE,  # a model makes no calls to AWS
            "OMP_NUM_THREADS": "1",
            "OPENBLAS_NUM_THREADS": "1",
            "PYTHONUNBUFFERED": "1",
        },
        inherited=machine("JAX_PLATFORMS", "NUMBA_CACHE_DIR"),
        home=folder,
        cwd=folder,
        **streams,
    )


class Training:
    """One training process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._log = (folder / "train.log").open("wb")
        self._child = _start("train", folder, stdout=self._log, stderr=subprocess.STDOUT)

    def result(self) -> dict[str, Any]:
        """Wait for the end; returns the recipe's report.

        Raises:
            TrainingFailed: the training failed.
        """
        status = self._child.wait()
        self._log.close()
        if status == 0:
            result: dict[str, Any] = json.loads((self._folder / "result.json").read_text("utf-8"))
            return result
        failure = self._folder / "failure"
        if failure.exists():
            raise TrainingFailed(failure.read_text("utf-8").strip())
        last = (self._folder / "train.log").read_text("utf-8", "replace").strip().splitlines()
        raise TrainingFailed(
            f"The training ended with status {status}: {last[-1] if last else 'no output'}"
        )

    def stop(self) -> None:
        """End the process; `result` then raises."""
        self._child.terminate(_GRACE)


class Served:
    """A served version. It is thread-safe and answers one request at a time.

    Raises:
        ModelFailed: it does not start.
    """

    def __init__(self, folder: Path, codes: Codes) -> None:
        self.codes = codes
        self.calls = InFlight()
        self._folder = folder
        self._asking = threading.Lock()
        self._starting = threading.Lock()  # held while a process is started or ended
        self._closed = False
        self._child = self._serve()

    def _serve(self) -> Child:
        log = self._folder / "serve.log"
        with log.open("ab") as output:
            child = _start(
                "serve",
                self._folder,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
            )
        assert child.popen.stdout is not None
        watchdog = threading.Timer(_READY, child.kill)
        watchdog.start()
        try:
            ready = child.popen.stdout.readline()
        finally:
            watchdog.cancel()
        if not ready:
            _end(child)
            last = log.read_text("utf-8", "replace").strip().splitlines()
            raise ModelFailed(f"The model does not start: {last[-1] if last else 'no output'}")
        return child

    def ask(self, request: dict[str, Any]) -> dict[str, Any]:
        """Send a request and wait for the response.

        A crashed process is restarted, as AWS replaces a machine; requests have no side effects, so
        the request is repeated.

        Raises:
            ModelFailed: it responds with an error, or has ended.
        """
        line = json.dumps(request).encode() + b"\n"
        with self._asking:
            answered = self._exchange(line) or (self._restart() and self._exchange(line))
        if not answered:
            raise ModelFailed("The model's process is gone.")
        answer: dict[str, Any] = json.loads(answered)
        if "error" in answer:
            raise ModelFailed(answer["error"])
        return answer

    def _exchange(self, line: bytes) -> bytes:
        """The process's response; empty if it has ended."""
        stdin, stdout = self._child.popen.stdin, self._child.popen.stdout
        assert stdin is not None and stdout is not None
        with suppress(OSError, ValueError):
            stdin.write(line)
            stdin.flush()
            answered: bytes = stdout.readline()
            return answered if answered.endswith(b"\n") else b""  # it crashed meanwhile
        return b""

    def _restart(self) -> bool:
        with self._starting:
            if self._closed:
                return False
            _end(self._child)
            self._child = self._serve()
            return True

    def retire(self) -> None:
        """End the process after the last call; the caller must start no further calls."""
        self.calls.drain()
        self.close()

    def close(self) -> None:
        """End the process."""
        with self._starting:
            self._closed = True
            _end(self._child)


def _end(child: Child) -> None:
    child.kill()
    for stream in (child.popen.stdin, child.popen.stdout):
        with suppress(OSError):  # the pipe's reader has ended, as intended
            if stream is not None:
                stream.close()


def array(values: NDArray[Any], kind: str) -> str:
    """Encode an array for a request."""
    return base64.b64encode(np.ascontiguousarray(values, dtype=kind).tobytes()).decode()


def bits(mask: NDArray[np.bool_]) -> str:
    """Encode a mask for a request."""
    return base64.b64encode(np.packbits(mask).tobytes()).decode()


def listed(codes: Iterable[int], names: list[str], forward: NDArray[np.int64]) -> list[str]:
    """The ids of a version's codes."""
    return [names[forward[code]] for code in codes]
