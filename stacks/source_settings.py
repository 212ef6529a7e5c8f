"""Ratings or events in a bucket, in place of a prepared folder."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from stacks.settings import Settings

Look = Callable[[str], tuple[str, Mapping[str, int]]]
"""Looks at the objects below an S3 URI: `sources.look`."""

_URI = r"s3://[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]/([\w!.'()=:@&+,-]+/)*"
_COLUMN = r"(user|item|rating|timestamp|event|value)=[^=,]+"
_MOST_VCPUS = 400
_MOST_ITEMS = 500


@dataclass(frozen=True, kw_only=True)
class Source:
    """Where the data are, and how a Spark job prepares them.

    Attributes:
        uri: the prefix of the files, `s3://bucket/prefix/`.
        digest: digest of the objects.
        sizes: bytes of the tables among them, by how they are written.
        columns: what the files call their columns: `user=…,item=…`; empty to find out.
        most_bad: percent of the rows that may be bad.
        max_vcpus: the maximum capacity of the job.
        lists: how many items the job writes for each user, or 0.
        table: whether these lists are imported into DynamoDB.
    """

    uri: str
    digest: str
    sizes: Mapping[str, int]
    columns: str
    most_bad: int
    max_vcpus: int
    lists: int
    table: bool

    @property
    def bucket(self) -> str:
        """The bucket's name."""
        return self.uri.split("/")[2]

    @property
    def prefix(self) -> str:
        """The prefix of the files' keys."""
        return self.uri.split("/", 3)[3]


def read(settings: Settings, look: Look | None) -> Source | None:
    """Read the settings; None without a source.

    Args:
        settings: the user's settings.
        look: looks at the objects; None if this is not needed, as for `cdk destroy`.
    """
    uri = settings.text(
        "source",
        "",
        pattern=_URI,
        allowed="a prefix that ends in /, such as s3://bucket/ratings/",
    )
    columns = settings.text(
        "preparation.columns",
        "",
        pattern=rf"{_COLUMN}(,{_COLUMN})*",
        allowed="of the form user=…,item=…; known are user, item, rating, timestamp, event, value",
    )
    most_bad = settings.whole("preparation.most_bad", 1, low=0, high=100)
    max_vcpus = settings.whole("preparation.max_vcpus", 16, low=8, high=_MOST_VCPUS, step=4)
    lists = settings.whole("preparation.lists", 0, low=0, high=_MOST_ITEMS)
    table = settings.flag("preparation.table", False)
    if table and not lists:
        settings.errors.append(
            "preparation.table: there are no lists to import; also set preparation.lists, the "
            "length of each user's list"
        )
    if not uri:
        return None
    digest, sizes = "", dict[str, int]()
    if look:
        try:
            digest, found = look(uri)
            sizes = dict(found)
        except ValueError as error:
            settings.errors.append(f"source: {error}")
    return Source(
        uri=uri,
        digest=digest,
        sizes=sizes,
        columns=columns,
        most_bad=most_bad,
        max_vcpus=max_vcpus,
        lists=lists,
        table=table,
    )
