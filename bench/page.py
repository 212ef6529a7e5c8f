"""Load test of the web page: `python -m bench.page`.

It queries a running page (`make web`, `make local` or `make demo`) and prints a Markdown table.
First, a single visitor opens each page for users and movies that have not been requested yet: the
engines are warm, but their answers are not cached. Then many visitors do so at once, without pauses
between pages; one request in twenty marks a movie as watched. Exits with 1 if there was any error.
"""

import argparse
import http.client
import json
import os
import random
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np

_ALONE = 60  # requests for each page


class Visitor:
    """An HTTP client that keeps its connection open.

    Args:
        url: the page's URL.
    """

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self._connection = http.client.HTTPConnection(
            parts.hostname or "", parts.port or 80, timeout=60
        )

    def get(self, address: str) -> bytes:
        """Get a response's body. Raises `OSError` or `HTTPException` unless the status is 200."""
        return self._ask("GET", address)

    def post(self, address: str, body: Any) -> bytes:
        """Post JSON, and return and raise as `get` does."""
        headers = {"Content-Type": "application/json"}
        return self._ask("POST", address, json.dumps(body), headers)

    def _ask(self, method: str, address: str, body: Any = None, headers: Any = None) -> bytes:
        try:
            self._connection.request(method, address, body, headers or {})
            answer = self._connection.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            raise
        if answer.status != 200:
            raise http.client.HTTPException(f"status {answer.status} for {address}")
        return content


@dataclass
class Tally:
    """Milliseconds by page, and errors by message."""

    times: dict[str, list[float]] = field(default_factory=dict)
    errors: Counter[str] = field(default_factory=Counter)

    def time(self, page: str, ask: Callable[[], bytes]) -> None:
        """Make a request and record how long it took."""
        began = time.perf_counter()
        try:
            ask()
        except (OSError, http.client.HTTPException) as error:
            self.errors[f"{page}: {error or type(error).__name__}"] += 1
        else:
            self.times.setdefault(page, []).append((time.perf_counter() - began) * 1000)

    def add(self, other: "Tally") -> None:
        """Add the counts of another tally."""
        for page, times in other.times.items():
            self.times.setdefault(page, []).extend(times)
        self.errors += other.errors

    def rows(self) -> list[str]:
        """A row of Markdown for each page."""
        return [
            f"| {page} | {len(times):,} | {np.median(times):.0f} | {np.percentile(times, 95):.0f} "
            f"| {max(times):.0f} |"
            for page, times in self.times.items()
        ]


def pages(url: str) -> dict[str, list[str]]:
    """The addresses of each kind of page, for the existing users and movies."""
    visitor = Visitor(url)
    users = [one["number"] for one in json.loads(visitor.get("/api/users?count=1000"))["users"]]
    known = json.loads(visitor.get("/api/movies?count=1000"))["movies"]
    movies = [one["number"] for one in known]
    genres = sorted({genre for one in known for genre in one["genres"]})
    chance = random.Random(0)  # noqa: S311
    chance.shuffle(users)
    chance.shuffle(movies)
    pairs = [(user, movies[at % len(movies)]) for at, user in enumerate(users)]
    kinds = [quote(genres[at % len(genres)]) for at in range(len(users))]
    return {
        "users": [f"/?page={at % 20 + 1}" for at in range(len(users))],
        "a user": [f"/users/{user}" for user in users],
        "a user, one genre": [
            f"/users/{user}?genre={genre}" for user, genre in zip(users, kinds, strict=True)
        ],
        "a movie": [f"/movies/{movie}?user={user}" for user, movie in pairs],
        "movies": [f"/movies?genre={genre}" for genre in kinds],
        "the map": [f"/map?movie={movie}" for _, movie in pairs],
        "a drawn poster": [f"/posters/{movie}" for _, movie in pairs],
    }


def alone(url: str, addresses: dict[str, list[str]]) -> Tally:
    """One visitor, one page after another."""
    visitor, tally = Visitor(url), Tally()
    for page, found in addresses.items():
        visitor.get(found[-1])  # warm up what a first request starts
        for address in found[:_ALONE]:
            tally.time(page, lambda address=address: visitor.get(address))  # type: ignore[misc]
    return tally


def together(url: str, addresses: dict[str, list[str]], users: int, seconds: float) -> Tally:
    """Many concurrent visitors, each with a separate connection, without pauses."""
    tally, lock, end = Tally(), threading.Lock(), time.monotonic() + seconds

    def visit(seed: int) -> None:
        chance = random.Random(seed)  # noqa: S311
        visitor, own = Visitor(url), Tally()
        while time.monotonic() < end:
            page = chance.choice(list(addresses))
            address = chance.choice(addresses[page])
            own.time(page, lambda: visitor.get(address))  # noqa: B023
            if chance.random() < 0.05:
                user = chance.choice(addresses["a user"])
                movie = int(chance.choice(addresses["a drawn poster"]).rsplit("/", 1)[1])
                own.time(
                    "watched",
                    lambda: visitor.post(f"/api{user}/watched", {"movie": movie}),  # noqa: B023
                )
        with lock:
            tally.add(own)

    threads = [threading.Thread(target=visit, args=(seed,)) for seed in range(users)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return tally


def main() -> int:
    """Measure a page and print the tables."""
    parser = argparse.ArgumentParser(prog="python -m bench.page", description=__doc__)
    parser.add_argument("--url", default="http://127.0.0.1:8080", help="the page's URL")
    parser.add_argument("--users", type=int, default=50, help="concurrent visitors")
    parser.add_argument("--seconds", type=float, default=30, help="duration")
    options = parser.parse_args()
    try:
        addresses = pages(options.url)
    except (OSError, http.client.HTTPException) as error:
        print(f"The page at {options.url} does not respond: {error}", file=sys.stderr)
        return 1
    head = "| page | requests | p50 ms | p95 ms | max ms |\n|---|---|---|---|---|"
    load = os.getloadavg()[0]
    one = alone(options.url, addresses)
    print(f"One visitor (the machine's load before: {load:.1f} on {os.cpu_count()} cores)\n")
    print(head, *one.rows(), sep="\n", flush=True)
    began = time.monotonic()
    many = together(options.url, addresses, options.users, options.seconds)
    took, requests = time.monotonic() - began, sum(map(len, many.times.values()))
    print(
        f"\n{options.users} concurrent visitors for {took:.0f} s: {requests:,} requests, "
        f"{requests / took:.0f} a second, {many.errors.total()} errors\n"
    )
    print(head, *many.rows(), sep="\n")
    for words, count in (one.errors + many.errors).most_common(10):
        print(f"{count} × {words}", file=sys.stderr)
    return 1 if one.errors or many.errors else 0


if __name__ == "__main__":
    sys.exit(main())
