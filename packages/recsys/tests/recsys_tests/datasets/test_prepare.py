import json
import re
from pathlib import Path

import pytest

from recsys.__main__ import main


def test_a_summary_and_the_files(
    ml_100k: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    assert main(["prepare", "--data", str(ml_100k), "--out", str(out)]) == 0
    said = capsys.readouterr().out
    assert "24 ratings by 6 users of 4 movies, November 1997\n" in said
    assert "ratings from 1 to 5 in steps of 1; 4 or more is liked: 42% of them" in said
    mse = json.loads((out / "manifest.json").read_text())["baselines"]["rating_mse"]
    assert f"biases {mse['bias']:.4f}" in said


def test_bad_data_is_told_without_a_traceback_and_nothing_is_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("who,item,rating,timestamp\n1,2,x,4\n1,2,3,-4\n")
    arguments = ["prepare", "--data", str(path), "--out", str(tmp_path / "build" / "data")]
    assert main(arguments) == 1
    assert "--columns user=…" in capsys.readouterr().err
    assert main([*arguments, "--columns", "user=who"]) == 1
    said = capsys.readouterr().err
    assert f"{path}:2: rating:" in said
    assert f"{path}:3: timestamp:" in said
    assert "Traceback" not in said
    assert not (tmp_path / "build").exists()


@pytest.mark.parametrize(
    "arguments",
    [
        ["--columns", "user"],
        ["--columns", "visitor=a"],
        ["--size", "2k"],
        ["--data", "x", "--size", "small"],
        ["--seed", "x"],
    ],
)
def test_bad_arguments(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["prepare", *arguments])
    assert caught.value.code == 2
    assert arguments[0] in capsys.readouterr().err


def test_repeated_ratings_count_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rows = ["user,item,rating,timestamp", "1,1,2,10", "1,1,5,20", "1,2,3,30", "1,3,3,30"]
    (tmp_path / "mine.csv").write_text("\n".join(rows))
    out = tmp_path / "out"
    assert main(["prepare", "--data", str(tmp_path / "mine.csv"), "--out", str(out)]) == 0
    assert "1 older rating of the same item by the same user was left out" in (
        capsys.readouterr().out
    )
    assert json.loads((out / "manifest.json").read_text())["ratings"] == 3


@pytest.mark.parametrize(("zeros", "told"), [(5, True), (2, False)])
def test_many_zeros_are_told_since_they_may_mean_no_rating(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], zeros: int, told: bool
) -> None:
    rows = [f"{user},{item},{0 if item < zeros else item}" for user in (1, 2) for item in range(8)]
    (tmp_path / "mine.csv").write_text("user,item,rating\n" + "\n".join(rows) + "\n")
    arguments = ["--data", str(tmp_path / "mine.csv"), "--out", str(tmp_path / "out")]
    assert main(["prepare", *arguments]) == 0
    assert ("62% of the ratings are 0" in capsys.readouterr().out) is told


def test_the_cache_comes_before_anything_else(
    ml_100k: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    (tmp_path / "recsys").mkdir()
    ml_100k.rename(tmp_path / "recsys" / "ml-100k")
    assert main(["prepare", "--out", str(tmp_path / "out")]) == 0
    assert json.loads((tmp_path / "out/manifest.json").read_text())["format"] == "ml-100k"


@pytest.mark.parametrize("network", [True, False])
def test_without_data_it_is_generated_and_said(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    network: bool,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    for name in ("http_proxy", "https_proxy", "HTTPS_PROXY", "HTTP_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")  # where nothing listens
    arguments = ["prepare", "--out", str(tmp_path / "out"), "--seed", "4"]
    assert main([*arguments, *([] if network else ["--no-download"])]) == 0
    said = capsys.readouterr().err
    assert "GENERATING" in said
    assert ("could not be fetched" if network else "--no-download was given") in said
    manifest = json.loads((tmp_path / "out/manifest.json").read_text())
    assert manifest["generated"] is True
    assert manifest["format"] == "generated"
    assert (manifest["users"], manifest["ratings"]) == (943, 100_000)
    assert manifest["sample"] == {"user": 789, "movie": 286, "neighbour_movie": 195}
    assert manifest["object2vec"] == {"enc0_vocab_size": 944, "enc1_vocab_size": 1684}


@pytest.mark.parametrize("rated", [True, False])
def test_folder_of_the_training_file_holds_all_ratings_once(tmp_path: Path, rated: bool) -> None:
    """What is trained again on everything reads the folder; the files are a split of the data."""
    pairs = [(user, item) for user in range(1, 6) for item in range(1, 13) if (user + item) % 4]
    rows = [f"{user},{item},{1 + (user * item) % 5},{user + item}" for user, item in pairs]
    if not rated:
        rows = [",".join([*row.split(",")[:2], row.split(",")[3]]) for row in rows]
    header = "user,item,rating,timestamp" if rated else "user,item,timestamp"
    (tmp_path / "mine.csv").write_text("\n".join([header, *rows]))
    out = tmp_path / "out"
    assert main(["prepare", "--data", str(tmp_path / "mine.csv"), "--out", str(out)]) == 0
    manifest = json.loads((out / "manifest.json").read_text())
    keys, bucket = manifest["keys"], out / "bucket"
    assert set(keys["rest"]) == set(keys["input"])
    for task in ("rating", "recommendation", "retrieval") if rated else ("retrieval",):
        train, rest = bucket / keys["input"][task]["train"], bucket / keys["rest"][task]
        assert set(rest.parent.iterdir()) == {train, rest}
        told = {
            path: [json.loads(line) for line in path.read_text().splitlines()]
            for path in (train, rest)
        }
        assert len(told[rest]) == manifest["validation"] > 0
        found = [(one["in0"][0], one["in1"][0]) for path in told for one in told[path]]
        assert sorted(found) == sorted(pairs)
        if task == "rating":
            labels = {(one["in0"][0], one["in1"][0]): one["label"] for one in told[rest]}
            assert labels == {pair: 1 + (pair[0] * pair[1]) % 5 for pair in labels}
    if rated:
        machines = keys["input"]["factorization_machines"]
        rest = bucket / keys["rest"]["factorization_machines"]
        assert rest.parent == (bucket / machines["train"]).parent
        # of the same rows, though in another order
        assert rest.stat().st_size == (bucket / machines["test"]).stat().st_size


def test_ratings_that_hardly_differ_are_pointed_out(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["user,item,rating,timestamp", *(f"1,{k},{5 if k else 1},9" for k in range(40))]
    (tmp_path / "mine.csv").write_text("\n".join(rows))
    arguments = ["prepare", "--data", str(tmp_path / "mine.csv"), "--out", str(tmp_path / "out")]
    assert main(arguments) == 0
    assert "nearly all ratings fall on one side of 5" in capsys.readouterr().out


def test_what_is_liked_can_be_said_and_goes_into_labels_and_manifest(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = ["user,item,rating,timestamp", *(f"{k % 4},{k},{k % 10 + 1},9" for k in range(40))]
    (tmp_path / "mine.csv").write_text("\n".join(rows))
    out = tmp_path / "out"
    arguments = ["prepare", "--data", str(tmp_path / "mine.csv"), "--out", str(out)]
    assert main([*arguments, "--liked", "11"]) == 1
    assert "from 1 to 10" in capsys.readouterr().err
    assert main([*arguments, "--liked", "3"]) == 0
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["scale"] == {"least": 1, "most": 10, "step": 1, "liked": 3, "events": False}
    channels = manifest["keys"]["input"]["recommendation"].values()
    labels = [
        json.loads(line)["label"]
        for key in channels
        for line in (out / "bucket" / key).read_text().splitlines()
    ]
    assert sorted(labels) == [0] * 8 + [1] * 32
    assert (
        json.loads((out / "bucket" / manifest["keys"]["catalogue"]).read_text())["scale"]["liked"]
        == 3
    )


def test_names_of_files_and_columns_reach_the_terminal_without_what_acts_on_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = tmp_path / "mine\x1b]0;x\x07.csv"
    rows = [f"{user},{item},4.5,{item},x" for user in "ab" for item in range(1, 6)]
    table.write_text("\n".join(["user,item,rating,timestamp,mo\x1b[2Jod", *rows]))
    assert main(["prepare", "--data", str(table), "--out", str(tmp_path / "\x1bout")]) == 0
    assert main(["prepare", "--data", str(table), "--out", str(table / "\x9b")]) == 1
    told = "".join(capsys.readouterr())
    assert "mood" not in told and "mo[2Jod" in told
    assert not re.findall("[\x00-\x09\x0b-\x1f\x7f-\x9f]", told)


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="needs Linux's /proc")
def test_file_of_no_known_size_is_refused_in_words(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["prepare", "--data", "/proc/self/status", "--out", str(tmp_path / "out")]) == 1
    assert "/proc/self/status: cannot be read: is no file of a known size" in (
        capsys.readouterr().err
    )
