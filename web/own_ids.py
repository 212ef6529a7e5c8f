"""Users' and items' own ids in the page's addresses."""

from typing import Final
from urllib.parse import quote, unquote

from werkzeug.routing import BaseConverter

# Servers decode a path once, and browsers resolve segments of dots, so these are encoded twice.
_TWICE: Final = {"/": "%2F", "%": "%25"}


class OwnId(BaseConverter):
    """The converter `<id:NAME>`: any text, in one segment of a path."""

    regex = "[^/]+"

    def to_python(self, value: str) -> str:
        """The id in a segment that the server has decoded once."""
        return unquote(value)

    def to_url(self, value: object) -> str:
        """A segment that browsers and servers bring back unchanged."""
        text = str(value)
        once = "".join(_TWICE.get(character, character) for character in text)
        if not text.strip("."):
            once = text.replace(".", "%2E")
        return quote(once, safe="")
