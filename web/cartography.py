"""What the map shows besides its points: a colour for each genre, and labels with room between."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final

from web.answers import Point

COLOURS: Final = 12
"""How many genres have a colour in the style sheet; all others share one."""
_WIDE, _HIGH = 0.16, 0.045  # the room of a label, as shares of the map
_ZOOMS: Final = (1, 2, 4)
_SHORT: Final = 24  # characters of a title
_EDGE: Final = 0.1  # from the edge, as a share of the map: a label there ends at its place


@dataclass(frozen=True)
class Label:
    """A text on the map.

    Attributes:
        text: a title, or a genre.
        x, y: its place, from 0 to 1.
        zoom: from which magnification on it is shown; 0 for a genre's.
    """

    text: str
    x: float
    y: float
    zoom: int

    @property
    def side(self) -> str:
        """The edge of the map to which the text is aligned, or "": `west` or `east`."""
        return "west" if self.x < _EDGE else "east" if self.x > 1 - _EDGE else ""

    def has_room(self, others: Sequence["Label"]) -> bool:
        """Whether it overlaps no other label at its magnification."""
        zoom = self.zoom or 1
        return all(
            abs(self._middle(zoom) - other._middle(zoom)) > _WIDE / zoom
            or abs(self.y - other.y) > _HIGH / zoom
            for other in others
        )

    def _middle(self, zoom: int) -> float:
        half = _WIDE / zoom / 2
        return self.x + {"west": half, "east": -half, "": 0.0}[self.side]


def colours(points: Sequence[Point]) -> dict[str, int]:
    """Numbers of colours by genre, from 0: of the first genres of most movies."""
    first = Counter(point.movie.genres[0] for point in points if point.movie.genres)
    return {genre: number for number, (genre, _) in enumerate(first.most_common(COLOURS))}


def labels(points: Sequence[Point], coloured: Sequence[str]) -> list[Label]:
    """The genres in the middle of their movies, and titles where there is room for them.

    Args:
        points: the best-known movie first; its title is preferred.
        coloured: the genres that have a colour.
    """
    found: list[Label] = []
    for genre in coloured:
        here = [one for one in points if one.movie.genres[:1] == (genre,)]
        label = Label(genre, median(one.x for one in here), median(one.y for one in here), zoom=0)
        if label.has_room(found):  # the legend names the others
            found.append(label)
    shown = set[str]()
    for zoom in _ZOOMS:
        for point in points:
            name = point.movie.name
            text = name if len(name) <= _SHORT else f"{name[: _SHORT - 1]}…"
            label = Label(text, point.x, point.y, zoom)
            if point.movie.id not in shown and label.has_room(found):
                shown.add(point.movie.id)
                found.append(label)
    return found
