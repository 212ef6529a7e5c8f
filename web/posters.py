"""Posters and plots from OMDb, if there is a key and OMDb responds.

No page waits for OMDb longer than `WAIT` seconds, and responses are cached on disk, because its
free key allows 1,000 requests a day. Images are only fetched from OMDb's known image hosts.
"""

import contextlib
import json
import logging
import tempfile
import threading
import time
import urllib.parse
from collections.abc import Callable
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from concurrent.futures import TimeoutError as TooSlow
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from web.answers import Movie
from web.fetching import FetchError, NotAsked, fetch

WAIT: Final = 1.5  # seconds
_PAUSE: Final = 60.0  # seconds without requests after a failure
_KEPT: Final = ("Title", "Year", "Plot", "Poster")
_JSON, _IMAGE = 200_000, 4_000_000  # maximum bytes of a response
_PICTURES: Final = frozenset(  # OMDb's image hosts, current and former
    {"m.media-amazon.com", "ia.media-imdb.com", "images-na.ssl-images-amazon.com"}
)
_KINDS: Final = {b"\xff\xd8\xff": "image/jpeg", b"\x89PNG": "image/png", b"RIFF": "image/webp"}

log = logging.getLogger(__name__)


class _Failed(Exception):
    """OMDb did not respond, or not as expected. The message does not contain the key."""


@dataclass(frozen=True)
class Poster:
    """An image and its media type, such as `image/jpeg`."""

    content: bytes
    kind: str


class Omdb:
    """A client of OMDb that caches responses in a folder.

    Args:
        key: the API key; without one, no requests are made.
        folder: the cache of responses and of today's number of requests.
        url: OMDb's address.
        limit: the daily request limit.
    """

    def __init__(self, key: str | None, folder: Path, url: str, limit: int) -> None:
        self._key, self._folder, self._url, self._limit = key, folder, url, limit
        self._pool = ThreadPoolExecutor(4, thread_name_prefix="omdb")
        self._lock = threading.Lock()
        self._asking: dict[Path, Future[Any]] = {}
        self._paused_until = 0.0
        if key:
            folder.mkdir(parents=True, exist_ok=True)

    @property
    def enabled(self) -> bool:
        """Whether there is a key."""
        return self._key is not None

    def plot(self, movie: Movie) -> str | None:
        """The movie's plot; None if unknown or not available in time."""
        plot = self._told(movie).get("Plot")
        return plot if isinstance(plot, str) and plot not in ("", "N/A") else None

    def poster(self, movie: Movie) -> Poster | None:
        """The movie's poster; None if there is none or it is not available in time."""
        told = self._told(movie).get("Poster")
        if not isinstance(told, str) or not told.startswith(("http://", "https://")):
            return None
        path = self._folder / f"{_slug(movie)}.image"
        with contextlib.suppress(OSError):
            return _picture(path.read_bytes())
        found = self._soon(movie, path, lambda: self._fetch_picture(told, path))
        return found if isinstance(found, Poster) else None

    def _told(self, movie: Movie) -> dict[str, Any]:
        """OMDb's entry of the movie, from the cache or by request; empty on failure."""
        if not self._key:
            return {}
        path = self._folder / f"{_slug(movie)}.json"
        with contextlib.suppress(OSError, ValueError):
            kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
            return kept
        return self._soon(movie, path, lambda: self._ask(movie, path)) or {}

    def _soon(self, movie: Movie, path: Path, work: Callable[[], Any]) -> Any:
        """Run work that writes a file; returns its result, or None if it takes too long.

        Concurrent requests for one file share one request. After a failure OMDb is not queried for
        a while.
        """
        with self._lock:
            future = self._asking.get(path)
            if future is None:
                if time.monotonic() < self._paused_until:
                    return None
                future = self._asking[path] = self._pool.submit(work)
                future.add_done_callback(lambda _: self._asking.pop(path, None))
        try:
            return future.result(WAIT)
        except TooSlow:
            words = f"no response in {WAIT} s"
            future.cancel()  # if it has not started
        except CancelledError:
            return None
        except NotAsked as error:  # not a failure of OMDb
            log.warning("The poster of movie %s: %s", movie.number, error)
            return None
        except (_Failed, FetchError) as error:
            words = str(error)
        with self._lock:
            if time.monotonic() >= self._paused_until:
                log.warning("OMDb, asked about movie %s: %s", movie.number, words)
            self._paused_until = time.monotonic() + _PAUSE
        return None

    def _ask(self, movie: Movie, path: Path) -> dict[str, Any]:
        told = self._question(movie.name, movie.year)
        if not told and movie.year:
            # a movie's year differs by one between lists; a remake's by more
            told = self._question(movie.name, None)
            year = str(told.get("Year", ""))[:4]
            if not (year.isdigit() and abs(int(year) - movie.year) <= 1):
                told = {}
        kept: dict[str, Any] = {name: told[name] for name in _KEPT if name in told}
        _write(path, json.dumps(kept, ensure_ascii=False).encode())
        return kept

    def _question(self, name: str, year: int | None) -> dict[str, Any]:
        self._count()
        asked = {"apikey": self._key, "t": name, "type": "movie", **({"y": year} if year else {})}
        content = self._fetch(f"{self._url}?{urllib.parse.urlencode(asked)}", _JSON)
        try:
            told = json.loads(content)
            if told["Response"] == "True":
                return dict(told)
            error = str(told.get("Error", ""))
        except (ValueError, KeyError, TypeError):
            raise _Failed("not the expected JSON") from None
        if "not found" in error.lower():
            return {}
        raise _Failed(error.replace(str(self._key), "…")[:100])

    def _count(self) -> None:
        """Count a request.

        Raises:
            _Failed: the daily limit is reached.
        """
        path = self._folder / "asked.json"
        today = datetime.now(UTC).date().isoformat()
        with self._lock:
            asked = 0
            with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
                kept = json.loads(path.read_text("utf-8"))
                asked = int(kept["asked"]) if kept["day"] == today else 0
            if asked >= self._limit:
                raise _Failed(f"daily limit of {self._limit} requests reached")
            _write(path, json.dumps({"day": today, "asked": asked + 1}).encode())

    def _fetch(self, url: str, most: int) -> bytes:
        return fetch(url, most, WAIT, self._url, _PICTURES)

    def _fetch_picture(self, url: str, path: Path) -> Poster:
        picture = _picture(content := self._fetch(url, _IMAGE))
        if picture is None:
            raise _Failed("the poster is not an image")
        _write(path, content)
        return picture


def _picture(content: bytes) -> Poster | None:
    for magic, kind in _KINDS.items():
        if content.startswith(magic):
            return Poster(content, kind)
    return None


def _slug(movie: Movie) -> str:
    """A file name from the query to OMDb, because catalogues number movies differently."""
    letters = "".join(c if c.isalnum() and c.isascii() else "-" for c in movie.title)
    return f"{movie.number}-{letters[:80]}"


def _write(path: Path, content: bytes) -> None:
    """Write a file atomically."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as file:
        file.write(content)
    Path(file.name).replace(path)
