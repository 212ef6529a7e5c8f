"""Draws a poster for a movie without one: its title on an image in its genre's colour."""

import random
import textwrap
import zlib
from collections.abc import Callable
from html import escape
from typing import Final

from web.answers import Movie

_HUES: Final = {
    "Action": 14,
    "Adventure": 32,
    "Animation": 188,
    "Children's": 46,
    "Comedy": 40,
    "Crime": 350,
    "Documentary": 150,
    "Drama": 222,
    "Fantasy": 280,
    "Film-Noir": 240,
    "Horror": 358,
    "Musical": 320,
    "Mystery": 258,
    "Romance": 338,
    "Sci-Fi": 205,
    "Thriller": 170,
    "War": 80,
    "Western": 24,
}


def _hue(genre: str) -> int:
    return _HUES.get(genre, zlib.crc32(genre.encode()) % 360)


def poster(movie: Movie) -> str:
    """Draw an SVG image, 200 by 300; it is deterministic for each movie."""
    chance = random.Random(movie.number)  # noqa: S311
    hue = _hue(movie.genres[0]) if movie.genres else 215
    other = (hue + chance.choice((28, -28, 52))) % 360
    lines = textwrap.wrap(movie.name, 13, max_lines=5, placeholder="…") or [movie.title]
    size = min(24, 164 * 10 // (7 * max(map(len, lines))))  # a letter is 0.7 of its size wide
    first = 268 - (len(lines) - 1) * (size + 3)
    text = "".join(
        f'<tspan x="18" y="{first + row * (size + 3)}">{escape(line)}</tspan>'
        for row, line in enumerate(lines)
    )
    picture = chance.choice(_PICTURES)(chance, f"hsl({other} 70% 66%)")
    year = f'<text x="18" y="36" font-size="14" opacity=".8">{movie.year}</text>'
    return (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 300" width="200" height="300">'
        '<defs><linearGradient id="sky" x2="0" y2="1">'
        f'<stop stop-color="hsl({hue} 48% 36%)"/><stop offset="1" stop-color="hsl({hue} 58% 13%)"/>'
        '</linearGradient><linearGradient id="foot" x2="0" y2="1">'
        f'<stop stop-color="hsl({hue} 60% 9%)" stop-opacity="0"/>'
        f'<stop offset="1" stop-color="hsl({hue} 60% 9%)" stop-opacity=".9"/>'
        "</linearGradient></defs>"
        f'<rect width="200" height="300" fill="url(#sky)"/>{picture}'
        '<rect y="120" width="200" height="180" fill="url(#foot)"/>'
        '<g fill="#fff" font-family="system-ui, sans-serif">'
        f'{year if movie.year else ""}<text font-size="{size}" font-weight="700">{text}</text>'
        "</g></svg>"
    )


def _sun(chance: random.Random, colour: str) -> str:
    x, y, r = chance.randint(55, 145), chance.randint(85, 125), chance.randint(34, 58)
    hills = " ".join(f"{step * 50},{chance.randint(150, 200)}" for step in range(5))
    return (
        f'<circle cx="{x}" cy="{y}" r="{r}" fill="{colour}" opacity=".85"/>'
        f'<polygon points="0,300 {hills} 200,300" fill="#000" opacity=".35"/>'
    )


def _rings(chance: random.Random, colour: str) -> str:
    x, y = chance.randint(50, 150), chance.randint(80, 140)
    return "".join(
        f'<circle cx="{x}" cy="{y}" r="{18 + 17 * ring}" fill="none" stroke="{colour}" '
        f'stroke-width="{9 - ring}" opacity="{0.85 - 0.13 * ring:.2f}"/>'
        for ring in range(6)
    )


def _stripes(chance: random.Random, colour: str) -> str:
    lean = chance.randint(-70, 70)
    return "".join(
        f'<polygon points="{x},0 {x + w},0 {x + w + lean},300 {x + lean},300" fill="{colour}" '
        f'opacity="{chance.uniform(0.15, 0.6):.2f}"/>'
        for x in range(-60, 260, 44)
        if (w := chance.randint(8, 30))
    )


def _peaks(chance: random.Random, colour: str) -> str:
    return "".join(
        f'<polygon points="{x - w},230 {x},{chance.randint(60, 130)} {x + w},230" fill="{colour}" '
        f'opacity="{0.25 + 0.2 * row:.2f}"/>'
        for row in range(3)
        for x, w in [(chance.randint(30, 170), chance.randint(50, 95))]
    )


def _meeting(chance: random.Random, colour: str) -> str:
    y, r, apart = chance.randint(95, 130), chance.randint(42, 60), chance.randint(28, 44)
    return (
        f'<circle cx="{100 - apart}" cy="{y}" r="{r}" fill="{colour}" opacity=".6"/>'
        f'<circle cx="{100 + apart}" cy="{y + chance.randint(-18, 18)}" r="{r}" fill="#fff" '
        'opacity=".3"/>'
    )


def _windows(chance: random.Random, colour: str) -> str:
    return "".join(
        f'<rect x="{18 + 34 * column}" y="{58 + 30 * row}" width="24" height="18" rx="2" '
        f'fill="{colour}" opacity="{chance.choice((0.12, 0.2, 0.35, 0.9))}"/>'
        for row in range(5)
        for column in range(5)
    )


_PICTURES: Final[tuple[Callable[[random.Random, str], str], ...]] = (
    *(_sun, _rings, _stripes, _peaks, _meeting, _windows),
)
