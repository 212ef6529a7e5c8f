import json
import re
from pathlib import Path
from typing import Any

import pytest

from local_aws.servicequotas import table
from stacks import training_time
from stacks.config import Config, ConfigError, InstanceEndpoint, ServerlessEndpoint
from stacks.personalize_settings import USE_CASES
from stacks.settings import Settings
from tests.stacks.deployments import PROJECT, write_data


@pytest.fixture
def read(data: Path) -> Any:
    return lambda **context: Config.from_context({"data": str(data), **context})


def errors_of(read: Any, **context: object) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        read(**context)
    return caught.value.errors


@pytest.mark.parametrize(("items", "refused"), [(50_000, False), (50_001, True)])
def test_catalogue_that_one_call_cannot_embed_needs_an_index(
    tmp_path: Path, items: int, refused: bool
) -> None:
    folder = write_data(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    (folder / "manifest.json").write_text(json.dumps({**manifest, "items": items}), "utf-8")
    context = {"data": str(folder), "engines": "none"}
    if refused:
        with pytest.raises(ConfigError, match=r"neighbours: .* 50,001 items .* s3vectors"):
            Config.from_context(context)
    else:
        assert Config.from_context(context).neighbours == "memory"
    for other in ({"neighbours": "s3vectors"}, {"engines": "lists", "profile": "lists"}):
        Config.from_context({**context, **other, "lists.memory_mb": 10240})


def test_defaults_are_the_documented_ones(read: Any) -> None:
    config = read()
    assert config.name("Data") == "recommender-Data"
    assert (config.account, config.region) == (None, None)
    assert config.training.instance_type == "ml.m5.xlarge"
    assert (config.training.waits, config.training.max_minutes) == (3, 150)
    assert isinstance(config.endpoint, InstanceEndpoint)
    assert (config.endpoint.instances, config.endpoint.scales) == (1, False)
    assert (config.architecture, config.kms, config.log_days) == ("arm64", False, 30)


def test_workshop_preset_has_the_workshops_hyperparameters(read: Any) -> None:
    config = read(preset="workshop")
    rating, recommendation = (config.hyperparameters[t] for t in ("rating", "recommendation"))
    assert (rating["output_layer"], recommendation["output_layer"]) == (
        "mean_squared_error",
        "softmax",
    )
    assert (rating["enc_dim"], rating["mlp_dim"], rating["mini_batch_size"]) == (
        "1024",
        "256",
        "64",
    )
    assert (recommendation["enc_dim"], recommendation["mini_batch_size"]) == ("2048", "2048")
    assert float(rating["learning_rate"]) == 0.001
    for one in (rating, recommendation):
        assert (one["enc0_vocab_size"], one["enc1_vocab_size"]) == ("944", "1684")


def test_command_line_overrides_cdk_json(read: Any) -> None:
    config = read(**{"rating.epochs": "5", "rating": {"epochs": 9, "dropout": 0.25}})
    assert config.hyperparameters["rating"]["epochs"] == "5"
    assert config.hyperparameters["rating"]["dropout"] == "0.25"
    assert config.hyperparameters["recommendation"]["epochs"] != "9"


def test_boolean_hyperparameters_use_object2vecs_spelling(read: Any) -> None:
    config = read(rating={"tied_token_embedding_weight": True})
    assert config.hyperparameters["rating"]["tied_token_embedding_weight"] == "True"


def test_serverless_endpoint_settings_are_read(read: Any) -> None:
    config = read(endpoint={"kind": "serverless"}, **{"endpoint.memory_mb": "4096"})
    assert config.endpoint == ServerlessEndpoint(memory_mb=4096, max_concurrency=3)


@pytest.mark.parametrize(
    ("settings", "each"),
    [
        ({"preset": "workshop"}, 5),  # two endpoints
        ({}, 3),  # three
        ({"engines": "deep_mf"}, 2),
        ({"engines": "deep_mf, factorization_machines"}, 2),
        ({"quotas.serverless_concurrency": "20"}, 5),
    ],
)
def test_serverless_concurrency_defaults_to_an_equal_share_of_the_accounts(
    read: Any, settings: dict[str, str], each: int
) -> None:
    endpoint = read(endpoint={"kind": "serverless"}, **settings).endpoint
    assert endpoint.max_concurrency == each


def test_serverless_concurrency_beyond_the_accounts_is_refused(read: Any) -> None:
    serverless = {"kind": "serverless", "max_concurrency": 4}
    (error,) = errors_of(read, endpoint=serverless)
    assert error.startswith(
        "endpoint.max_concurrency: '4' is not possible for each of 3 endpoints: an account has 10 "
        "in all, and so at most 3 each."
    )
    raised = read(endpoint=serverless, quotas={"serverless_concurrency": 12})
    assert raised.endpoint.max_concurrency == 4
    assert read(endpoint={"max_concurrency": 4}).endpoint.instances == 1


@pytest.mark.parametrize(
    ("group", "setting"),
    [("custom", "personalize.solutions"), ("domain", "personalize.domain_solutions")],
)
def test_more_campaigns_than_a_dataset_group_may_have_are_refused(
    read: Any, group: str, setting: str
) -> None:
    five = "user-personalization-v2, personalized-ranking-v2, similar-items, sims, trending-now"
    chosen = {"personalize.groups": group, "personalize.metadata": "true"}
    # a recipe without a campaign does not count
    assert read(**chosen, **{setting: f"{five}, item-affinity"})
    six = {setting: f"{five}, popularity-count"}
    (error,) = errors_of(read, **chosen, **six)
    assert error.startswith(f"{setting}: '")
    assert "6 of them serve campaigns, and a dataset group may have 5" in error
    assert read(**chosen, **six, **{"quotas.campaigns": "6"})


def test_quotas_of_the_settings_are_those_of_a_new_account(read: Any) -> None:
    quotas = table.quotas()
    concurrency = "Maximum total concurrency that can be allocated across all serverless endpoints"
    defaults = {
        "sagemaker": (concurrency, 10),
        "personalize": ("Active campaigns per dataset group", 5),
    }
    for service, (name, value) in defaults.items():
        assert quotas[service, name].default == value
    # five endpoints are the most that the settings can choose
    most = read(engines="deep_mf, factorization_machines")
    assert len(most.hyperparameters) + len(most.engines) == 5
    assert quotas["sagemaker", "Maximum number of serverless endpoints"].default == 5
    assert len(USE_CASES) <= quotas["personalize", "Active recommenders per dataset group"].default


def test_errors_are_all_reported_at_once(read: Any) -> None:
    errors = errors_of(
        read,
        prefx="a",
        preset="small",
        region="mars-1",
        account="123",
        kms="maybe",
        architecture="mips",
        log_days=31,
        rating={"epochs": 0, "epoch": 3, "mlp_activation": "gelu", "comparator_list": "concat,sum"},
        **{
            "recommendation.learning_rate": "1_0",
            "recommendation.enc0_vocab_size": "943",
            "training.waits": "0",
            "training.instance_type": "m5.large",
            "endpoint.memory_mb": "1500",
            "endpoint.max_instances": "-1",
        },
    )
    expected = [
        "prefx: unknown setting; did you mean prefix?",
        "preset: 'small' is not one of",
        "region: 'mars-1' is not one of",
        "account: '123' is not an account's 12 digits",
        "kms: 'maybe' is not one of true, false",
        "architecture: 'mips' is not one of arm64, x86_64",
        "log_days: '31' is not one of",
        "rating.epochs: '0' is not a whole number from 1 to 100",
        "rating.epoch: not a known hyperparameter",
        "rating.mlp_activation: 'gelu' is not one of tanh, relu, linear",
        "rating.comparator_list: 'concat,sum' is not some of hadamard, concat, abs_diff",
        "recommendation.learning_rate: '1_0' is not a number from 1e-06 to 1",
        "recommendation.enc0_vocab_size: '943' is not at least 944",
        "training.waits: '0' is not a whole number from 1 to 20",
        "training.instance_type: 'm5.large' is not like ml.m5.xlarge",
        "endpoint.memory_mb: '1500' is not a whole number from 1024 to 6144 in steps of 1024",
        "endpoint.max_instances: '-1' is not a whole number from 1 to 100",
    ]
    for start in expected:
        assert sum(error.startswith(start) for error in errors) == 1, (start, errors)
    assert len(errors) == len(expected)


@pytest.mark.parametrize(
    ("context", "told"),
    [
        ({"prefix": "Anna"}, "'Anna' is not lower-case letters and digits"),
        ({"prefix": "a--b"}, "'a--b' is not lower-case letters and digits"),
        ({"prefix": "1a"}, "'1a' is not lower-case letters and digits"),
        ({"suffix": "x_y"}, "'x_y' is not lower-case letters and digits"),
        # 63 characters are a solution's most: 28 + len("-item-attribute-affinity-0123456789").
        ({"prefix": "a" * 29}, "at most 28 characters long"),
        ({"prefix": "a" * 20, "suffix": "b" * 8}, "prefix with suffix: "),
        ({"training.max_minutes": 151}, "training.max_minutes: '151' is not at most 150"),
        ({"endpoint.instances": 3, "endpoint.max_instances": 2}, "at least endpoint.instances"),
        ({"rating.dropout": "nan"}, "rating.dropout: 'nan' is not a number from 0 to 1"),
        ({"rating.epochs": "2.5"}, "rating.epochs: '2.5' is not a whole number"),
        ({"operations.budget_usd": 5}, "operations.budget_usd: also set operations.email"),
        (
            {
                "operations.budget_usd": 5,
                "operations.email": "a@b.org",
                "region": "eu-north-1",
                "personalize.groups": "off",
            },
            "operations.budget_usd: CloudFormation does not support budgets in eu-north-1",
        ),
        (
            {"neighbours": "s3vectors", "region": "il-central-1", "personalize.groups": "off"},
            "neighbours: Amazon S3 Vectors is not available in il-central-1; set it to memory",
        ),
        (
            {"neighbours": "s3vectors", "retrieval.enc_dim": 4097},
            "at most 4096 dimensions, and retrieval.enc_dim is 4097",
        ),
        ({"operations.email": "anna"}, "operations.email: 'anna' is not an e-mail address"),
        ({"operations.idle_hours": 337}, "'337' is not a whole number from 0 to 336"),
        ({"operations.idle_hours": 5}, "operations.idle_hours: '5' is less than 6 hours"),
        ({"training": "much"}, "training: unknown setting"),
    ],
)
def test_invalid_value_is_one_error(read: Any, context: dict[str, Any], told: str) -> None:
    (error,) = errors_of(read, **context)
    assert told in error


def test_longest_prefix_gives_valid_names(read: Any) -> None:
    config = read(prefix="a" * 28)
    assert len(config.name("item-attribute-affinity-0123456789")) == 63
    assert len(config.name("Recommendation_Engine_Object2Vec")) <= 64
    assert len(config.name("recommendation-0123456789")) <= 63


def test_more_waiters_allow_a_longer_training(read: Any) -> None:
    assert read(**{"training.waits": 4}).training.max_minutes == 150
    assert read(**{"training.waits": 1}).training.max_minutes == 50
    assert read(**{"training.waits": 4, "training.max_minutes": 200}).training.max_minutes == 200


def test_region_of_the_credentials_is_checked(data: Path) -> None:
    with pytest.raises(ConfigError, match=r"is not available in eu-isoe-west-1"):
        Config.from_context({"data": str(data)}, default_region="eu-isoe-west-1")
    named = Config.from_context(
        {"data": str(data), "region": "us-east-1"}, default_region="eu-isoe-west-1"
    )
    assert named.region == "us-east-1"


def test_context_of_the_cdk_is_ignored(read: Any) -> None:
    assert read(**{"@aws-cdk/core:checkSecretUsage": True, "aws:cdk:enable-path-metadata": True})


def test_missing_data_is_reported_with_advice(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        Config.from_context({"data": str(tmp_path)})
    (error,) = caught.value.errors
    assert error.startswith(f"data: no prepared data in {tmp_path}")
    assert "`make data`" in error


def test_incomplete_data_is_reported_with_advice(tmp_path: Path) -> None:
    folder = write_data(tmp_path)
    (folder / "bucket/object2vec/movielens/input/rating/train/train_r.jsonl").unlink()
    with pytest.raises(ConfigError, match=r"train_r\.jsonl: create it with `make data`"):
        Config.from_context({"data": str(folder)})
    for text in ("{", json.dumps({"object2vec": {}}), json.dumps([])):
        (folder / "manifest.json").write_text(text)
        with pytest.raises(ConfigError, match=r"manifest\.json is not a manifest"):
            Config.from_context({"data": str(folder)})


def test_digest_covers_only_the_tasks_files(tmp_path: Path) -> None:
    def digests(name: str, **content: Any) -> dict[str, str]:
        folder = write_data(tmp_path / name, **content)
        return Config.from_context({"data": str(folder)}).data.digests

    before = digests("a")
    assert digests("b") == before

    def changed(name: str, **content: Any) -> set[str]:
        return {one for one, value in digests(name, **content).items() if value != before[one]}

    assert changed("c", titles="Another (2000)") == {"items", "catalogue"}
    models = {"rating", "factorization_machines"}
    whole = {f"all of {model}" for model in models}
    assert changed("d", ratings="5") == {*models, *whole, "interactions"}


def test_settings_are_all_documented(data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = (PROJECT / "docs" / "configuration.md").read_text("utf-8")
    settings = Settings({"data": str(data)})
    monkeypatch.setattr("stacks.config.Settings", lambda _: settings)
    Config.from_context({})
    assert settings.known == set(re.findall(r"^\| `([a-z_.]+)`", text, re.MULTILINE))


def test_manifest_of_another_version_is_reported_with_advice(tmp_path: Path) -> None:
    folder = write_data(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    (folder / "manifest.json").write_text(json.dumps({**manifest, "version": 2, "keys": {}}))
    with pytest.raises(
        ConfigError, match=r"has version 2, but 1 is required: create it with `make"
    ):
        Config.from_context({"data": str(folder)})


@pytest.mark.parametrize(
    ("ratings", "hyperparameters", "minutes"),
    [
        (90_570, {"epochs": "20", "mini_batch_size": "64"}, 4),  # the workshop's rating model
        (90_570, {"epochs": "20", "mini_batch_size": "64", "negative_sampling_rate": "3"}, 16),
        (25_000_000, {"epochs": "40", "mini_batch_size": "128"}, 1104),  # 7,812,520 steps of 7,080
    ],
)
def test_training_time_is_estimated_from_the_workshops_speed(
    ratings: int, hyperparameters: dict[str, str], minutes: int
) -> None:
    assert training_time.minutes(ratings, hyperparameters) == minutes


SOURCE = {"source": "s3://elsewhere/logs/", "profile": "lists"}


def test_source_is_read_with_its_digest() -> None:
    found = Config.from_context(SOURCE, look=lambda uri: (f"digest of {uri}", {"csv": 7})).source
    assert found
    assert (found.bucket, found.prefix) == ("elsewhere", "logs/")
    assert found.digest == "digest of s3://elsewhere/logs/"
    assert found.sizes == {"csv": 7}
    whole = Config.from_context({**SOURCE, "source": "s3://elsewhere/"}).source
    assert whole and (whole.prefix, whole.digest) == ("", "")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"profile": "full"}, "also set profile=lists"),
        ({"data": "build/data"}, "data names a folder, too"),
        ({"notebook.enabled": True}, "the notebook needs files"),
        (
            {
                "experiments": {
                    "one": {
                        "arms": {"a": {"share": 50}, "b": {"share": 50, "next_item": 0}},
                        "metric": {"measure": "count", "event": ""},
                    }
                }
            },
            "no half_life and next_item",
        ),
        ({"source": "s3://elsewhere/logs"}, "a prefix that ends in /"),
        ({"source": "/home/anna/logs/"}, "a prefix that ends in /"),
        ({"preparation.max_vcpus": 10}, "from 8 to 400 in steps of 4"),
        ({"preparation.columns": "user"}, "of the form user=…,item=…"),
        ({"preparation.table": True}, "also set preparation.lists"),
        ({"preparation.columns": "reader=r"}, "known are user, item"),
    ],
)
def test_setting_that_a_source_does_not_allow_is_one_error(
    settings: dict[str, Any], told: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        Config.from_context({**SOURCE, **settings})
    assert len(refused.value.errors) == 1 and told in refused.value.errors[0]


def test_source_that_cannot_be_listed_is_an_error() -> None:
    def look(uri: str) -> Any:
        raise ValueError(f"{uri} holds nothing")

    with pytest.raises(ConfigError, match=r"source: s3://elsewhere/logs/ holds nothing"):
        Config.from_context(SOURCE, look=look)
