"""What the columns of a table of ratings or events can mean, their values, and what these count.

The Spark job has the same rules as `recsys.datasets`, and runs on Python 3.9 without any package
but PySpark: so this module imports only the standard library, and its regular expressions, for
ASCII digits, mean the same in Python and in Java.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

FIELDS = ("user", "item", "rating", "timestamp", "event", "value")
"""What columns can mean. The first two there have to be."""

MAX_ID = 3_000_000
"""Object2Vec's largest vocabulary: integer ids below it stay as they are."""

LONGEST_ID = 256
"""Characters."""

LARGEST = 1e9
"""Rating or value."""

LATEST = 4_102_444_800
"""The year 2100, in seconds since 1970."""

NO_TIME = 1_577_836_800
"""The start of 2020 stands for times that are not known."""

WITHOUT_TIMES = "there are no times, so all rows count as of one moment"
"""A note."""

UNITS = {1000: "milliseconds", 10**6: "microseconds", 10**9: "nanoseconds"}
"""In which times may be, by their number in a second."""

FINER_TIMES = "times are in {unit}, of which the whole seconds count"
"""A note."""

TIME_DIGITS = 12
"""Of a time in a sort key: as text it sorts as the number does."""

TREND = 30 * 86_400.0
"""Half-life of events in an item's trend, in seconds."""

LEAST_INTEREST = 1e-3
"""Of an event whose value is 0 or less."""

LONGEST_VALUE = 100
"""Characters of an item's attribute."""

NO_GENRES = ("", "unknown", "(no genres listed)")
"""In small letters: what a table of items has where it knows no genre."""

HELD_OUT = 10
"""Ratings of a user, at most."""

WHOLE = r"[ \t]*-?\d+[ \t]*"
NUMBER = r"[ \t]*-?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?[ \t]*"
YEAR = r"\b([12]\d{3})\b"
"""In a column of years."""

TITLES_YEAR = r"\((\d{4})(?:\s*[-–]\s*(?:\d{4})?)?\)\s*$"
"""In brackets at a title's end, the first of a span such as (2006–2007)."""

DATE = r"\d{4}-\d\d-\d\d([ T]\d\d:\d\d(:\d\d(\.\d{1,9})?)?( ?(Z|UTC|[+-]\d\d(:?\d\d)?))?)?"

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "'|'", "::": "'::'"}
"""Of the fields of a row, and their names."""

SHOWN = 40
"""Characters that are shown of a faulty text."""

FAULTS = {
    "width": "has {count} fields where {width} are expected; separate them by {separator}",
    "object": "is not a JSON object; write one object a line",
    "number": '"{text}" is not a number; write one such as 4 or 3{decimal}5',
    "large": f"{{text}} is larger than {LARGEST:,.0f}; correct it",
    "negative": "{text} is below 0; write how often it happened, or how much",
    "form": '"{text}" is not of the form 2026-11-29 18:30:00, as other rows are',
    "date": '"{text}" is no date; write one such as 2026-11-29 18:30:00',
    "early": "{text} is before 1970; write a time since 1970-01-01 UTC",
    "time": '"{text}" is not a whole number; write seconds since 1970-01-01 UTC, or a date such as '
    "2026-11-29 18:30:00 in every row",
    "unit": "{text} seems to be in {unit}, and other rows are not; write seconds since 1970-01-01 "
    "UTC",
    "empty": "is empty; give every rating its ids",
    "line break": "an id has a line break in it; check the quotation marks",
    "long": f"has {{count}} characters; ids have 1 to {LONGEST_ID}",
    "control": "an id has control characters in it, such as Escape; take them out",
}
"""What is said of a faulty row or field."""

_SPELLINGS = {
    "user": "user userid reviewer reviewerid customer customerid client clientid member memberid "
    "reader readerid visitor visitorid account accountid uid",
    "item": "item itemid movie movieid book bookid isbn asin parentasin product productid sku "
    "article articleid artist artistid track trackid song songid game gameid joke jokeid",
    "rating": "rating ratings overall bookrating score stars",
    "timestamp": "timestamp time date datetime unixtime unixreviewtime eventtime eventdate ts "
    "createdat purchasedat purchasedate orderedat orderdate invoicedate transactiondate boughtat "
    "viewedat watchedat playedat listenedat readat ratedat reviewedat reviewdate addedat startedat",
    "event": "event eventtype action",
    "value": "value count quantity plays playcount weight",
    "title": "title name booktitle",
    "genres": "genres genre category categories",
    "year": "year yearofpublication releaseyear",
}


def places(header: Sequence[str], name: str, mapped: Mapping[str, str]) -> list[int]:
    """Which columns of a header a name may stand for.

    Args:
        header: the columns' names.
        name: one of FIELDS, or `title`, `genres` or `year`.
        mapped: what the table calls some of FIELDS.
    """
    lowered = [text.lower() for text in header]
    if name in mapped:
        return [k for k, text in enumerate(lowered) if text == mapped[name].strip().lower()]
    spellings = _SPELLINGS[name].split()
    return [k for k, text in enumerate(lowered) if re.sub(r"[\W_]", "", text) in spellings]


RATINGS = (
    "ratings",
    "rating",
    "combined_data",
    "interactions",
    "events",
    "reviews",
    "views",
    "purchases",
    "transactions",
    "plays",
)
"""Names of files of ratings or events, without their ends, in the order in which they count."""

ITEMS = (
    "items",
    "item",
    "movies",
    "movie",
    "books",
    "book",
    "products",
    "product",
    "artists",
    "tracks",
    "songs",
    "games",
)
"""Names of files of items."""

ODD = re.compile(r"tag|link|user|genome|readme", re.IGNORECASE)
"""In the name of a file that holds something else."""

PART = re.compile(r"[-_. ]?\d+$")
"""The end of the name of one of several parts of a table."""

PACKED = (".gz", ".bz2")
"""Ends of names of files that Spark unpacks."""

_FORMS = {
    "csv": ("csv", "tsv", "txt", "data", "base", "test"),
    "json": ("json", "jsonl", "ndjson"),
    "parquet": ("parquet",),
}


def form(name: str) -> str | None:
    """How a file of this name is written: csv, json or parquet; None if it is not a table."""
    for end in PACKED:
        name = name.removesuffix(end)
    ending = name.rpartition(".")[2].lower()
    return next((form for form, endings in _FORMS.items() if ending in endings), None)
