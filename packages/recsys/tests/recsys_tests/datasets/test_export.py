import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from recsys import health, recordio
from recsys.datasets import DataError, DataSet, Ids, MovieTable, Ratings, load
from recsys.datasets.export import export
from recsys.datasets.splits import split
from recsys.text import printable
from tests.reliability import Tally

BUCKET = "bucket/object2vec/movielens"


def own(tmp_path: Path) -> DataSet:
    lines = ["user,item,rating,timestamp"]
    lines += [f"{user},{item},3.5,{100 + item}" for user in "ab" for item in (1, 2, 3, 4)]
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    (tmp_path / "items.csv").write_text(
        'item,title,genres\n1,Amélie | “One” – Ō? (2001),Comedy|Children\n2,東京,Noir\n3,"A\nB",\n'
    )
    return load(tmp_path / "mine.csv")


def lines(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_movielens_100k_comes_out_as_it_went_in(ml_100k: Path, tmp_path: Path) -> None:
    data = load(ml_100k)
    manifest = export(data, split(data), tmp_path / "out")
    root = tmp_path / "out" / BUCKET
    assert (root / "ml-100k/ua.base").read_bytes() == (ml_100k / "ua.base").read_bytes()
    assert (root / "ml-100k/u.item").read_bytes() == (ml_100k / "u.item").read_bytes()
    assert json.loads((tmp_path / "out/manifest.json").read_text()) == manifest
    assert manifest["format"] == "ml-100k"
    assert manifest["generated"] is manifest["ids"] is False
    counts = [manifest[key] for key in ("users", "items", "ratings", "train", "validation")]
    assert counts == [6, 4, 24, 20, 4]
    assert manifest["object2vec"] == {"enc0_vocab_size": 7, "enc1_vocab_size": 6}


def test_json_lines(ml_100k: Path, tmp_path: Path) -> None:
    data = load(ml_100k)
    export(data, split(data), tmp_path / "out")
    inputs = tmp_path / "out" / BUCKET / "input"
    validation = [(6, 1, 1), (6, 2, 3), (6, 3, 5), (6, 5, 4)]
    assert lines(inputs / "rating/validation/validation_r.jsonl") == [
        {"in0": [u], "in1": [m], "label": r} for u, m, r in validation
    ]
    assert lines(inputs / "recommendation/validation/validation_c.jsonl") == [
        {"in0": [u], "in1": [m], "label": int(r > 3)} for u, m, r in validation
    ]
    first = (inputs / "rating/validation/validation_r.jsonl").read_text().split("\n")[0]
    assert first == '{"in0": [6], "in1": [1], "label": 1.0}'
    rating = lines(inputs / "rating/train/train_r.jsonl")
    watched = lines(inputs / "retrieval/train/train_p.jsonl")
    assert len(watched) == len(lines(inputs / "rating/train/train_r.jsonl"))
    assert {line["label"] for line in watched} == {1}
    liked = lines(inputs / "recommendation/train/train_c.jsonl")
    rows = [(r["in0"][0], r["in1"][0], r["label"]) for r in rating]
    base = [tuple(map(int, line.split("\t")[:3])) for line in (ml_100k / "ua.base").open()]
    assert sorted(rows) == sorted(base)
    assert rows != base  # shuffled
    assert [{**r, "label": int(r["label"] > 3)} for r in rating] == liked  # both in one order


def test_records_for_factorization_machines(ml_100k: Path, tmp_path: Path) -> None:
    data = load(ml_100k)
    export(data, split(data), tmp_path / "out")
    out = tmp_path / "out/bucket"
    for records, pairs in (
        ("train/train.recordio", "train/train_r.jsonl"),
        ("test/test.recordio", "validation/validation_r.jsonl"),
    ):
        content = (out / "factorization-machines/movielens/input" / records).read_bytes()
        features, labels = recordio.read(content, 7 + 6, records)  # users and then items
        written = [
            {"in0": [int(user)], "in1": [int(item) - 7], "label": label}
            for (user, item), label in zip(
                features.indices.reshape(-1, 2), labels.tolist(), strict=True
            )
        ]
        assert (features.data == 1).all()
        assert written == lines(out / "object2vec/movielens/input/rating" / pairs)


def test_many_rows_are_written_in_pieces(
    ml_100k: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = load(ml_100k)
    whole = export(data, split(data), tmp_path / "whole")
    monkeypatch.setattr("recsys.datasets.text._ROWS", 7)
    assert export(data, split(data), tmp_path / "pieces")["digest"] == whole["digest"]


def test_the_digest_is_of_the_bucket(ml_100k: Path, tmp_path: Path) -> None:
    data = load(ml_100k)
    first = export(data, split(data), tmp_path / "out")["digest"]
    assert export(data, split(data), tmp_path / "again")["digest"] == first
    text = (ml_100k / "u.item").read_bytes().replace(b"Lamp", b"Lump")
    (ml_100k / "u.item").write_bytes(text)
    assert export(load(ml_100k), split(data), tmp_path / "out")["digest"] != first


def test_other_data_in_movielens_form(tmp_path: Path) -> None:
    data = own(tmp_path)
    manifest = export(data, split(data), tmp_path / "out")
    root = tmp_path / "out" / BUCKET
    table = (root / "ml-100k/u.item").read_bytes().decode("latin-1").splitlines()
    rows = [line.split("|") for line in table]
    assert [len(row) for row in rows] == [24] * 4
    assert [row[1] for row in rows] == ['Amélie / "One" - O? (2001)', "??", "A B", "Item 4"]
    assert [row[2:5] for row in rows] == [["01-Jan-2001", "", ""], *[["", "", ""]] * 3]
    assert [np.flatnonzero([int(f) for f in row[5:]]).tolist() for row in rows] == [
        [4, 5],  # Children's and Comedy
        [0],
        [0],
        [0],
    ]
    base = (root / "ml-100k/ua.base").read_text().splitlines()
    assert len(base) == manifest["train"] == 6
    assert all(line.split("\t")[2] == "3.5" for line in base)
    assert json.loads((root / "ids.json").read_text()) == {"users": {"a": 1, "b": 2}}
    assert manifest["ids"] is True
    assert manifest["object2vec"] == {"enc0_vocab_size": 3, "enc1_vocab_size": 5}
    sample = manifest["sample"]
    assert {sample["user"]} <= {1, 2}
    assert {sample["movie"], sample["neighbour_movie"]} <= {1, 2, 3, 4}


HOSTILE = "\x1b]0;pwned\x07\x1b[2J\x9b31m\r\u202egnp\u2066.\u2028A\x00\x7f\x85 Film"
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\u2028\u2029]")


def test_titles_and_genres_reach_no_file_with_what_acts_on_a_terminal(
    tmp_path: Path, tally: Tally
) -> None:
    text = f'item,title,genres\n1,"{HOSTILE}","Com\x1b[1medy|Drama"\n2,Plain,\n'
    (tmp_path / "items.csv").write_bytes(text.encode())
    lines = ["user,item,rating,timestamp"]
    lines += [f"{user},{item},3.5,{100 + item}" for user in "ab" for item in (1, 2, 3, 4)]
    (tmp_path / "mine.csv").write_text("\n".join(lines))
    data = load(tmp_path / "mine.csv")
    export(data, split(data), tmp_path / "out")
    for path, encoding in (
        (tmp_path / "out" / BUCKET / "ml-100k/u.item", "latin-1"),
        (tmp_path / "out" / "bucket/personalize/custom/items.csv", "utf-8"),
    ):
        assert CONTROL.search(path.read_bytes().decode(encoding)) is None, path
    rows = (tmp_path / "out" / BUCKET / "ml-100k/u.item").read_bytes().decode("latin-1")
    assert rows.split("|")[1] == "]0;pwned[2J31m gnp. A Film"
    tally("inputs tried", "titles that act on a terminal")


def test_movielens_own_table_loses_control_characters_alone(
    ml_100k: Path, tmp_path: Path, tally: Tally
) -> None:
    table = ml_100k / "u.item"
    whole = table.read_bytes()
    table.write_bytes(whole.replace(b"Lamp", b"La\x1b[2J\x9b1m\x00\x07\rmp\xe9"))
    data = load(ml_100k)
    export(data, split(data), tmp_path / "out")
    written = (tmp_path / "out" / BUCKET / "ml-100k/u.item").read_bytes()
    assert written == whole.replace(b"Lamp", b"La[2J1mmp\xe9")
    tally("inputs tried", "titles that act on a terminal")


@pytest.mark.parametrize("character", ["\x1b", "\x07", "\x7f", "\x9b", "\u202e", "\u2066"])
def test_an_id_with_a_control_character_is_refused_in_plain_text(
    tmp_path: Path, character: str, tally: Tally
) -> None:
    (tmp_path / "mine.csv").write_text(
        f"user,item,rating,timestamp\nan{character}na,1,5,1\nb,1,{character}x,1\n"
    )
    with pytest.raises(DataError) as refused:
        load(tmp_path / "mine.csv")
    assert "mine.csv:2: user: an id has control characters in it" in str(refused.value)
    assert "mine.csv:3: rating: " in str(refused.value)
    assert character not in str(refused.value)
    tally("inputs tried", "titles that act on a terminal")


def test_scripts_and_emoji_keep_what_they_are_spelled_with() -> None:
    for text in ("می‌خواهم", "👩‍👧", "東京", "Ünïcode", "a\u00a0b"):
        assert printable(text) == text


def grid(users: int, items: int) -> DataSet:
    """Every user rates the first two, the last and every hundredth item."""
    chosen = sorted({1, 2, 195, 286, items, *range(100, items, 100)} & set(range(1, items + 1)))
    rows = Ratings(
        np.repeat(np.arange(1, users + 1, dtype=np.int32), len(chosen)),
        np.tile(np.array(chosen, np.int32), users),
        np.tile(np.array([2, 5], np.float32), users * len(chosen))[: users * len(chosen)],
        np.arange(users * len(chosen), dtype=np.int64),
    )
    movies = MovieTable.of((item, f"Film {item}", (), 0) for item in chosen)
    return DataSet(rows, movies, "a grid", "csv", Ids(), Ids())


def test_the_workshops_ids_and_vocabulary_where_they_fit(tmp_path: Path) -> None:
    data = grid(943, 1682)
    manifest = export(data, split(data), tmp_path / "out")
    assert manifest["sample"] == {"user": 789, "movie": 286, "neighbour_movie": 195}
    assert manifest["object2vec"] == {"enc0_vocab_size": 944, "enc1_vocab_size": 1684}


def test_nothing_changes_when_something_fails(
    ml_100k: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = load(ml_100k), tmp_path / "build" / "data"
    digest = export(data, split(data), out)["digest"]

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("recsys.datasets.export._write_movies", fail)
    with pytest.raises(OSError, match="No space"):
        export(own(tmp_path), split(own(tmp_path)), out)
    with pytest.raises(OSError, match="No space"):
        export(data, split(data), out.with_name("new"))
    assert [p.name for p in out.parent.iterdir()] == ["data"]
    assert json.loads((out / "manifest.json").read_text())["digest"] == digest


def test_an_old_export_is_replaced_whole(ml_100k: Path, tmp_path: Path) -> None:
    out = tmp_path / "build" / "data"
    export(own(tmp_path), split(own(tmp_path)), out)
    assert (out / BUCKET / "ids.json").exists()
    data = load(ml_100k)
    export(data, split(data), out)
    assert not (out / BUCKET / "ids.json").exists()
    assert [p.name for p in out.parent.iterdir()] == ["data"]


def contents(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


OF_OTHERS = {
    "a thesis": {"thesis.tex": "x"},
    "a browser extension": {"manifest.json": '{"manifest_version": 3}', "background.js": "x"},
    "a web app": {"manifest.json": '{"name": "app", "bucket": "b"}', "bucket/picture": "x"},
    "a manifest that is no JSON": {"manifest.json": "x"},
    "a manifest that is a list": {"manifest.json": '["digest", "object2vec"]'},
    "a manifest that is too deep": {"manifest.json": "[" * 100_000},
    "a digest that is no text": {"manifest.json": '{"digest": 1, "object2vec": {}}'},
    "a digest that is made up": {"manifest.json": '{"digest": "0", "object2vec": {}}'},
}


@pytest.mark.parametrize("files", OF_OTHERS.values(), ids=OF_OTHERS)
def test_a_folder_of_something_else_is_left_alone(
    ml_100k: Path, tmp_path: Path, files: dict[str, str], tally: Tally
) -> None:
    folder = tmp_path / "precious"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    before, data = contents(folder), load(ml_100k)
    with pytest.raises(DataError, match=r"precious: (is not a folder that|holds data that were)"):
        export(data, split(data), folder)
    assert contents(folder) == before
    assert not list(tmp_path.glob(".precious*"))
    tally("inputs tried", "folders of other programs given as --out")


def test_what_was_added_or_changed_in_an_export_is_left_alone(
    ml_100k: Path, tmp_path: Path, tally: Tally
) -> None:
    data, out = load(ml_100k), tmp_path / "out"
    for name, message in (
        ("notes.txt", r"also holds what this command did not write \(notes.txt\)"),
        ("bucket/notes.txt", "were changed after this command wrote them"),
        (f"{BUCKET}/ml-100k/u.item", "were changed after this command wrote them"),
    ):
        export(data, split(data), out)
        with (out / name).open("a") as file:
            file.write("precious")
        before = contents(out)
        with pytest.raises(DataError, match=message):
            export(data, split(data), out)
        assert contents(out) == before
        shutil.rmtree(out)
        tally("inputs tried", "folders of other programs given as --out")


def test_what_comes_while_the_export_is_written_is_left_alone(
    ml_100k: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = load(ml_100k), tmp_path / "out"
    export(data, split(data), out)
    write = health.examine_groups

    def meanwhile(folder: Path) -> health.Report:
        (out / "notes.txt").write_text("precious")
        return write(folder)

    monkeypatch.setattr(health, "examine_groups", meanwhile)
    with pytest.raises(DataError, match=r"notes\.txt"):
        export(data, split(data), out)
    assert (out / "notes.txt").read_text() == "precious"
    assert [path.name for path in tmp_path.glob("*out*")] == ["out"]


def test_a_link_or_a_file_is_not_replaced(ml_100k: Path, tmp_path: Path) -> None:
    data, link = load(ml_100k), tmp_path / "link"
    export(data, split(data), tmp_path / "out")
    before = contents(tmp_path / "out")
    for target in ("out", "nowhere"):
        link.symlink_to(target)
        with pytest.raises(DataError, match=f"link: is a symbolic link to {target}"):
            export(data, split(data), link)
        assert link.is_symlink()
        link.unlink()
    assert contents(tmp_path / "out") == before
    (tmp_path / "file").write_text("x")
    with pytest.raises(DataError, match="file: is a file"):
        export(data, split(data), tmp_path / "file")
    assert (tmp_path / "file").read_text() == "x"


def test_an_export_of_an_earlier_version_is_replaced(ml_100k: Path, tmp_path: Path) -> None:
    data, out = load(ml_100k), tmp_path / "out"
    manifest = export(data, split(data), out)
    kept = {name: manifest[name] for name in ("source", "digest", "object2vec")}
    (out / "manifest.json").write_text(json.dumps(kept))
    (out / "health.json").unlink()
    export(data, split(data), out)
    assert json.loads((out / "manifest.json").read_text()) == manifest


def test_an_empty_folder_is_filled(ml_100k: Path, tmp_path: Path) -> None:
    data = load(ml_100k)
    (tmp_path / "empty").mkdir()
    export(data, split(data), tmp_path / "empty")
    assert (tmp_path / "empty" / "manifest.json").exists()


def test_the_old_export_comes_back_where_the_new_one_cannot_take_its_place(
    ml_100k: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, out = load(ml_100k), tmp_path / "out"
    export(data, split(data), out)
    before, rename = contents(out), Path.rename

    def refuse(path: Path, target: Path) -> Path:
        if path.name == "new":
            raise OSError(5, "Input/output error")
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(OSError, match="Input/output error"):
        export(data, split(data), out)
    assert contents(out) == before
    assert [path.name for path in tmp_path.glob("*out*")] == ["out"]
