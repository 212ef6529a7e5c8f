"""Small data sets in every format, made by code."""

from pathlib import Path

import pytest

PROJECT = Path(__file__).resolve().parents[5]

# user, item, rating, timestamp; six users, each with four ratings
ROWS = [
    (user, item, 1 + (3 * user + 2 * item) % 5, 880_000_000 + 1000 * user + item)
    for user in range(1, 7)
    for item in (1, 2, 3, 5)
]
ITEM_LINES = [
    "1|Über Falls (1990)|01-Jan-1990||http://example.org/1|" + "0|1" + "|0" * 17,
    "2|Quiet Lamp, The (1991)|14-Feb-1992|||" + "0|0|0|0|0|1" + "|0" * 13,
    "3|No Year|||| 0".replace(" ", "") + "|0" * 7 + "|1" + "|0" * 10,
    "5|Span (2006–2007)".replace("–", "-") + "||||1" + "|0" * 18,
]


@pytest.fixture
def ml_100k(tmp_path: Path) -> Path:
    folder = tmp_path / "ml-100k"
    folder.mkdir()
    lines = ["\t".join(map(str, row)) for row in ROWS]
    (folder / "u.data").write_text("\n".join(lines) + "\n")
    (folder / "ua.base").write_text("\n".join(lines[:20]) + "\n")
    (folder / "ua.test").write_text("\n".join(lines[20:]) + "\n")
    (folder / "u.item").write_bytes(("\n".join(ITEM_LINES) + "\n").encode("latin-1"))
    return folder


@pytest.fixture
def real_ml_100k() -> Path:
    return _real("ml-100k")


@pytest.fixture
def real_ml_latest_small() -> Path:
    return _real("ml-latest-small")


def _real(name: str) -> Path:
    folder = PROJECT.parent / "shared" / "data" / name
    if not folder.is_dir():
        pytest.skip(f"{name} is not beside the project in ../shared/data")
    return folder
