"""What the items, the users and what they do are called, for pages and reports."""

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Final

from recsys.text import printable

CALLED: Final = ("item", "user", "event")
"""What can be named."""

_LONGEST: Final = 40
_USERS: Final = {"reviewer", "customer", "client", "member", "reader", "visitor", "account"}
_ITEMS: Final = {
    **dict.fromkeys(("movie", "film"), ("movie", "watched")),
    **dict.fromkeys(("book", "isbn"), ("book", "read")),
    **dict.fromkeys(("product", "asin", "parentasin", "sku"), ("product", "bought")),
    **{name: (name, "heard") for name in ("artist", "track", "song")},
    "article": ("article", "read"),
    "game": ("game", "played"),
    "joke": ("joke", "liked"),
}
_OTHER: Final = ("item", "liked")


@dataclass(frozen=True)
class Nouns:
    """The words; MovieLens's by default.

    Attributes:
        item, items: of one item, and of several.
        user, users: of one user, and of several.
        event: the participle of what a user does with an item, such as `watched` or `read`.
    """

    item: str = "movie"
    items: str = "movies"
    user: str = "user"
    users: str = "users"
    event: str = "watched"

    @classmethod
    def of_columns(cls, item: str, user: str) -> "Nouns":
        """The words that the names of a table's two columns tell; `item` and `user` if none."""
        plain, event = _ITEMS.get(_stem(item), _OTHER)
        return cls().named({"item": plain, "user": _named_user(user), "event": event})

    def named(self, words: Mapping[str, str]) -> "Nouns":
        """These words, and others where they are given.

        Args:
            words: some of `CALLED`; a noun may name its plural after a slash: `person/people`.
        """
        found = asdict(self)
        for name, word in words.items():
            one, _, several = (printable(part).strip() for part in word.partition("/"))
            found[name] = one
            if f"{name}s" in found:
                found[f"{name}s"] = several or plural(one)
        return Nouns(**found)

    def as_json(self) -> dict[str, str]:
        """As manifest.json and catalogue.json have it."""
        return asdict(self)


def parse(text: str) -> dict[str, str]:
    """The words in `item=book,user=reader,event=read`.

    Raises:
        ValueError: it is not of that form.
    """
    found = dict(pair.partition("=")[::2] for pair in text.split(","))
    sound = all(0 < len(word) <= _LONGEST and word.strip("/ ") for word in found.values())
    if not sound or not set(found) <= set(CALLED):
        raise ValueError(f"{text!r} is not of the form item=book,user=reader,event=read")
    return found


def plural(noun: str) -> str:
    """The regular plural of an English noun."""
    if re.search(r"(s|x|z|ch|sh)$", noun):
        return f"{noun}es"
    if re.search(r"[^aeiou]y$", noun):
        return f"{noun[:-1]}ies"
    return f"{noun}s"


def counted(number: int, one: str, several: str | None = None) -> str:
    """A number with its noun: `1 user`, `1,200 users`."""
    return f"{number:,} {one if number == 1 else several or plural(one)}"


def _stem(column: str) -> str:
    """A column's name without its spelling, and without `id`."""
    return re.sub(r"[\W_]", "", column.lower()).removesuffix("id")


def _named_user(column: str) -> str:
    stem = _stem(column)
    return stem if stem in _USERS else "user"
