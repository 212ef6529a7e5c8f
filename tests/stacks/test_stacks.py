"""What the stacks hold."""

import ast
import json
import re
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest
from trained_resource.kinds import KINDS

from stacks import deep_mf, images
from stacks.constructs.script import Script
from tests.stacks.deployments import VARIANTS, Deployment, Synthesize, Template, write_data

PROJECT = Path(__file__).resolve().parents[2]
RECSYS = PROJECT / "packages" / "recsys" / "src"
Variant = Callable[[str], Deployment]
TASKS = ("rating", "recommendation", "retrieval")


def only(found: dict[str, Template]) -> dict[str, Any]:
    (resource,) = found.values()
    properties: dict[str, Any] = resource["Properties"]
    return properties


def actions_of(template: Template, role: dict[str, Any]) -> set[str]:
    """What a role that a function or a model refers to may do."""
    name = role["Fn::GetAtt"][0]
    (policy,) = template["Resources"][name]["Properties"]["Policies"]
    found: set[str] = set()
    for statement in policy["PolicyDocument"]["Statement"]:
        actions = statement["Action"]
        found |= {actions} if isinstance(actions, str) else set(actions)
    return found


# Data ---------------------------------------------------------------------------------------------


def test_bucket_is_private_encrypted_and_emptied(default: Deployment) -> None:
    bucket = only(default.resources("Data", "AWS::S3::Bucket"))
    assert set(bucket["PublicAccessBlockConfiguration"].values()) == {True}
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"] == {"SSEAlgorithm": "AES256"}
    assert bucket["OwnershipControls"]["Rules"] == [{"ObjectOwnership": "BucketOwnerEnforced"}]
    policy = only(default.resources("Data", "AWS::S3::BucketPolicy"))
    denied = [
        statement["Condition"]
        for statement in policy["PolicyDocument"]["Statement"]
        if statement["Effect"] == "Deny"
    ]
    assert {"Bool": {"aws:SecureTransport": "false"}} in denied
    assert {"NumericLessThan": {"s3:TlsVersion": 1.2}} in denied
    assert default.resources("Data", "Custom::S3AutoDeleteObjects")


def test_upload_prunes_only_its_own_objects(default: Deployment) -> None:
    upload = only(default.resources("Data", "Custom::CDKBucketDeployment"))
    assert upload["Prune"] is True
    assert upload["Exclude"] == [
        "object2vec/movielens/output/*",
        "deep-mf/movielens/output/*",
        "factorization-machines/movielens/output/*",
        "lists/movielens/models/*",
        "object2vec/movielens/embeddings/*",
        "personalize/batch/*",
        "lists/generations/*",
        "lists/pairs/*",
        "experiments/*",
    ]
    assert (
        upload["DestinationBucketName"]
        == default.templates["Data"]["Outputs"]["BucketName"]["Value"]
    )


def test_kms_key_encrypts_bucket_and_models(variant: Variant) -> None:
    kms = variant("kms, other names")
    assert only(kms.resources("Data", "AWS::KMS::Key"))["EnableKeyRotation"] is True
    bucket = only(kms.resources("Data", "AWS::S3::Bucket"))
    (rule,) = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"]
    assert rule["ServerSideEncryptionByDefault"]["SSEAlgorithm"] == "aws:kms"
    key = {"Fn::ImportValue": f"{kms.prefix}-Data-KeyArn"}
    template = kms.templates["Object2Vec"]
    writes = {"kms:Decrypt", "kms:GenerateDataKey", "kms:Encrypt"}
    models = kms.resources("Object2Vec", "AWS::SageMaker::Model")
    transforms = 0
    for start in kms.resources("Object2Vec", "Custom::TrainedStart").values():
        request = start["Properties"]["Request"]
        if start["Properties"]["Kind"] == "TransformJob":
            transforms += 1
            output = request["TransformOutput"]
            (name, _) = request["ModelName"]["Fn::GetAtt"]
            role = models[name]["Properties"]["ExecutionRoleArn"]
        else:
            output, role = request["OutputDataConfig"], request["RoleArn"]
        assert output["KmsKeyId"] == key
        assert writes <= actions_of(template, role)
    assert transforms == 1
    for model in models.values():
        assert "kms:Decrypt" in actions_of(template, model["Properties"]["ExecutionRoleArn"])


# Object2Vec ---------------------------------------------------------------------------------------


def test_training_starts_after_role_policy_and_data(any_variant: Deployment) -> None:
    if "Object2Vec" not in any_variant.templates:
        pytest.skip("nothing is trained by SageMaker")
    assembly = json.loads((any_variant.folder / "manifest.json").read_text())["artifacts"]
    needed = assembly[f"{any_variant.prefix}-Object2Vec"]["dependencies"]
    assert f"{any_variant.prefix}-Data" in needed
    for kind in ("Custom::CDKBucketDeployment", "AWS::S3::BucketPolicy"):
        assert any_variant.resources("Data", kind)
    template = any_variant.templates["Object2Vec"]
    # The role is one resource with its policy; to refer to it is to wait for both.
    for policy in any_variant.resources("Object2Vec", "AWS::IAM::Policy").values():
        for role in policy["Properties"]["Roles"]:
            trust = template["Resources"][role["Ref"]]["Properties"]["AssumeRolePolicyDocument"]
            assert trust["Statement"][0]["Principal"] == {"Service": "states.amazonaws.com"}
    for start in any_variant.resources("Object2Vec", "Custom::TrainedStart").values():
        if start["Properties"]["Kind"] == "TransformJob":
            continue  # by the role of its model
        role = start["Properties"]["Request"]["RoleArn"]
        assert {"s3:GetObject", "s3:PutObject", "s3:ListBucket"} <= actions_of(template, role)


def test_models_are_trained_and_served(default: Deployment) -> None:
    resources = default.templates["Object2Vec"]["Resources"]
    starts = default.resources("Object2Vec", "Custom::TrainedStart")
    waits = default.resources("Object2Vec", "Custom::TrainedWait")
    endpoints = default.resources("Object2Vec", "AWS::SageMaker::Endpoint")
    # those that are evaluated are trained twice
    assert (len(starts), len(waits), len(endpoints)) == (5, 15, 3)
    for endpoint in endpoints.values():
        config = resources[endpoint["Properties"]["EndpointConfigName"]["Fn::GetAtt"][0]]
        (served,) = config["Properties"]["ProductionVariants"]
        assert (served["InstanceType"], served["InitialInstanceCount"]) == ("ml.m5.large", 1)
        model = resources[served["ModelName"]["Fn::GetAtt"][0]]
        assert "ModelName" not in model["Properties"]
        assert "EndpointConfigName" not in config["Properties"]
        last, attribute = model["Properties"]["PrimaryContainer"]["ModelDataUrl"]["Fn::GetAtt"]
        assert attribute == "ModelDataUrl"

        chain = [last]
        while before := waits[chain[-1]].get("DependsOn"):
            chain += before
        assert [waits[name]["Properties"]["Final"] for name in chain] == [True, False, False]
        for name in chain:
            wait = waits[name]["Properties"]
            assert wait["Seconds"] <= 3000
            start, attribute = wait["Arn"]["Fn::GetAtt"]
            assert attribute == "Arn"
        task = starts[start]["Properties"]["NamePrefix"].removeprefix("recommender-")
        assert endpoint["Properties"]["EndpointName"] == f"recommender-{task}Model"


def _jobs(deployment: Deployment, stack: str) -> dict[str, list[tuple[dict[str, str], Any]]]:
    """By model, each training job's files by channel, and its epochs; the evaluated one first."""
    found: dict[str, list[tuple[dict[str, str], Any]]] = {}
    for start in deployment.resources(stack, "Custom::TrainedStart").values():
        if start["Properties"]["Kind"] == "TransformJob":
            continue
        request = start["Properties"]["Request"]
        files = {
            one["ChannelName"]: one["DataSource"]["S3DataSource"]["S3Uri"]["Fn::Join"][1][-1]
            for one in request["InputDataConfig"]
        }
        epochs = request["HyperParameters"]["epochs"]
        name = start["Properties"]["NamePrefix"].removeprefix(f"{deployment.prefix}-")
        found.setdefault(name, []).append((files, epochs))
    return {name: sorted(jobs, key=lambda job: -len(job[0])) for name, jobs in found.items()}


@pytest.mark.parametrize(
    ("name", "stack", "model", "folder", "file"),
    [
        ("default", "Object2Vec", "rating", "/object2vec/movielens/input/rating", "train_r.jsonl"),
        (
            *("default", "Object2Vec", "recommendation"),
            *("/object2vec/movielens/input/recommendation", "train_c.jsonl"),
        ),
        (
            "every engine",
            "DeepMf",
            "deep-mf",
            "/object2vec/movielens/input/rating",
            "train_r.jsonl",
        ),
        (
            *("every engine", "FactorizationMachines", "factorization-machines"),
            *("/factorization-machines/movielens/input", "train.recordio"),
        ),
    ],
)
def test_evaluated_model_is_trained_again_on_its_whole_folder_and_served(
    variant: Variant, name: str, stack: str, model: str, folder: str, file: str
) -> None:
    deployment = variant(name)
    (split, epochs), (everything, best) = _jobs(deployment, stack)[model]
    assert split["train"] == f"{folder}/train/{file}"
    assert everything["train"] == f"{folder}/train/"
    assert everything.keys() == split.keys() - {"validation", "test"}
    assert epochs.isdecimal()
    wait, attribute = best["Fn::GetAtt"]
    waits = deployment.resources(stack, "Custom::TrainedWait")
    assert (attribute, waits[wait]["Properties"]["Needs"]) == ("Epochs", "Epochs")
    outputs = deployment.templates[stack]["Outputs"]
    title = "".join(map(str.capitalize, model.split("-")))
    judged, served = (outputs[f"{title}{part}JobName"]["Value"] for part in ("Training", "Refit"))
    assert judged["Fn::GetAtt"][0] == outputs[f"{title}Metrics"]["Value"]["Fn::GetAtt"][0] == wait
    data = [
        one["Properties"]["PrimaryContainer"]["ModelDataUrl"]["Fn::GetAtt"][0]
        for one in deployment.resources(stack, "AWS::SageMaker::Model").values()
    ]
    assert served["Fn::GetAtt"][0] in data
    assert wait not in data


def test_model_without_evaluation_is_trained_once_on_everything(default: Deployment) -> None:
    ((channels, _),) = _jobs(default, "Object2Vec")["retrieval"]
    assert channels == {"train": "/object2vec/movielens/input/retrieval/train/"}


@pytest.mark.parametrize("name", ["workshop in Ireland, scaling", "nothing besides Object2Vec"])
def test_split_is_kept_by_the_workshops_preset_and_without_refit(
    variant: Variant, name: str
) -> None:
    deployment = variant(name)
    jobs = _jobs(deployment, "Object2Vec")
    assert [len(one) for one in jobs.values()] == [1] * len(jobs)
    files = [file for ((channels, _),) in jobs.values() for file in channels.values()]
    assert all(file.endswith(".jsonl") for file in files)
    (content,) = deployment.folder.glob("asset.*/object2vec")
    assert not list(content.rglob("rest_*"))


def test_training_request_equals_the_workshops(variant: Variant) -> None:
    workshop = variant("workshop in Ireland, scaling")
    starts = workshop.resources("Object2Vec", "Custom::TrainedStart").values()
    requests = {one["Properties"]["NamePrefix"]: one["Properties"]["Request"] for one in starts}
    assert set(requests) == {"recommender-rating", "recommender-recommendation"}
    for task in ("rating", "recommendation"):
        request = requests[f"recommender-{task}"]
        assert request["HyperParameters"]["enc0_vocab_size"] == "944"
        assert all(isinstance(value, str) for value in request["HyperParameters"].values())
        assert request["ResourceConfig"]["InstanceType"] == "ml.m5.xlarge"
        assert request["StoppingCondition"] == {"MaxRuntimeInSeconds": 9000}
        channels = {one["ChannelName"]: one for one in request["InputDataConfig"]}
        assert set(channels) == {"train", "validation"}
        for name, channel in channels.items():
            assert channel["ContentType"] == "application/jsonlines"
            uri = json.dumps(channel["DataSource"]["S3DataSource"]["S3Uri"])
            assert f"/object2vec/movielens/input/{task}/{name}/" in uri
        output = json.dumps(request["OutputDataConfig"]["S3OutputPath"])
        assert f"/object2vec/movielens/output/{task}/" in output


def test_requests_of_jobs_are_valid_for_the_create_call(any_variant: Deployment) -> None:
    botocore = pytest.importorskip("botocore.session")
    from botocore.validate import validate_parameters

    service = botocore.get_session().get_service_model("sagemaker")
    shapes = {
        kind: service.operation_model(f"Create{kind}").input_shape
        for kind in ("TrainingJob", "TransformJob")
    }

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            if any(key.startswith("Fn::") or key == "Ref" for key in value):
                return "arn:aws:iam::123456789012:role/a-text"
            return {key: plain(one) for key, one in value.items()}
        return [plain(one) for one in value] if isinstance(value, list) else value

    for stack in {"Object2Vec", "DeepMf", "FactorizationMachines"} & any_variant.templates.keys():
        for start in any_variant.resources(stack, "Custom::TrainedStart").values():
            kind, request = start["Properties"]["Kind"], plain(start["Properties"]["Request"])
            validate_parameters({f"{kind}Name": "a", **request}, shapes[kind])


def test_training_role_is_limited_to_its_model(default: Deployment) -> None:
    for start in default.resources("Object2Vec", "Custom::TrainedStart").values():
        name = start["Properties"]["Request"]["RoleArn"]["Fn::GetAtt"][0]
        role = default.templates["Object2Vec"]["Resources"][name]["Properties"]
        policy = json.dumps(role["Policies"])
        task = start["Properties"]["NamePrefix"].removeprefix("recommender-")
        assert f"input/{task}/" in policy
        for other in set(TASKS) - {task}:
            assert f"/{other}/" not in policy
        metrics = [
            statement["Condition"]
            for statement in role["Policies"][0]["PolicyDocument"]["Statement"]
            if statement["Action"] == "cloudwatch:PutMetricData"
        ]
        assert metrics == [{"StringLike": {"cloudwatch:namespace": "/aws/sagemaker/*"}}]


def test_endpoint_logs_to_a_declared_group(default: Deployment) -> None:
    groups = default.resources("Object2Vec", "AWS::Logs::LogGroup").values()
    names = {group["Properties"]["LogGroupName"] for group in groups}
    for task in TASKS:
        assert f"/aws/sagemaker/Endpoints/recommender-{task}Model" in names


def test_serverless_endpoint_has_the_configured_properties(variant: Variant) -> None:
    serverless = variant("serverless in China")
    for config in serverless.resources("Object2Vec", "AWS::SageMaker::EndpointConfig").values():
        (served,) = config["Properties"]["ProductionVariants"]
        assert served["ServerlessConfig"] == {"MemorySizeInMB": 3072, "MaxConcurrency": 20}
        assert "InstanceType" not in served
    for model in serverless.resources("Object2Vec", "AWS::SageMaker::Model").values():
        assert "EnableNetworkIsolation" not in model["Properties"]


def test_spot_training_waits_for_machines_as_long_as_the_stack_does(
    variant: Variant, default: Deployment
) -> None:
    for deployment, spot in ((variant("serverless in China"), True), (default, False)):
        for start in deployment.resources("Object2Vec", "Custom::TrainedStart").values():
            request = start["Properties"]["Request"]
            assert request.get("EnableManagedSpotTraining", False) is spot
            limits = {"MaxRuntimeInSeconds": 150 * 60}
            # three waiters of fifty minutes
            wait = {"MaxWaitTimeInSeconds": 3 * 50 * 60} if spot else {}
            assert request["StoppingCondition"] == limits | wait


def test_scaling_endpoint_keeps_its_instance_count_in_updates(
    variant: Variant, default: Deployment
) -> None:
    scaling = variant("workshop in Ireland, scaling")
    targets = scaling.resources("Object2Vec", "AWS::ApplicationAutoScaling::ScalableTarget")
    assert len(targets) == 2
    for target in targets.values():
        assert (target["Properties"]["MinCapacity"], target["Properties"]["MaxCapacity"]) == (2, 4)
    for endpoint in scaling.resources("Object2Vec", "AWS::SageMaker::Endpoint").values():
        assert endpoint["Properties"]["RetainAllVariantProperties"] is True
    for endpoint in default.resources("Object2Vec", "AWS::SageMaker::Endpoint").values():
        assert "RetainAllVariantProperties" not in endpoint["Properties"]


def test_image_is_that_of_the_region(variant: Variant, default: Deployment) -> None:
    for name, host in {
        "workshop in Ireland, scaling": "438346466558.dkr.ecr.eu-west-1.",
        "serverless in China": "390948362332.dkr.ecr.cn-north-1.",
    }.items():
        for model in variant(name).resources("Object2Vec", "AWS::SageMaker::Model").values():
            assert host in json.dumps(model["Properties"]["PrimaryContainer"]["Image"])
    (table,) = default.templates["Object2Vec"]["Mappings"].values()
    assert {region: row["id"] for region, row in table.items()} == images.ACCOUNTS


def test_outputs_name_the_deployed_resources(default: Deployment) -> None:
    outputs = {stack: set(one["Outputs"]) for stack, one in default.templates.items()}
    assert outputs == {
        "Data": {
            "BucketName",
            "CatalogueKey",
            "EmbeddingsPrefix",
            "IdsKey",
            "RatingsKey",
            "HeldOutKey",
            "ValidationKey",
        },
        "Object2Vec": {
            f"{task}{part}"
            for task in ("Rating", "Recommendation", "Retrieval")
            for part in ("EndpointName", "TrainingJobName", "Metrics")
        }
        | {"RatingRefitJobName", "RecommendationRefitJobName"},
        "Functions": {"RecommendationEngineFunctionName", "MovieRetrievalFunctionName"},
        "Lists": {
            "EventsFunctionName",
            "HistoriesTableName",
            "ListsFunctionName",
            "ListsMetrics",
            "ListsModelKey",
        },
        "Personalize": {
            "CustomDatasetGroupArn",
            "CustomTrackingId",
            "CustomUnratedFilterArn",
            "CustomUserPersonalizationV2CampaignArn",
            "CustomUserPersonalizationV2Metrics",
            "CustomUserPersonalizationV2SolutionVersionArn",
        },
    }


# Functions ----------------------------------------------------------------------------------------


def functions(deployment: Deployment) -> dict[str, dict[str, Any]]:
    found = deployment.resources("Functions", "AWS::Lambda::Function").values()
    named = [one["Properties"] for one in found if "FunctionName" in one["Properties"]]
    return {one["FunctionName"]: one for one in named}


def test_workshop_functions_have_the_configured_properties(default: Deployment) -> None:
    found = functions(default)
    engine = found["recommender-Recommendation_Engine_Object2Vec"]
    assert engine["Handler"] == "rec_engine.handler.handler"
    assert engine["Environment"]["Variables"] == {
        "ENDPOINT_NAME_RATING": "recommender-ratingModel",
        "ENDPOINT_NAME_REC": "recommender-recommendationModel",
        "ENDPOINT_NAME_RANKING": "recommender-retrievalModel",
        "BUCKET_NAME": {"Fn::ImportValue": "recommender-Data-BucketName"},
        "CATALOGUE_KEY": "object2vec/movielens/catalogue.json",
    }
    assert "Layers" not in engine
    retrieval = found["recommender-Movie_Retrieval_Object2Vec"]
    assert retrieval["Handler"] == "movie_retrieval.handler.handler"
    assert retrieval["Environment"]["Variables"] == {
        "ENDPOINT_NAME": "recommender-retrievalModel",
        "CATALOGUE_KEY": "object2vec/movielens/catalogue.json",
        "EMBEDDINGS_PREFIX": "object2vec/movielens/embeddings/",
    }
    assert (retrieval["MemorySize"], retrieval["Timeout"]) == (512, 30)
    assert len(retrieval["Layers"]) == 2
    for function in found.values():
        assert (function["Runtime"], function["Architectures"]) == ("python3.14", ["arm64"])


def test_workshop_preset_ranks_with_the_recommendation_model(variant: Variant) -> None:
    engine = functions(variant("workshop in Ireland, scaling"))[
        "recommender-Recommendation_Engine_Object2Vec"
    ]
    ranking = engine["Environment"]["Variables"]["ENDPOINT_NAME_RANKING"]
    assert ranking == "recommender-recommendationModel"


def test_function_roles_equal_the_documented_permissions(default: Deployment) -> None:
    template = default.templates["Functions"]
    found = functions(default)
    logs = {"logs:CreateLogStream", "logs:PutLogEvents"}
    engine = found["recommender-Recommendation_Engine_Object2Vec"]
    assert actions_of(template, engine["Role"]) == logs | {
        "sagemaker:InvokeEndpoint",
        "s3:GetObject",
    }
    retrieval = found["recommender-Movie_Retrieval_Object2Vec"]
    assert actions_of(template, retrieval["Role"]) == logs | {
        "sagemaker:InvokeEndpoint",
        "sagemaker:DescribeEndpoint",
        "s3:GetObject",
        "s3:PutObject",
    }


def test_endpoint_permissions_list_both_arn_spellings(default: Deployment) -> None:
    policies = json.dumps(default.resources("Functions", "AWS::IAM::Role"))
    for task in TASKS:
        assert f":endpoint/recommender-{task}Model" in policies
        assert f":endpoint/recommender-{task}model" in policies


def test_function_code_is_its_package_and_the_shared_one(
    variant: Variant,
) -> None:
    takes_along = {"lists": {"recsys"}, "events": {"recsys"}, "list_training": {"recsys"}}
    seen = set()
    for name in ("every engine", "lists alone", "domain group"):
        deployment = variant(name)
        for folder in (path for path in deployment.folder.iterdir() if path.is_dir()):
            tops = {path.name for path in folder.iterdir()}
            if "common" not in tops or "index.js" in tops:
                continue
            (package,) = tops - {"common", "recsys"}
            assert tops - {"common", package} == takes_along.get(package, set())
            seen.add(package)
            files = [path for path in folder.rglob("*") if path.is_file()]
            others = {path.name for path in files if path.suffix != ".py"}
            assert others == ({"openapi.json"} if package == "lists" else set())
    assert seen == {
        *("rec_engine", "movie_retrieval", "movie_index", "trained_resource"),
        *("lists", "events", "list_training", "retraining", "experiment_results"),
        "personalize_training",
    }


def test_functions_and_layers_have_one_architecture(variant: Variant) -> None:
    other = variant("workshop in Ireland, scaling")
    for function in functions(other).values():
        assert function["Architectures"] == ["x86_64"]
    for layer in other.resources("Functions", "AWS::Lambda::LayerVersion").values():
        assert layer["Properties"]["CompatibleArchitectures"] == ["x86_64"]


# Neighbours from S3 Vectors -----------------------------------------------------------------------


def statements_of(template: Template, role: dict[str, Any], service: str) -> list[Template]:
    """What a role may do with a service."""
    (policy,) = template["Resources"][role["Fn::GetAtt"][0]]["Properties"]["Policies"]
    statements: list[Template] = policy["PolicyDocument"]["Statement"]
    return [one for one in statements if f'"{service}:' in json.dumps(one["Action"])]


def test_neighbours_by_default_use_memory(default: Deployment) -> None:
    kinds = {one["Type"] for one in default.templates["Functions"]["Resources"].values()}
    assert not {kind for kind in kinds if "S3Vectors" in kind or kind.startswith("Custom")}


def test_function_depends_on_the_filled_index(variant: Variant) -> None:
    deployment = variant("every engine")
    (bucket,) = deployment.resources("Functions", "AWS::S3Vectors::VectorBucket")
    assert not deployment.resources("Functions", "AWS::S3Vectors::Index"), "the import creates it"
    ((movies, imported),) = deployment.resources("Functions", "Custom::IndexedMovies").items()
    place, name = imported["Properties"]["IndexArn"]["Fn::Join"][1]
    assert place == {"Fn::GetAtt": [bucket, "VectorBucketArn"]}
    assert re.fullmatch(r"/index/catalogue-[0-9a-f]{10}", name)
    retrieval = functions(deployment)["recommender-Movie_Retrieval_Object2Vec"]
    assert retrieval["Environment"]["Variables"] == {
        "INDEX_ARN": {"Fn::GetAtt": [movies, "IndexArn"]},
        "BUCKET_NAME": {"Fn::ImportValue": "recommender-Data-BucketName"},
    }


def test_index_permissions_separate_reading_and_writing(variant: Variant) -> None:
    deployment = variant("every engine")
    template, found = deployment.templates["Functions"], functions(deployment)
    (bucket,) = deployment.resources("Functions", "AWS::S3Vectors::VectorBucket")
    indexes = {"Fn::Join": ["", [{"Fn::GetAtt": [bucket, "VectorBucketArn"]}, "/index/*"]]}
    logs = {"logs:CreateLogStream", "logs:PutLogEvents"}
    retrieval = found["recommender-Movie_Retrieval_Object2Vec"]["Role"]
    reading = {"s3vectors:GetVectors", "s3vectors:QueryVectors"}
    assert actions_of(template, retrieval) == logs | reading
    importing = found["recommender-Functions-Import"]["Role"]
    assert actions_of(template, importing) == logs | {
        "sagemaker:InvokeEndpoint",
        "sagemaker:DescribeEndpoint",
        "s3:GetObject",
        "s3:PutObject",
        "s3:DeleteObject",
        "s3vectors:GetIndex",
        "s3vectors:CreateIndex",
        "s3vectors:DeleteIndex",
        "s3vectors:PutVectors",
    }
    for role in (retrieval, importing):
        (statement,) = statements_of(template, role, "s3vectors")
        assert statement["Resource"] == indexes


def test_index_has_the_buckets_encryption(variant: Variant) -> None:
    plain = only(variant("every engine").resources("Functions", "AWS::S3Vectors::VectorBucket"))
    assert plain["EncryptionConfiguration"] == {"SseType": "AES256"}
    kms = variant("kms, other names")
    key = {"Fn::ImportValue": f"{kms.prefix}-Data-KeyArn"}
    bucket = only(kms.resources("Functions", "AWS::S3Vectors::VectorBucket"))
    assert bucket["EncryptionConfiguration"] == {"SseType": "aws:kms", "KmsKeyArn": key}
    for name in ("Movie_Retrieval_Object2Vec", "Functions-Import"):
        role = functions(kms)[f"{kms.prefix}-{name}"]["Role"]
        found = statements_of(kms.templates["Functions"], role, "kms")
        assert "kms:Decrypt" in json.dumps(found)
        assert {json.dumps(one["Resource"]) for one in found} == {json.dumps(key)}
    policy = only(kms.resources("Data", "AWS::KMS::Key"))["KeyPolicy"]["Statement"]
    (service,) = [one for one in policy if "s3vectors" in json.dumps(one["Principal"])]
    assert service["Action"] == "kms:Decrypt"
    assert service["Condition"]["StringEquals"] == {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}


# Optional engines --------------------------------------------------------------------------------


def test_optional_engines_by_default_are_not_deployed(default: Deployment) -> None:
    assert not {"DeepMf", "FactorizationMachines"} & default.templates.keys()


def request_of(deployment: Deployment, stack: str) -> dict[str, Any]:
    starts = deployment.resources(stack, "Custom::TrainedStart")
    request: dict[str, Any] = only(
        {name: one for name, one in starts.items() if "TrainingStart" in name}
    )["Request"]
    return request


def test_script_is_downloaded_for_training_and_served_from_the_model(variant: Variant) -> None:
    deployment = variant("every engine")
    request = request_of(deployment, "DeepMf")
    assert "/pytorch-training:2.8.0-cpu-py312" in json.dumps(
        request["AlgorithmSpecification"]["TrainingImage"]
    )
    told = request["HyperParameters"]
    assert json.loads(told["sagemaker_program"]) == "train.py"
    archive = json.dumps(told["sagemaker_submit_directory"])
    assert request["EnableNetworkIsolation"] is False
    channels = {one["ChannelName"]: one for one in request["InputDataConfig"]}
    assert set(channels) == {"train", "validation", "movies"}
    assert "ContentType" not in channels["movies"]

    template = deployment.templates["DeepMf"]
    role = template["Resources"][request["RoleArn"]["Fn::GetAtt"][0]]["Properties"]
    (key,) = set(re.findall(r"[0-9a-f]{64}[.a-z]*", archive))
    assert key in json.dumps(role["Policies"])
    for model in deployment.resources("DeepMf", "AWS::SageMaker::Model").values():
        container = model["Properties"]["PrimaryContainer"]
        assert "/pytorch-inference:2.6.0-cpu-py312" in json.dumps(container["Image"])
        assert container["Environment"]["SAGEMAKER_PROGRAM"] == "inference.py"


def test_deep_mf_without_genres_has_no_movies_channel(variant: Variant) -> None:
    request = request_of(variant("serverless in China"), "DeepMf")
    assert {one["ChannelName"] for one in request["InputDataConfig"]} == {"train", "validation"}


def test_script_archive_contains_its_imports(tmp_path: Path) -> None:
    app = cdk.App(outdir=str(tmp_path), analytics_reporting=False)
    stack = cdk.Stack(app, "Stack")
    Script(stack, "Script", name="deep_mf", imports=deep_mf._IMPORTS, metrics={})
    app.synth()
    (path,) = tmp_path.glob("asset.*.gz")
    with tarfile.open(path) as archive:
        entries = {entry.name: entry for entry in archive}
    assert {"train.py", "inference.py", "requirements.txt"} <= entries.keys()
    assert {entry.mtime for entry in entries.values()} == {0}
    modules = {
        name.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for name in entries
    }
    for name in entries:
        if name.endswith(".py"):
            folder = RECSYS if name.startswith("recsys/") else PROJECT / "scripts" / "deep_mf"
            tree = ast.parse((folder / name).read_text("utf-8"))
            for node in ast.walk(tree):
                if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("recsys"):
                    assert node.module in modules, f"{name} imports {node.module}"
                    for module in (f"{node.module}.{alias.name}" for alias in node.names):
                        if (RECSYS / module.replace(".", "/")).with_suffix(".py").exists():
                            assert module in modules, f"{name} imports {module}"


def test_factorization_machines_have_the_datas_feature_dim(variant: Variant) -> None:
    request = request_of(variant("every engine"), "FactorizationMachines")
    assert request["HyperParameters"]["feature_dim"] == str(944 + 1684)
    assert request["EnableNetworkIsolation"] is True
    channels = {one["ChannelName"]: one for one in request["InputDataConfig"]}
    assert set(channels) == {"train", "test"}
    for name, channel in channels.items():
        assert channel["ContentType"] == "application/x-recordio-protobuf"
        uri = json.dumps(channel["DataSource"]["S3DataSource"]["S3Uri"])
        assert f"/factorization-machines/movielens/input/{name}/" in uri


def test_custom_resources_are_all_covered_by_the_contract_tests(
    any_variant: Deployment,
) -> None:
    ours = {
        "Custom::IndexedMovies",
        "Custom::ListsHandover",
        "Custom::PairsToScore",
        "Custom::TrainedLists",
        "Custom::TrainedStart",
        "Custom::TrainedWait",
    }
    the_cdks = {"Custom::S3AutoDeleteObjects", "Custom::CDKBucketDeployment"}
    for template in any_variant.templates.values():
        for one in template["Resources"].values():
            if one["Type"].startswith(("Custom::", "AWS::CloudFormation::CustomResource")):
                assert one["Type"] in ours | the_cdks
            if one["Type"] == "Custom::TrainedStart":
                assert one["Properties"]["Kind"] in KINDS


def test_function_reads_own_ids_where_they_are_not_the_models_numbers(
    synthesize: Synthesize, variant: Variant, data: Path, tmp_path: Path
) -> None:
    own = tmp_path / "data"
    shutil.copytree(data, own)
    manifest = json.loads((own / "manifest.json").read_text("utf-8"))
    manifest |= {"ids": True, "users": 400_000}
    (own / "manifest.json").write_text(json.dumps(manifest), "utf-8")
    plain = "nothing besides Object2Vec"
    found = (
        synthesize({"data": str(own), **VARIANTS[plain]})
        .templates["Functions"]["Resources"]
        .values()
    )
    (function,) = (
        one["Properties"]
        for one in found
        if "ENDPOINT_NAME_RATING" in str(one) and one["Type"] == "AWS::Lambda::Function"
    )
    key = manifest["keys"]["ids"]
    assert function["Environment"]["Variables"]["IDS_KEY"] == key
    assert function["MemorySize"] == 256 + (400_000 + 1_682) // 5_000
    roles = [one for one in found if one["Type"].startswith("AWS::IAM::")]
    assert any(f"/{key}" in str(one) for one in roles)
    assert key not in json.dumps(variant(plain).templates["Functions"])


@pytest.mark.parametrize(
    ("ratings", "warned"),
    [(1_000_000, set()), (80_000_000, {"rating", "recommendation", "retrieval"})],
)
def test_training_that_may_exceed_its_time_limit_is_a_warning(
    ratings: int, warned: set[str], tmp_path: Path, synthesize: Synthesize
) -> None:
    folder = write_data(tmp_path)
    manifest = json.loads((folder / "manifest.json").read_text("utf-8"))
    (folder / "manifest.json").write_text(json.dumps(manifest | {"train": ratings}), "utf-8")
    deployment = synthesize({"data": str(folder), "personalize": {"groups": "off"}})
    metadata = json.loads(
        (deployment.folder / "recommender-Object2Vec.metadata.json").read_text("utf-8")
    )
    told = [
        entry["data"]
        for entries in metadata.values()
        for entry in entries
        if entry["type"] == "aws:cdk:warning" and "training.max_minutes=150" in entry["data"]
    ]
    assert {text.split(":")[0] for text in told} == warned
