"""Exposures and events become one outcome for each user.

The results of an experiment are a folder with `experiment.json`, the definition with its `name`,
and two tables with the columns of `EXPOSURES` and `EVENTS`: `exposures`, who was shown which arm,
and `events`, what users did before and after. A table is a file, `.parquet` or `.jsonl`, or a
folder of such files, which may be compressed (`.jsonl.gz`). A folder may have the results of
several experiments: then it has the definitions by name, `experiments.json`.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.json
import pyarrow.parquet
from numpy.typing import NDArray

from recsys.errors import InputError
from recsys.experiments.definition import ANSWERS, Experiment, parse
from recsys.experiments.sequences import Floats

_LARGEST: Final = 1e15
_IDS: Final = pa.list_(pa.string())
EXPOSURES: Final = pa.schema(
    [
        pa.field("user", pa.string(), nullable=False),
        pa.field("time", pa.float64(), nullable=False),
        pa.field("arm", pa.string()),
        pa.field("shares", pa.string()),
        pa.field("milliseconds", pa.float64()),
        pa.field("items", _IDS),
        pa.field("teams", _IDS),
        pa.field("experiment", pa.string()),
        pa.field("earlier", pa.float64()),
        pa.field("session", pa.string()),
    ]
)
"""`time` is in seconds since 1970. `shares` are the arms' when the user was assigned, as
`Experiment.told_shares` writes them; `milliseconds`, what the answer took; `items`, what was shown.
For `interleaving` there is a row for each list, and `teams` has the arm of each item; for `ab`, a
row for each user, with the `arm`. `experiment` is its name, which only a folder of several needs;
`earlier`, how many events the unit had before that the table of events does not have: without it,
that table has all. `session` is the session's id, where the unit is the session."""

EVENTS: Final = pa.schema(
    [
        pa.field("user", pa.string(), nullable=False),
        pa.field("time", pa.float64(), nullable=False),
        pa.field("item", pa.string()),
        pa.field("type", pa.string()),
        pa.field("value", pa.float64()),
        pa.field("session", pa.string()),
    ]
)
"""`session` is the id of the session in which it happened; where there is none, the `user` is one,
as of visitors without an account."""


@dataclass(frozen=True)
class Results:
    """What was recorded.

    Attributes:
        experiment: the definition.
        exposures: a table of `EXPOSURES`.
        events: a table of `EVENTS`.
    """

    experiment: Experiment
    exposures: pa.Table
    events: pa.Table

    @classmethod
    def read(cls, folder: Path, name: str = "") -> "Results":
        """Read a folder of results.

        Args:
            folder: where the files are.
            name: of the experiment; may be empty if the folder has one.

        Raises:
            InputError: files are missing or malformed; it has every problem.
        """
        problems: list[str] = []
        experiment = _experiment(folder, name, problems)
        exposures = _table(folder, "exposures", EXPOSURES, problems)
        events = _table(folder, "events", EVENTS, problems)
        if problems or experiment is None:
            raise InputError(problems)
        of_it = pc.equal(exposures["experiment"], experiment.name).fill_null(True)
        exposures = exposures.filter(of_it)
        its_own = pc.is_in(_units(experiment, events), pc.unique(_units(experiment, exposures)))
        return cls(experiment, exposures, events.filter(its_own))

    def write(self, folder: Path) -> None:
        """Write a folder of results, with Parquet files."""
        folder.mkdir(parents=True, exist_ok=True)
        definition = {"name": self.experiment.name, **self.experiment.as_json()}
        (folder / "experiment.json").write_text(json.dumps(definition, indent=1) + "\n", "utf-8")
        for name, table in (("exposures", self.exposures), ("events", self.events)):
            pyarrow.parquet.write_table(table, folder / f"{name}.parquet")


@dataclass(frozen=True)
class Users:
    """The users, or sessions, whose outcome is final, in the order of their first exposure.

    Attributes:
        arm: the place of each one's arm, int64[users]; 0 for `interleaving`.
        outcome: float64[users]: the metric; for `interleaving` the preference for the second arm,
            from −1 to 1: the difference of the two arms' shares in the events on listed items.
        before: activity before the first exposure, the logarithm of 1 + the number of events.
        guardrails: the outcome of each guardrail that has one for each user, float64[users].
        items: what each user was shown first.
        waiting: how many users' windows have not ended.
        left_out: how many users were first exposed with other shares, or in two arms.
    """

    arm: NDArray[np.int64]
    outcome: Floats
    before: Floats
    guardrails: Mapping[str, Floats]
    items: list[list[str]]
    waiting: int
    left_out: int

    def __len__(self) -> int:
        return len(self.arm)


def users(results: Results, at: float) -> Users:
    """The users, or sessions if they are the unit, and their outcomes.

    A user counts if the window had ended `at` that time, so that outcomes are final, and if it was
    first exposed with the present shares: with others, the arms would have different kinds of users
    in different proportions.

    Args:
        results: what was recorded.
        at: seconds since 1970.

    Raises:
        InputError: an exposure names an arm that the experiment does not have.
    """
    experiment, events = results.experiment, results.events
    exposures = results.exposures.filter(pc.less_equal(results.exposures["time"], at))
    exposures = exposures.sort_by("time")
    owners = _units(experiment, exposures)
    ids = pc.unique(owners)  # in the order of the first exposure
    owner = _places(owners, ids)
    rows = np.full(len(ids), len(owner), np.int64)
    np.minimum.at(rows, owner, np.arange(len(owner)))
    # events have whole seconds: one in the second of the exposure is taken to follow it
    first = np.floor(_numbers(exposures["time"]))[rows]
    arm = _arms(experiment, exposures)
    usable = _usable(experiment, exposures, owner, rows, arm)
    final = first + experiment.window_minutes * 60 <= at

    whose = _places(_units(experiment, events), ids)
    events, whose = events.filter(pa.array(whose >= 0)), whose[whose >= 0]
    since = _numbers(events["time"]) - first[whose]
    inside = (since >= 0) & (since < experiment.window_minutes * 60)

    def measured(kind: str) -> Floats:
        chosen = inside & _of_kind(events, kind)
        owners = whose[chosen]
        if experiment.metric.measure == "value":
            values = np.nan_to_num(_numbers(events["value"])[chosen])
            return np.bincount(owners, values, len(ids)).astype(np.float64)
        counts = np.bincount(owners, minlength=len(ids)).astype(np.float64)
        return counts if experiment.metric.measure == "count" else np.minimum(counts, 1.0)

    if experiment.kind == "interleaving":
        credited = inside & _of_kind(events, experiment.metric.event)
        outcome = _preferences(experiment, exposures, owner, events, whose, credited, len(ids))
    else:
        outcome = measured(experiment.metric.event)
    guardrails = {
        name: _latency(exposures, rows) if name == "latency" else measured(name)
        for name in experiment.guardrails
        if name not in ANSWERS or name == "latency"
    }
    keep = usable & final
    told = np.nan_to_num(_numbers(exposures["earlier"]))[rows]
    before = np.bincount(whose[since < 0], minlength=len(ids)) + told
    shown = exposures["items"].take(pa.array(rows[keep])).to_pylist()
    return Users(
        arm=arm[rows][keep],
        outcome=outcome[keep],
        before=np.log1p(before)[keep],
        guardrails={name: values[keep] for name, values in guardrails.items()},
        items=[items or [] for items in shown],
        waiting=int((usable & ~final).sum()),
        left_out=int((~usable).sum()),
    )


def _units(experiment: Experiment, table: pa.Table) -> Any:
    """Whose each row of a table is: the user's, or the session's."""
    if experiment.unit == "user":
        return table["user"]
    return pc.coalesce(table["session"], table["user"])


def _experiment(folder: Path, name: str, problems: list[str]) -> Experiment | None:
    """The folder's experiment, or of several the one with this name."""
    several = folder / "experiments.json"
    if several.exists():
        return _definition(several, problems, lambda all_: _chosen(all_, name))
    path = folder / "experiment.json"
    found = _definition(path, problems, lambda own: (str(own.pop("name", "")), own))
    if found and name and name != found.name:
        problems.append(f"{path}: is of the experiment {found.name!r}, not {name!r}")
    return found


def _chosen(definitions: dict[str, Any], name: str) -> tuple[str, Any]:
    """The name and the definition of one of several experiments."""
    if not name and len(definitions) == 1:
        (name,) = definitions
    if name not in definitions:
        wanted = f"none is called {name!r}" if name else "name one of them with --name"
        raise ValueError(f"it has {', '.join(definitions) or 'no experiments'}; {wanted}")
    return name, definitions[name]


def _definition(
    path: Path, problems: list[str], within: Callable[[dict[str, Any]], tuple[str, Any]]
) -> Experiment | None:
    """The definition in a file; `within` finds its name and its content."""
    try:
        value = json.loads(path.read_text("utf-8"))
        if not isinstance(value, dict):
            raise ValueError("it must be an object")
        return parse(*within(value))
    except InputError as error:
        problems += [f"{path}: {problem}" for problem in error.problems]
    except OSError as error:
        problems.append(f"{path}: {error.strerror or error}")
    except RecursionError:
        problems.append(f"{path}: not a definition of an experiment: it is nested too deeply")
    except ValueError as error:
        problems.append(f"{path}: not a definition of an experiment: {error}")
    return None


def _table(folder: Path, name: str, schema: pa.Schema, problems: list[str]) -> pa.Table:
    """A table with all columns of the schema; those that may be missing are then null."""
    places = [folder / f"{name}.parquet", folder / f"{name}.jsonl", folder / name]
    found = [path for path in places if path.exists()]
    if len(found) > 1 or not (found or (folder / "experiments.json").exists()):
        problems.append(
            f"{folder}: one of {name}.parquet, {name}.jsonl and a folder {name} is needed; there "
            f"{'are ' + ' and '.join(path.name for path in found) if found else 'is none'}"
        )
        return None
    files = [one for path in found for one in (_parts(path) if path.is_dir() else [path])]
    parts = [_part(path, schema, problems) for path in files]
    return pa.concat_tables([schema.empty_table(), *(part for part in parts if part is not None)])


def _parts(folder: Path) -> list[Path]:
    """The files of a table that is a folder, however deep."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.name.endswith((".parquet", ".jsonl", ".jsonl.gz"))
    )


def _part(path: Path, schema: pa.Schema, problems: list[str]) -> pa.Table | None:
    """One file of a table; None if it has problems."""
    try:
        if path.suffix == ".parquet":
            found = pyarrow.parquet.read_table(path)
        else:
            fields = pa.schema([field.with_nullable(True) for field in schema])
            options = pyarrow.json.ParseOptions(
                explicit_schema=fields, unexpected_field_behavior="ignore"
            )
            found = pyarrow.json.read_json(path, parse_options=options)
        wrong = len(problems)
        columns = []
        for field in schema:
            column = (
                found[field.name].cast(field.type)
                if field.name in found.column_names
                else pa.nulls(len(found), field.type)
            )
            if not field.nullable and column.null_count:
                problems.append(f"{path}: {column.null_count:,} rows have no `{field.name}`")
            if field.name == "earlier" and pc.any(pc.less(column, 0)).as_py():
                problems.append(f"{path}: an `earlier` is negative")
            if column.type == pa.float64() and (odd := _odd(column)):
                problems.append(
                    f"{path}: {odd:,} rows have a `{field.name}` that is not a number within "
                    f"±{_LARGEST:g}"
                )
            column.validate(full=True)  # texts are UTF-8
            columns.append(column)
        return None if len(problems) > wrong else pa.table(columns, schema=schema)
    except (pa.ArrowException, OSError) as error:
        problems.append(f"{path}: {error}")
        return None


def _odd(column: Any) -> int:
    """How many numbers are infinite, not a number, or too large to be squared and summed."""
    return int((~(np.abs(_numbers(column.drop_null())) <= _LARGEST)).sum())


def _arms(experiment: Experiment, exposures: pa.Table) -> NDArray[np.int64]:
    """The place of each exposure's arm."""
    if experiment.kind == "interleaving":
        return np.zeros(len(exposures), np.int64)
    names = pa.array([arm.name for arm in experiment.arms])
    found = _places(exposures["arm"], names)
    if len(found) and found.min() < 0:
        unknown = pc.unique(exposures["arm"].filter(pa.array(found < 0))).to_pylist()
        raise InputError(
            f"exposures: the arms {', '.join(map(repr, unknown[:5]))} are not in the experiment, "
            f"whose arms are {', '.join(names.to_pylist())}"
        )
    return found


def _usable(
    experiment: Experiment,
    exposures: pa.Table,
    owner: NDArray[np.int64],
    rows: NDArray[np.int64],
    arm: NDArray[np.int64],
) -> NDArray[np.bool_]:
    """Users who were first exposed with the present shares, and in one arm only."""
    same = pc.equal(exposures["shares"], experiment.told_shares).fill_null(True)
    usable = np.array(same)[rows]
    usable[owner[arm != arm[rows][owner]]] = False
    return usable


def _preferences(
    experiment: Experiment,
    exposures: pa.Table,
    owner: NDArray[np.int64],
    events: pa.Table,
    whose: NDArray[np.int64],
    credited: NDArray[np.bool_],
    count: int,
) -> Floats:
    """Of each user, the second arm's share of the events on listed items, minus the first's.

    An event is credited to the arm that put its item on the last list before it.
    """
    lists: dict[int, list[tuple[float, dict[str, str]]]] = {}
    times = np.floor(_numbers(exposures["time"]))
    rows = zip(
        owner.tolist(),
        times.tolist(),
        exposures["items"].to_pylist(),
        exposures["teams"].to_pylist(),
        strict=True,
    )
    for user, time, items, teams in rows:
        lists.setdefault(user, []).append((time, dict(zip(items or (), teams or (), strict=False))))
    wins = np.zeros((count, 2))
    place = {arm.name: number for number, arm in enumerate(experiment.arms)}
    happened = events.filter(pa.array(credited))
    for user, time, item in zip(
        whose[credited].tolist(),
        happened["time"].to_pylist(),
        happened["item"].to_pylist(),
        strict=True,
    ):
        for shown, teams in reversed(lists[user]):
            if shown <= time and item in teams:
                if teams[item] in place:
                    wins[user, place[teams[item]]] += 1
                break
    total = wins.sum(axis=1)
    won: Floats = wins[:, 1] - wins[:, 0]
    shares: Floats = np.divide(won, total, out=np.zeros(count), where=total > 0)
    return shares


def _latency(exposures: pa.Table, rows: NDArray[np.int64]) -> Floats:
    return np.nan_to_num(_numbers(exposures["milliseconds"])[rows])


def _of_kind(events: pa.Table, kind: str) -> NDArray[np.bool_]:
    """Which events are of a type; all, if it is empty."""
    if not kind:
        return np.ones(len(events), bool)
    return np.asarray(pc.equal(events["type"], kind).fill_null(False), bool)


def _places(values: Any, among: Any) -> NDArray[np.int64]:
    """The place of each value among others; −1 where it is none of them."""
    found = pc.index_in(values, value_set=among).fill_null(-1)
    return np.asarray(found, np.int64)


def _numbers(column: Any) -> Floats:
    return np.asarray(column.fill_null(np.nan), np.float64)
