"""Data health: reports what Amazon Personalize would reject or train badly on.

`python -m recsys health` reads interactions, items and users as they would be imported and rates
each check green, amber (training works, but not as well as it could) or red (the data would be
rejected).
"""

import csv
import hashlib
import io
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray
from pyarrow import csv as pacsv

from recsys.errors import InputError
from recsys.instances import decode, shown
from recsys.text import printable

Status = Literal["green", "amber", "red"]

# The service's minimum requirements and recommendations.
INTERACTIONS, RECOMMENDED_INTERACTIONS = 1000, 50_000
USERS, RECOMMENDED_USERS = 25, 1000
USER_SHARE: Final = 0.01
WATCHES: Final = 1000
_ID, _CATEGORICAL = 256, 1000  # maximum lengths
_MILLISECONDS: Final = 100_000_000_000
HEAVY_TAIL, HEAD_HEAVY = -0.75, -2.0
_REPEATED, _COLD, _DRIFT, _UNKNOWN = 0.05, 0.2, 0.2, 0.05  # shares above which to warn
_NEWEST: Final = 0.1
_SHOWN: Final = 3
_REQUIRED: Final = {
    "interactions": ("USER_ID", "ITEM_ID", "TIMESTAMP"),
    "items": ("ITEM_ID",),
    "users": ("USER_ID",),
}
_TYPES: Final = ("string", "int", "long", "float", "double", "boolean")
_HEADER: Final = 100_000  # maximum length of a header in characters
_LARGEST: Final = {"float": float(np.finfo("f4").max), "double": float(np.finfo("f8").max)}
_WHOLE: Final = r"^ *([+-]?)0*(\d{1,19}) *$"
_NUMBER: Final = r"^ *[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)? *$"


@dataclass(frozen=True)
class Finding:
    """The result of one check.

    Attributes:
        file: `interactions`, `items` or `users`.
        check: a short name of the check.
        status: green, amber or red.
        words: the result, and what to do about it.
        value: the measured value.
    """

    file: str
    check: str
    status: Status
    words: str
    value: float | None = None


@dataclass
class Group:
    """The findings on one dataset group's files."""

    findings: list[Finding] = field(default_factory=list)

    @property
    def status(self) -> Status:
        """The worst status of all findings."""
        found = {finding.status for finding in self.findings}
        return "red" if "red" in found else "amber" if "amber" in found else "green"

    def add(
        self, file: str, check: str, status: Status, words: str, value: float | None = None
    ) -> None:
        """Add a finding."""
        self.findings.append(Finding(file, check, status, printable(words), value))


@dataclass
class Report:
    """The health of dataset groups by name; `files` holds the SHA-256 of each file."""

    groups: dict[str, Group] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        """The content of `health.json`."""
        groups = {
            name: {"status": group.status, "findings": [asdict(one) for one in group.findings]}
            for name, group in self.groups.items()
        }
        return {"files": self.files, "groups": groups}

    def lines(self) -> Iterator[str]:
        """The report as lines of text."""
        for name, group in self.groups.items():
            yield f"{name}: {group.status}"
            for one in group.findings:
                yield f"  {one.status:<6}{one.file:<13}{one.check:<15}{one.words}"

    def write(self, path: Path) -> None:
        """Write the report as JSON."""
        path.write_text(json.dumps(self.as_json(), indent=1, ensure_ascii=False) + "\n", "utf-8")


def examine_groups(root: Path) -> Report:
    """Examine the dataset groups in the subfolders of `root`, which are named after them."""
    report = Report()
    for folder in sorted(path for path in root.iterdir() if path.is_dir()):
        examine(report, folder, folder.name)
    return report


def examine(report: Report, folder: Path, name: str) -> None:
    """Examine one dataset group's files and add what is found to the report.

    Args:
        report: the report to add findings to.
        folder: contains `interactions.csv` and optionally `items.csv`, `users.csv` and schemas.
        name: the group's name; `domain` applies the rules of VIDEO_ON_DEMAND.
    """
    group = report.groups.setdefault(name, Group())
    tables: dict[str, _Table] = {}
    for file in _REQUIRED:
        path = folder / f"{file}.csv"
        if path.is_file():
            content = path.read_bytes()
            report.files[f"{name}/{path.name}"] = hashlib.sha256(content).hexdigest()
            found = _read(group, file, content, _schema(path))
            if found is not None:
                tables[file] = found
        elif file == "interactions":
            group.add(file, "file", "red", f"there is no {path}")
    rows = tables.get("interactions")
    if rows is not None:
        _interactions(group, rows, domain=name == "domain")
    for file, column in (("items", "ITEM_ID"), ("users", "USER_ID")):
        if file in tables:
            _metadata(group, file, column, tables[file], rows)


@dataclass(frozen=True)
class _Table:
    """A file's columns as strings, and a mask of its valid rows."""

    columns: Mapping[str, pa.Array]
    good: NDArray[np.bool_]

    def codes(self, name: str) -> tuple[NDArray[np.int64], pa.Array]:
        """A column's valid rows as codes, and the values of the codes."""
        encoded = self.columns[name].filter(pa.array(self.good)).dictionary_encode()
        return encoded.indices.to_numpy().astype(np.int64), encoded.dictionary


def _schema(path: Path) -> dict[str, dict[str, Any]]:
    """Read the fields of the schema next to a file, by name; empty without a schema.

    Raises:
        InputError: the file is not a schema.
    """
    schema_file = path.with_suffix(".schema.json")
    if not schema_file.is_file():
        return {}
    try:
        document = decode(schema_file.read_text("utf-8"))
    except UnicodeDecodeError:
        raise InputError(f"{schema_file}: is not UTF-8 text") from None
    except ValueError as error:
        raise InputError(f"{schema_file}: {error}") from None
    fields = document.get("fields") if isinstance(document, dict) else None
    if not isinstance(fields, list) or not fields:
        raise InputError(
            f'{schema_file}: must be an Avro schema, {{"type": "record", "fields": […]}}'
        )
    problems = [
        f"{schema_file}: field {number}: {shown(field)} is not of the form "
        f'{{"name": "YEAR", "type": ["null", "int"]}}, its type one of {", ".join(_TYPES)}'
        for number, field in enumerate(fields, 1)
        if not _is_field(field)
    ]
    if problems:
        raise InputError(problems)
    return {field["name"]: field for field in fields}


def _is_field(field: object) -> bool:
    if not isinstance(field, dict) or not isinstance(field.get("name"), str):
        return False
    types = field.get("type")
    kinds = types if isinstance(types, list) else [types]
    return len([kind for kind in kinds if kind in _TYPES]) == 1 and all(
        kind in (*_TYPES, "null") for kind in kinds
    )


def _read(
    group: Group, file: str, content: bytes, schema: Mapping[str, Mapping[str, Any]]
) -> _Table | None:
    """Read a file and check its form and every cell; None if it cannot be processed further."""
    if content.startswith(b"\xef\xbb\xbf"):
        group.add(file, "encoding", "red", "begins with a byte order mark; save it without one")
        content = content[3:]
    try:
        begin = content.decode("utf-8")[:_HEADER]
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        group.add(file, "encoding", "red", f"is not UTF-8 text (line {line}); save it as UTF-8")
        return None
    lines = csv.reader(io.StringIO(begin, newline=""))
    try:
        names = next(lines, [])
    except csv.Error as error:
        group.add(file, "header", "red", f"the header cannot be read: {error}")
        return None
    if not _header(group, file, names, schema):
        return None
    ragged: list[tuple[int | None, int]] = []

    def skip(row: pacsv.InvalidRow) -> str:
        ragged.append((row.number, row.actual_columns))
        return "skip"

    try:
        table = pacsv.read_csv(
            io.BytesIO(content + b"\n"),  # terminates the header if no rows follow
            read_options=pacsv.ReadOptions(
                use_threads=False, column_names=names, skip_rows=lines.line_num
            ),
            parse_options=pacsv.ParseOptions(newlines_in_values=True, invalid_row_handler=skip),
            convert_options=pacsv.ConvertOptions(
                column_types={name: pa.string() for name in names}, strings_can_be_null=False
            ),
        )
    except pa.ArrowInvalid as error:
        words = f"cannot be read as CSV: {error}"
        if "straddling" in words:  # Arrow's message mentions its internal blocks
            words = f"a row is longer than {1 << 20:,} bytes; put each row on a separate line"
        group.add(file, "form", "red", words)
        return None
    if ragged:
        where = ", ".join(f"line {line}" for line, _ in ragged[:_SHOWN] if line)
        words = f"{len(ragged):,} rows do not have {len(names)} values ({where})"
        group.add(file, "form", "red", words, len(ragged))
    columns = {name: table.column(name).combine_chunks() for name in names}
    good = np.ones(table.num_rows, bool)
    for name in names:
        good &= ~_cells(group, file, name, columns[name], schema.get(name, {}))
    if not any(one.file == file and one.status == "red" for one in group.findings):
        group.add(file, "form", "green", f"{table.num_rows:,} rows, all well-formed")
    return _Table(columns, good)


def _header(
    group: Group, file: str, names: list[str], schema: Mapping[str, Mapping[str, Any]]
) -> bool:
    wanted = list(schema) or list(_REQUIRED[file])
    missing = [name for name in wanted if name not in names]
    if missing:
        like = {name.strip().strip('"').upper(): name for name in names}
        hints = [f"{like[name]} must be {name}" for name in missing if name in like]
        hint = f" ({', '.join(hints)})" if hints else ""
        words = f"the columns {', '.join(missing)} are missing{hint}"
        group.add(file, "header", "red", words)
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        group.add(file, "header", "red", f"duplicate columns: {', '.join(twice)}")
    unknown = [name for name in names if schema and name not in schema]
    if unknown:
        group.add(file, "header", "red", f"the schema has no fields for {', '.join(unknown)}")
    return not missing and not twice


def _cells(
    group: Group, file: str, name: str, values: pa.Array, field: Mapping[str, Any]
) -> NDArray[np.bool_]:
    """Check a column's cells; true where a cell cannot be imported."""
    types = field.get("type", "long" if name.endswith("TIMESTAMP") else "string")
    types = types if isinstance(types, list) else [types]
    nullable = "null" in types or (not field and name not in _REQUIRED[file])
    kind = next(one for one in types if one != "null")
    empty = _mask(pc.equal(values, ""))
    bad = np.zeros(len(values), bool)

    def note(check: str, wrong: NDArray[np.bool_], words: str, status: Status = "red") -> None:
        count = int(wrong.sum())
        if count == 0:
            return
        rows = np.flatnonzero(wrong)[:_SHOWN]
        shown = ", ".join(f"line {row + 2}: {_short(values[int(row)].as_py())}" for row in rows)
        group.add(file, check, status, f"{name}: {count:,} {words} ({shown})", count)
        if status == "red":
            bad[wrong] = True

    note("missing", empty, "are empty", "amber" if nullable else "red")
    if kind in ("int", "long"):
        bits = 32 if kind == "int" else 64
        whole, numbers = _whole_numbers(values, bits)
        note("malformed", ~whole & ~empty, f"are not whole numbers of {bits} bits")
        if name.endswith("TIMESTAMP"):
            late = numbers >= _MILLISECONDS
            note("timestamps", late, "look like milliseconds; divide them by 1000")
            note("timestamps", whole & (numbers < 0), "are before 1970")
            future = whole & ~late & (numbers > time.time() + 86_400)
            note("timestamps", future, "are in the future", "amber")
    elif kind in ("float", "double"):
        number = _mask(pc.match_substring_regex(values, _NUMBER))
        note("malformed", ~number & ~empty, "are not numbers")
        plain = pc.utf8_ltrim(pc.utf8_trim(values.filter(pa.array(number)), " "), "+")
        large = np.zeros(len(values), bool)
        large[number] = np.abs(pc.cast(plain, pa.float64()).to_numpy()) > _LARGEST[kind]
        note("malformed", large, f"are too large for a {kind}")
    elif kind == "string":
        longest = _ID if name in ("USER_ID", "ITEM_ID", "EVENT_TYPE") else _CATEGORICAL
        if not field.get("textual"):
            note(
                "malformed",
                _mask(pc.greater(pc.utf8_length(values), longest)),
                f"are longer than {longest} characters",
            )
    return bad


def _whole_numbers(values: pa.Array, bits: int = 64) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Parse integers of the given size: a mask of valid cells, and the numbers, 0 for others."""
    whole = _mask(pc.match_substring_regex(values, _WHOLE))
    good = values.filter(pa.array(whole))
    digits = pc.utf8_lpad(pc.replace_substring_regex(good, _WHOLE, r"\2"), 19, "0")
    below = pc.equal(pc.replace_substring_regex(good, _WHOLE, r"\1"), "-")
    fits = pc.less_equal(
        digits, pc.if_else(below, f"{2 ** (bits - 1):019}", f"{2 ** (bits - 1) - 1:019}")
    )
    plain = pc.replace_substring_regex(good.filter(fits), _WHOLE, r"\1\2")
    whole[whole] = _mask(fits)
    numbers = np.zeros(len(values), np.int64)
    numbers[whole] = pc.cast(pc.utf8_ltrim(plain, "+"), pa.int64()).to_numpy()
    return whole, numbers


def _mask(values: pa.Array) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = values.to_numpy(zero_copy_only=False).astype(bool)
    return mask


def _short(text: str) -> str:
    return repr(text if len(text) <= 30 else text[:30] + "…")


def _interactions(group: Group, table: _Table, *, domain: bool) -> None:
    user, _ = table.codes("USER_ID")
    item, _ = table.codes("ITEM_ID")
    stamps = table.columns["TIMESTAMP"].filter(pa.array(table.good))
    _, stamp = _whole_numbers(stamps)
    event, names = np.zeros(len(user), np.int64), pa.array([""])
    if "EVENT_TYPE" in table.columns:
        event, names = table.codes("EVENT_TYPE")
    _amounts(group, user, item, stamp, event)
    if len(user) == 0:
        return
    _event_types(group, event, names.to_pylist(), domain=domain)
    _popularity(group, item)
    order = np.argsort(stamp, kind="stable")
    first = max(1, int(len(order) * (1 - _NEWEST)))
    _cold_starts(group, user[order], item[order], first)
    _drift(group, item[order])


def _amounts(
    group: Group,
    user: NDArray[np.int64],
    item: NDArray[np.int64],
    stamp: NDArray[np.int64],
    event: NDArray[np.int64],
) -> None:
    add: Callable[..., None] = lambda *told: group.add("interactions", *told)  # noqa: E731
    rows = len(user)
    order = np.lexsort((event, stamp, item, user))
    same = np.ones(max(rows - 1, 0), bool)
    for values in (user, item, stamp, event):
        same &= values[order][1:] == values[order][:-1]
    repeated = int(same.sum())
    unique = rows - repeated
    status: Status = (
        "red"
        if unique < INTERACTIONS
        else "amber"
        if unique < RECOMMENDED_INTERACTIONS
        else "green"
    )
    words = f"{unique:,} distinct interactions; {INTERACTIONS:,} are needed"
    add("amount", status, f"{words}, {RECOMMENDED_INTERACTIONS:,} recommended", unique)
    share = repeated / max(rows, 1)
    status = "amber" if share > _REPEATED else "green"
    add("duplicates", status, f"{repeated:,} rows ({share:.1%}) repeat another one", share)
    counts = np.bincount(user)
    users, active = int((counts > 0).sum()), int((counts >= 2).sum())
    if active < USERS or active < USER_SHARE * users:
        status = "red"
    else:
        status = "amber" if active < RECOMMENDED_USERS else "green"
    add(
        "users",
        status,
        f"{active:,} of {users:,} have two interactions or more; {USERS} and {USER_SHARE:.0%} of "
        f"all are needed, {RECOMMENDED_USERS:,} recommended",
        active,
    )


def _event_types(group: Group, event: NDArray[np.int64], names: list[str], *, domain: bool) -> None:
    counts = dict(zip(names, np.bincount(event, minlength=len(names)).tolist(), strict=True))
    if domain:
        watches = counts.get("Watch", 0)
        status: Status = "green" if watches >= WATCHES else "red"
        words = f"{watches:,} of type Watch; {WATCHES:,} are needed"
        group.add("interactions", "event types", status, words, watches)
    alike: dict[str, list[str]] = {}
    for name in names:
        alike.setdefault(name.lower(), []).append(name)
    for spellings in alike.values():
        if len(spellings) > 1:
            words = f"{', '.join(sorted(spellings))} are different types; is one meant?"
            group.add("interactions", "event types", "amber", words, len(spellings))


def _popularity(group: Group, item: NDArray[np.int64]) -> None:
    """Check the slope of the items' popularity by rank, on logarithmic axes."""
    counts = np.sort(np.bincount(item))[::-1]
    counts = counts[counts > 0]
    if len(counts) < 3:
        group.add(
            "interactions", "popularity", "amber", f"{len(counts)} items are too few to choose from"
        )
        return
    slope = float(np.polyfit(np.log(np.arange(1, len(counts) + 1)), np.log(counts), 1)[0])
    status: Status = "green"
    words = "neither a few items nor the many rare ones dominate"
    if slope > HEAVY_TAIL:
        status, words = "amber", "a heavy tail: interactions spread over very many items"
    elif slope < HEAD_HEAVY:
        status, words = "amber", "head-heavy: a few items have nearly all interactions"
    group.add("interactions", "popularity", status, f"slope {slope:.2f}: {words}", slope)


def _cold_starts(
    group: Group, user: NDArray[np.int64], item: NDArray[np.int64], first: int
) -> None:
    """Check the share of the newest interactions that belongs to new users and items."""
    for what, values in (("users", user), ("items", item)):
        newest = values[first:]
        if len(newest) == 0:
            continue
        share = float(1 - np.isin(newest, values[:first]).mean())
        # new users are normal; new items cannot be recommended from interactions
        status: Status = "amber" if what == "items" and share > _COLD else "green"
        words = f"{share:.1%} of the newest {_NEWEST:.0%} are of {what} unknown before"
        group.add("interactions", f"cold {what}", status, words, share)


def _drift(group: Group, item: NDArray[np.int64]) -> None:
    """Check how much the items of the newest tenth differ from the previous tenth, beyond chance.

    The distance is the total variation of the two distributions over items: 0 if they are equal, 1
    if they share no item. Two random halves of the same rows show the effect of chance.
    """
    tenth = int(len(item) * _NEWEST)
    if tenth < 50:
        return
    recent = item[-2 * tenth :]
    by_time = _variation(recent[:tenth], recent[tenth:])
    shuffled = np.random.default_rng(0).permutation(recent)
    excess = by_time - _variation(shuffled[:tenth], shuffled[tenth:])
    status: Status = "amber" if excess > _DRIFT else "green"
    words = (
        f"total variation {by_time:.2f} from one tenth of the time to the next, {excess:+.2f} "
        "beyond chance"
    )
    group.add("interactions", "time drift", status, words, excess)


def _variation(one: NDArray[np.int64], other: NDArray[np.int64]) -> float:
    length = int(max(one.max(), other.max())) + 1
    first, second = (np.bincount(each, minlength=length) / len(each) for each in (one, other))
    return float(np.abs(first - second).sum() / 2)


def _metadata(group: Group, file: str, column: str, table: _Table, rows: _Table | None) -> None:
    """Check for duplicate ids and for ids of interactions without metadata."""
    codes, names = table.codes(column)
    twice = int((np.bincount(codes) > 1).sum()) if len(codes) else 0
    if twice:
        words = f"{twice:,} ids occur more than once; the last one counts"
        group.add(file, "duplicates", "amber", words, twice)
    if rows is not None:
        _, used = rows.codes(column)
        missing = int(pc.sum(pc.invert(pc.is_in(used, names))).as_py() or 0)
        share = missing / max(len(used), 1)
        status: Status = "amber" if share > _UNKNOWN else "green"
        words = f"{missing:,} ({share:.1%}) of the ids in the interactions are missing here"
        group.add(file, "coverage", status, words, share)
