"""The stack of the lists: what is deployed, for whom, and with which permissions."""

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pyarrow as pa
import pytest

from recsys.experiments.outcomes import EVENTS, EXPOSURES
from stacks.config import Config, ConfigError
from tests.stacks.deployments import Deployment, Synthesize, write_data


def test_lists_are_deployed_unless_none_are_wanted(
    default: Deployment, variant: Callable[[str], Deployment]
) -> None:
    assert "Lists" in default.templates
    assert set(variant("nothing besides Object2Vec").templates) == {
        "Data",
        "Object2Vec",
        "Functions",
    }


def test_the_profile_deploys_the_data_and_the_lists_alone(
    variant: Callable[[str], Deployment],
) -> None:
    deployment = variant("lists alone")
    assert set(deployment.templates) == {"Data", "Lists", "Operations"}
    kinds = {
        one["Type"] for each in deployment.templates.values() for one in each["Resources"].values()
    }
    assert not [kind for kind in kinds if "SageMaker" in kind or "Personalize" in kind]
    routes = deployment.resources("Lists", "AWS::ApiGatewayV2::Route").values()
    assert {one["Properties"]["AuthorizationType"] for one in routes} == {"AWS_IAM"}
    assert "DELETE /users/{id}" in {one["Properties"]["RouteKey"] for one in routes}


def test_the_table_is_imported_encrypted_recoverable_and_goes_with_the_stack(
    default: Deployment, variant: Callable[[str], Deployment]
) -> None:
    (table,) = default.resources("Lists", "AWS::DynamoDB::Table").values()
    properties = table["Properties"]
    assert table["DeletionPolicy"] == table["UpdateReplacePolicy"] == "Delete"
    assert properties["BillingMode"] == "PAY_PER_REQUEST"
    assert properties["PointInTimeRecoverySpecification"] == {"PointInTimeRecoveryEnabled": True}
    source = properties["ImportSourceSpecification"]
    assert source["S3BucketSource"]["S3KeyPrefix"] == "lists/movielens/histories/"
    assert "TimeToLiveSpecification" not in properties
    fading = variant("lists alone").resources("Lists", "AWS::DynamoDB::Table").values()
    expiry = {"AttributeName": "expires", "Enabled": True}
    assert [one["Properties"]["TimeToLiveSpecification"] for one in fading] == [expiry] * 2


def test_other_data_get_another_table_and_another_model(
    synthesize: Synthesize, default: Deployment, tmp_path_factory: pytest.TempPathFactory
) -> None:
    other = write_data(tmp_path_factory.mktemp("other"), ratings="5")
    changed = synthesize({"data": str(other)})

    def told(deployment: Deployment) -> tuple[set[str], str]:
        (model,) = deployment.resources("Lists", "Custom::TrainedLists").values()
        tables = set(deployment.resources("Lists", "AWS::DynamoDB::Table"))
        return tables, model["Properties"]["Inputs"]

    assert told(changed)[0] != told(default)[0]
    assert told(changed)[1] != told(default)[1]


def allowed(deployment: Deployment, role: str) -> set[str]:
    ((_, found),) = (
        (name, one)
        for name, one in deployment.resources("Lists", "AWS::IAM::Role").items()
        if name.startswith(role)
    )
    statements: list[Mapping[str, Any]] = found["Properties"]["Policies"][0]["PolicyDocument"][
        "Statement"
    ]
    actions: set[str] = set()
    for statement in statements:
        given = statement["Action"]
        actions |= {given} if isinstance(given, str) else set(given)
    return actions


def test_events_that_fail_for_good_are_kept_and_raise_an_alarm(
    variant: Callable[[str], Deployment],
) -> None:
    deployment = variant("lists alone")
    ((name, queue),) = deployment.resources("Lists", "AWS::SQS::Queue").items()
    assert queue["Properties"]["QueueName"] == "recommender-Events-failed"
    assert queue["Properties"]["SqsManagedSseEnabled"] is True
    (tries,) = deployment.resources("Lists", "AWS::Lambda::EventInvokeConfig").values()
    assert tries["Properties"]["DestinationConfig"] == {
        "OnFailure": {"Destination": {"Fn::GetAtt": [name, "Arn"]}}
    }
    alarms = deployment.resources("Operations", "AWS::CloudWatch::Alarm").values()
    (alarm,) = (one["Properties"] for one in alarms if one["Properties"]["Namespace"] == "AWS/SQS")
    assert alarm["Dimensions"] == [{"Name": "QueueName", "Value": "recommender-Events-failed"}]
    assert alarm["MetricName"] == "ApproximateNumberOfMessagesVisible"
    assert (alarm["Threshold"], alarm["Statistic"]) == (1, "Maximum")


def test_each_function_may_do_its_own_work_alone(
    default: Deployment, variant: Callable[[str], Deployment]
) -> None:
    logs = {"logs:CreateLogStream", "logs:PutLogEvents"}
    reads = {"s3:GetObject", "dynamodb:Query"}
    assert allowed(default, "ListsRole") == logs | reads
    writes = {"dynamodb:BatchWriteItem", "sqs:SendMessage"}
    tells = {"cloudformation:DescribeStacks", "personalize:PutEvents"}
    assert allowed(default, "EventsRole") == logs | reads | writes | tells
    assert allowed(variant("lists alone"), "EventsRole") == logs | reads | writes
    # with experiments
    records = {"dynamodb:PutItem"}
    assert allowed(variant("lists alone"), "ListsRole") == logs | reads | records
    # it lists what engines score for all users, to delete it after the setting has left
    trains = {"s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:ListBucket"}
    carries = {"dynamodb:Scan", "dynamodb:BatchWriteItem"}
    assert allowed(default, "TrainingIsCompleteRole") == logs | trains | carries
    assert allowed(default, "TrainingOnEventRole") == logs


def test_experiments_get_a_table_and_both_functions_know_it(
    default: Deployment, variant: Callable[[str], Deployment]
) -> None:
    deployment = variant("lists alone")
    tables = deployment.resources("Lists", "AWS::DynamoDB::Table")
    (name,) = (name for name in tables if name.startswith("Exposures"))
    assert tables[name]["DeletionPolicy"] == "Delete"
    assert "ImportSourceSpecification" not in tables[name]["Properties"]
    functions = {
        one["Properties"]["FunctionName"]: one["Properties"]["Environment"]["Variables"]
        for one in deployment.resources("Lists", "AWS::Lambda::Function").values()
        if "Environment" in one["Properties"] and "FunctionName" in one["Properties"]
    }
    lists, events = functions["recommender-Lists"], functions["recommender-Events"]
    assert lists["EXPOSURES_TABLE"] == events["EXPOSURES_TABLE"] == {"Ref": name}
    assert json.loads(lists["EXPERIMENTS"])["recency"]["arms"]["recent"]["half_life"] == 3
    assert len(default.resources("Lists", "AWS::DynamoDB::Table")) == 1


def test_lists_may_ask_personalize_only_if_an_arm_does(
    default: Deployment, variant: Callable[[str], Deployment]
) -> None:
    asks = {"cloudformation:DescribeStacks", "personalize:GetRecommendations"}
    assert not allowed(default, "ListsRole") & asks
    assert not allowed(variant("lists alone"), "ListsRole") & asks
    deployment = variant("domain group")
    assert allowed(deployment, "ListsRole") >= asks
    (function,) = (
        one["Properties"]
        for one in deployment.resources("Lists", "AWS::Lambda::Function").values()
        if one["Properties"].get("FunctionName") == "recommender-Lists"
    )
    assert function["Environment"]["Variables"]["PERSONALIZE_STACK"] == "recommender-Personalize"
    # a reference would keep either stack from changing
    artifacts = json.loads((deployment.folder / "manifest.json").read_text("utf-8"))["artifacts"]
    assert "recommender-Personalize" not in artifacts["recommender-Lists"]["dependencies"]


def test_lists_may_ask_endpoints_only_if_an_arm_does(
    default: Deployment, variant: Callable[[str], Deployment]
) -> None:
    assert "sagemaker:InvokeEndpoint" not in allowed(default, "ListsRole")
    deployment = variant("every engine")
    (function,) = (
        one["Properties"]
        for one in deployment.resources("Lists", "AWS::Lambda::Function").values()
        if one["Properties"].get("FunctionName") == "recommender-Lists"
    )
    variables = function["Environment"]["Variables"]
    endpoints = json.loads(variables["ENDPOINTS"])
    served = {
        one["Properties"]["EndpointName"]
        for stack in ("Object2Vec", "DeepMf", "FactorizationMachines")
        for one in deployment.resources(stack, "AWS::SageMaker::Endpoint").values()
    }
    assert set(endpoints) == {"object2vec", "deep_mf", "factorization_machines"}
    assert set(endpoints.values()) < served and endpoints["object2vec"].endswith("retrievalModel")
    (role,) = (
        one["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        for name, one in deployment.resources("Lists", "AWS::IAM::Role").items()
        if name.startswith("ListsRole")
    )
    (invokes,) = (one for one in role if one["Action"] == "sagemaker:InvokeEndpoint")
    named = {one["Fn::Join"][1][-1].rpartition("/")[2] for one in invokes["Resource"]}
    assert {name.lower() for name in named} == {name.lower() for name in endpoints.values()}
    machines = deployment.templates["FactorizationMachines"]["Outputs"]
    sizes = [machines[f"FactorizationMachines{what}"]["Value"] for what in ("Users", "Items")]
    assert variables["SIZES"] == ",".join(sizes)
    # their stacks may change while that of the lists does not
    artifacts = json.loads((deployment.folder / "manifest.json").read_text("utf-8"))["artifacts"]
    needed = artifacts["recommender-Lists"]["dependencies"]
    assert not {"recommender-Object2Vec", "recommender-DeepMf"} & set(needed)


def test_results_of_experiments_may_be_written_and_nothing_else(
    default: Deployment, variant: Callable[[str], Deployment]
) -> None:
    deployment = variant("lists alone")
    logs = {"logs:CreateLogStream", "logs:PutLogEvents"}
    writes = {"s3:ListBucket", "s3:PutObject", "s3:DeleteObject"}
    role = "ExperimentResultsFunctionRole"
    assert allowed(deployment, role) == logs | writes | {"dynamodb:Scan"}
    (found,) = (
        one["Properties"]["Policies"][0]["PolicyDocument"]["Statement"]
        for name, one in deployment.resources("Lists", "AWS::IAM::Role").items()
        if name.startswith(role)
    )
    for statement in found:
        if "s3:" in json.dumps(statement["Action"]):
            assert "experiments/results/*" in json.dumps(statement)
    alarms = deployment.resources("Operations", "AWS::CloudWatch::Alarm").values()
    ours = {name for one in alarms if "Results" in (name := one["Properties"]["AlarmName"])}
    assert ours == {"recommender-ExperimentResults-errors"}  # none on its duration
    for kind in ("AWS::Glue::Database", "AWS::Glue::Table", "AWS::Scheduler::Schedule"):
        assert not default.resources("Lists", kind)


# Hive's types of the columns of files
HIVE: Final = {
    pa.string(): ("string",),
    pa.float64(): ("double", "bigint"),
    pa.list_(pa.string()): ("array<string>",),
}


def test_tables_of_results_have_the_columns_and_places_of_the_files(
    variant: Callable[[str], Deployment],
) -> None:
    deployment = variant("lists alone")
    (database,) = deployment.resources("Lists", "AWS::Glue::Database")
    tables = deployment.resources("Lists", "AWS::Glue::Table").values()
    schemas = {"exposures": EXPOSURES, "events": EVENTS}
    seen = set()
    for table in (one["Properties"] for one in tables):
        assert table["DatabaseName"] == {"Ref": database}
        given = table["TableInput"]
        seen.add(given["Name"])
        schema = schemas[given["Name"]]
        columns = {one["Name"]: one["Type"] for one in given["StorageDescriptor"]["Columns"]}
        assert columns.keys() == set(schema.names)
        assert all(kind in HIVE[schema.field(name).type] for name, kind in columns.items())
        assert given["PartitionKeys"] == [{"Name": "day", "Type": "string"}]
        place = given["Parameters"]["storage.location.template"]["Fn::Join"][1][-1]
        assert place == f"/experiments/results/{given['Name']}/day=${{day}}/"
    assert seen == set(schemas)


EXPERIMENT: Any = {
    "arms": {"a": {"share": 50}, "b": {"share": 50, "next_item": 1}},
    "metric": {"event": "Watch"},
}


def by_model(model: str) -> Any:
    """Arms of which the second asks an engine."""
    return {"a": {"share": 50}, "b": {"share": 50, "model": model}}


def test_experiments_are_read_from_an_object_or_from_json_on_the_command_line(data: Any) -> None:
    def read(**context: Any) -> Any:
        return Config.from_context({"data": str(data), **context}).experiments

    assert read() == ()
    (one,) = read(experiments={"one": EXPERIMENT})
    assert one.arms[1].settings == {"next_item": 1}
    assert read(**{"experiments.one": json.dumps(EXPERIMENT)}) == (one,)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"experiments": {"one": {"arms": {}}}}, r"experiments\.one\.arms: must be an object"),
        ({"experiments.one": "{"}, r"experiments\.one: not JSON"),
        *(
            (
                {
                    "experiments": {"one": {**EXPERIMENT, "arms": by_model("personalize")}},
                    "personalize": personalize,
                },
                "nothing of it that is deployed recommends items to users",
            )
            for personalize in (
                {"groups": "off"},
                {"groups": "custom", "solutions": "sims"},
                {"groups": "domain", "recommenders": "more-like-x"},
            )
        ),
        *(
            (
                {"experiments": {"one": {**EXPERIMENT, "arms": by_model(model)}}, **settings},
                rf"experiments\.one\.arms\.b\.model: {model} is not deployed; {words}",
            )
            for model, settings, words in (
                ("deep_mf", {}, "add deep_mf to engines$"),
                ("factorization_machines", {"engines": "lists, deep_mf"}, "add factorization_m"),
                ("object2vec", {"profile": "lists"}, "set profile=full$"),
                ("deep_mf", {"profile": "lists"}, "set profile=full and add deep_mf to engines"),
            )
        ),
        ({"experiments": {"one": EXPERIMENT, "two": EXPERIMENT}}, "its arms set next_item, as"),
        ({"experiments": {"one": EXPERIMENT}, "engines": "none"}, "add lists to engines"),
        (
            {
                "experiments": {
                    f"{'long-' * 6}{n}": {
                        **EXPERIMENT,
                        "arms": {"a" * 40: {"share": 50}, "b": {"share": 50}},
                    }
                    for n in range(20)
                }
            },
            "fit into the environment of a function",
        ),
    ],
)
def test_wrong_experiments_are_refused(data: Any, settings: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Config.from_context({"data": str(data), **settings})


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"engines": "none, lists"}, "either none or some of the others"),
        ({"profile": "lists", "engines": "deep_mf"}, "lists alone"),
        ({"profile": "some"}, "one of full, lists"),
        ({"lists": {"validation": "all"}}, "one of newest, random"),
        ({"lists": {"memory_mb": 20000}}, "a whole number from 1024 to 10240"),
    ],
)
def test_settings_that_contradict_are_refused(data: Any, settings: Any, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        Config.from_context({"data": str(data), **settings})


def test_the_memory_follows_the_catalogue(data: Any) -> None:
    def memory(**more: Any) -> tuple[int, int]:
        found = Config.from_context({"data": str(data), **more}).lists
        assert found
        return found.memory_mb, found.most_items

    assert memory()[0] == 1769  # 1 vCPU; a new account allows functions of 3,008 MB
    assert memory()[1] > 10_000
    assert memory(lists={"memory_mb": 10_240})[1] > 30_000


def test_catalogue_that_does_not_fit_is_a_warning(
    synthesize: Synthesize, default: Deployment, tmp_path: Path
) -> None:
    data = write_data(tmp_path)
    manifest = json.loads((data / "manifest.json").read_text("utf-8"))
    (data / "manifest.json").write_text(json.dumps({**manifest, "items": 50_000}), "utf-8")

    def warned(deployment: Deployment) -> list[str]:
        path = deployment.folder / "recommender-Lists.metadata.json"
        found = json.loads(path.read_text("utf-8"))
        entries = [entry for entries in found.values() for entry in entries]
        return [str(one["data"]) for one in entries if one["type"] == "aws:cdk:warning"]

    settings = {"data": str(data), "profile": "lists", "lists": {"memory_mb": 3_000}}
    # 4 bytes for each pair of items and half of that again, besides 700 MB
    (told,) = warned(synthesize(settings))
    assert f"the {math.isqrt(2_300 * 2**20 // 6):,} most taken of 50,000 items" in told
    assert "raise lists.memory_mb (at most 10240), or put" in told and "source=s3://" in told
    assert warned(default) == []


def test_what_a_function_takes_along_is_all_that_it_imports(default: Deployment) -> None:
    """In a process that finds nothing of recsys but what is bundled."""
    import subprocess
    import sys

    from stacks import lists
    from stacks.constructs import archive

    source = archive.RECSYS

    for patterns, module in (
        (lists._SERVES, "recsys.lists.model"),
        (
            lists._EXPERIMENTS,
            "recsys.experiments.assignment, recsys.experiments.definition, recsys.ranking",
        ),
        (lists._TRAINS, "recsys.lists.training"),
    ):
        files = {str(path) for pattern in patterns for path in source.glob(pattern)}
        files.add(str(source / "recsys" / "__init__.py"))
        code = (
            f"import sys; sys.path.insert(0, {str(source)!r}); import {module};"
            "print(*(m.__file__ for n, m in sys.modules.items() if n.split('.')[0] == 'recsys'),"
            "sep='\\n')"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        )
        assert {str(Path(line)) for line in done.stdout.split()} <= files


def test_lists_of_a_source_wait_for_its_job(variant: Callable[[str], Deployment]) -> None:
    deployment = variant("source in a bucket")
    artifacts = json.loads((deployment.folder / "manifest.json").read_text("utf-8"))["artifacts"]
    assert "recommender-Preparation" in artifacts["recommender-Lists"]["dependencies"]
    (model,) = deployment.resources("Lists", "Custom::TrainedLists").values()
    (job,) = deployment.resources("Preparation", "Custom::TrainedStart").values()
    arguments = job["Properties"]["Request"]["jobDriver"]["sparkSubmit"]["entryPointArguments"]
    written = arguments[arguments.index("--out") + 1]
    assert written["Fn::Join"][1][-1] == f"/{model['Properties']['Prepared']}"


def test_table_of_lists_is_imported_goes_with_the_stack_and_forgets_users(
    variant: Callable[[str], Deployment],
) -> None:
    deployment = variant("source in a bucket")
    tables = deployment.resources("Lists", "AWS::DynamoDB::Table")
    (name,) = (name for name in tables if name.startswith("ListsForAllUsers"))
    properties = tables[name]["Properties"]
    assert tables[name]["DeletionPolicy"] == tables[name]["UpdateReplacePolicy"] == "Delete"
    assert properties["KeySchema"] == [{"AttributeName": "user", "KeyType": "HASH"}]
    assert properties["AttributeDefinitions"] == [{"AttributeName": "user", "AttributeType": "S"}]
    (model,) = deployment.resources("Lists", "Custom::TrainedLists").values()
    imported = properties["ImportSourceSpecification"]
    written = f"{model['Properties']['Prepared']}table/"
    assert imported["S3BucketSource"]["S3KeyPrefix"] == written
    assert imported["InputCompressionType"] == "GZIP"
    (job,) = deployment.resources("Preparation", "Custom::TrainedStart").values()
    arguments = job["Properties"]["Request"]["jobDriver"]["sparkSubmit"]["entryPointArguments"]
    assert arguments[arguments.index("--lists") + 1] == "10" and "--table" in arguments
    outputs = deployment.templates["Lists"]["Outputs"]
    assert outputs["ListsForAllUsersTableName"]["Value"] == {"Ref": name}
    (events,) = (
        one["Properties"]["Environment"]["Variables"]
        for one in deployment.resources("Lists", "AWS::Lambda::Function").values()
        if one["Properties"].get("FunctionName") == "recommender-Events"
    )
    assert events["LISTS_TABLE"] == {"Ref": name}
    assert "dynamodb:DeleteItem" in allowed(deployment, "EventsRole")


# Retraining ---------------------------------------------------------------------------------------


def test_retraining_has_alarms_on_failures_and_none_on_its_duration(
    variant: Callable[[str], Deployment],
) -> None:
    alarms = variant("lists alone").resources("Operations", "AWS::CloudWatch::Alarm").values()
    chapters = {
        one["Properties"]["AlarmName"]: one["Properties"]["AlarmDescription"] for one in alarms
    }
    ours = {name: text for name, text in chapters.items() if "rain" in name}
    assert set(ours) == {"recommender-Retraining-failed", "recommender-Lists-Training-failed"}
    assert all(text.endswith("runbook.md#a-retraining-failed") for text in ours.values())


def test_lists_are_not_retrained_unless_wanted(default: Deployment) -> None:
    assert not default.resources("Lists", "AWS::Scheduler::Schedule")
    assert set(default.templates["Lists"]["Parameters"]) == {"BootstrapVersion"}
    (trained,) = default.resources("Lists", "Custom::TrainedLists").values()
    assert "Generation" not in trained["Properties"]


def test_generation_of_the_data_is_a_parameter_that_the_key_follows(
    variant: Callable[[str], Deployment],
) -> None:
    deployment = variant("lists alone")
    template = deployment.templates["Lists"]
    (name,) = set(template["Parameters"]) - {"BootstrapVersion"}
    assert template["Parameters"][name]["Default"] == "0"
    (trained,) = deployment.resources("Lists", "Custom::TrainedLists").values()
    properties = trained["Properties"]
    assert properties["Generation"] == {"Ref": name}
    assert json.loads(properties["Gate"]) == {
        "coverage": 5,
        "drift": 50,
        "unknown": 20,
        "volume": 80,
    }
    condition, deployed, later = properties["Interactions"]["Fn::If"]
    assert template["Conditions"][condition] == {"Fn::Equals": [{"Ref": name}, "0"]}
    assert deployed == "lists/movielens/interactions.npz"
    joined = ["lists/generations/", {"Ref": name}, "/interactions.npz"]
    assert later == {"Fn::Join": ["", joined]}
    (function,) = (
        one["Properties"]["Environment"]["Variables"]
        for one in deployment.resources("Lists", "AWS::Lambda::Function").values()
        if one["Properties"].get("FunctionName") == "recommender-Retraining"
    )
    assert function["PARAMETER"] == name


def test_other_data_begin_with_another_generation(
    synthesize: Synthesize, tmp_path_factory: pytest.TempPathFactory, data: Any
) -> None:
    other = write_data(tmp_path_factory.mktemp("others"), ratings="5")
    settings = {"profile": "lists", "retrain.schedule": "manual"}
    names = [
        set(synthesize({**settings, "data": str(one)}).templates["Lists"]["Parameters"])
        for one in (data, other)
    ]
    assert names[0] != names[1] and len(names[0]) == 2


def test_schedule_may_start_the_function_alone_and_the_function_its_stack_alone(
    variant: Callable[[str], Deployment],
) -> None:
    deployment = variant("lists alone")
    (properties,) = (
        one["Properties"]
        for one in deployment.resources("Lists", "AWS::Scheduler::Schedule").values()
        if one["Properties"]["Name"] == "recommender-Retraining"
    )
    assert properties["ScheduleExpression"] == "cron(0 3 * * ? *)"
    assert properties["FlexibleTimeWindow"] == {"Mode": "OFF"}
    roles = deployment.resources("Lists", "AWS::IAM::Role")
    role = roles[properties["Target"]["RoleArn"]["Fn::GetAtt"][0]]["Properties"]
    ((statement,),) = (one["PolicyDocument"]["Statement"] for one in role["Policies"])
    assert statement["Action"] == "lambda:InvokeFunction"
    assert statement["Resource"] == properties["Target"]["Arn"]
    (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
    assert "schedule-group/default" in json.dumps(trust["Condition"])
    allowed = [
        statement
        for name, one in roles.items()
        if name.startswith("RetrainingFunctionRole")
        for policy in one["Properties"]["Policies"]
        for statement in policy["PolicyDocument"]["Statement"]
        if "cloudformation:" in json.dumps(statement["Action"])
    ]
    assert [one["Action"] for one in allowed] == [
        ["cloudformation:DescribeStacks", "cloudformation:UpdateStack"]
    ]
    assert "stack/recommender-Lists/*" in json.dumps(allowed[0]["Resource"])


@pytest.mark.parametrize(
    "schedule",
    [
        *("rate(1 minute)", "rate(12 hours)", "cron(0 3 * * ? *)", "cron(0/30 8-18 ? * MON-FRI *)"),
        *("cron(15 10 L * ? 2027-2030)", "cron(0 0 ? * 6#3 *)", "manual"),
    ],
)
def test_schedule_of_a_form_that_aws_takes_is_accepted(data: Any, schedule: str) -> None:
    config = Config.from_context({"data": str(data), "retrain.schedule": schedule})
    assert config.retrain
    assert config.retrain.schedule == (None if schedule == "manual" else schedule)


@pytest.mark.parametrize(
    "schedule",
    [
        *("daily", "rate(1 days)", "rate(2 day)", "rate(0 days)", "at(2027-01-01T00:00:00)"),
        *("cron(0 3 * * * *)", "cron(0 3 * * ?)", "cron(60 3 * * ? *)", "cron(0 3 ? * FUN *)"),
    ],
)
def test_schedule_that_aws_would_refuse_is_refused_at_synthesis(data: Any, schedule: str) -> None:
    with pytest.raises(ConfigError, match=r"retrain\.schedule: .* is not a schedule in UTC"):
        Config.from_context({"data": str(data), "retrain.schedule": schedule})


def test_retraining_is_refused_where_there_is_nothing_to_retrain() -> None:
    context = {
        "source": "s3://elsewhere/logs/",
        "engines": "none",
        "retrain": {"schedule": "manual"},
    }
    with pytest.raises(ConfigError) as error:
        Config.from_context(context, look=lambda _: ("0" * 64, {}))
    ours = [one for one in error.value.errors if one.startswith("retrain.schedule")]
    assert len(ours) == 2 and "add lists to engines" in ours[0] and "Spark job" in ours[1]
