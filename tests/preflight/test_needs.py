"""What templates need of quotas, counted by hand."""

from typing import Any

from preflight.needs import Needs, of_templates

TRAINING = "Number of instances across all training jobs"
SPOT = "Number of instances across all spot training jobs"
ACTIVE = "Number of instances across active endpoints"


def needs(*stacks: dict[str, Any]) -> Needs:
    return of_templates({f"S{i}": {"Resources": stack} for i, stack in enumerate(stacks)})


def job(machine: str, **request: Any) -> dict[str, Any]:
    machines = {"InstanceType": machine, "InstanceCount": "1", "VolumeSizeInGB": "10"}
    properties = {"Kind": "TrainingJob", "Request": {"ResourceConfig": machines, **request}}
    return {"Type": "Custom::TrainedStart", "Properties": properties}


def endpoint(name: str, **variant: Any) -> dict[str, Any]:
    return {
        f"{name}Config": {
            "Type": "AWS::SageMaker::EndpointConfig",
            "Properties": {"ProductionVariants": [variant]},
        },
        name: {
            "Type": "AWS::SageMaker::Endpoint",
            "Properties": {
                "EndpointName": f"p-{name}",
                "EndpointConfigName": {"Fn::GetAtt": [f"{name}Config", "EndpointConfigName"]},
            },
        },
    }


def start(kind: str, refers_to: str) -> dict[str, Any]:
    request = {"arn": {"Fn::GetAtt": [refers_to, "Arn"]}}
    return {"Type": "Custom::TrainedStart", "Properties": {"Kind": kind, "Request": request}}


def test_training_counts_the_stack_that_has_most_at_a_time() -> None:
    two = {"A": job("ml.a.large"), "B": job("ml.a.large")}
    other = {"A": job("ml.b.large")}
    found = needs(two, other)
    assert found.at_once == {
        "ml.a.large for training job usage": 2,
        "ml.b.large for training job usage": 1,
        TRAINING: 2,
    }
    assert found.functions == 2 * 2


def test_training_after_another_one_takes_its_place() -> None:
    second = job("ml.a.large", HyperParameters={"epochs": {"Fn::GetAtt": ["Wait", "Epochs"]}})
    wait = {"Type": "Custom::TrainedWait", "Properties": {"Arn": {"Fn::GetAtt": ["A", "Arn"]}}}
    found = needs({"A": job("ml.a.large"), "Wait": wait, "B": second})
    assert found.at_once == {"ml.a.large for training job usage": 1, TRAINING: 1}
    assert found.functions == 2


def test_transform_counts_its_machine_and_takes_the_place_of_its_training() -> None:
    machines = {"InstanceType": "ml.a.large", "InstanceCount": "1"}
    model = {"Type": "AWS::SageMaker::Model", "Properties": {"Url": {"Fn::GetAtt": ["A", "Url"]}}}
    scores = {
        "Type": "Custom::TrainedStart",
        "Properties": {
            "Kind": "TransformJob",
            "Request": {
                "ModelName": {"Fn::GetAtt": ["Model", "ModelName"]},
                "TransformResources": machines,
            },
        },
    }
    found = needs({"A": job("ml.b.large"), "Model": model, "Scores": scores})
    assert found.at_once == {
        "ml.b.large for training job usage": 1,
        TRAINING: 1,
        "ml.a.large for transform job usage": 1,
        "Number of instances across all transform jobs": 1,
    }
    assert found.functions == 2


def test_spot_training_counts_apart() -> None:
    found = needs({"A": job("ml.a.large", EnableManagedSpotTraining=True), "B": job("ml.a.large")})
    assert found.at_once == {
        "ml.a.large for spot training job usage": 1,
        SPOT: 1,
        "ml.a.large for training job usage": 1,
        TRAINING: 1,
    }


def test_endpoints_of_all_stacks_count_and_scale_to_their_most() -> None:
    scaling = {
        **endpoint("A", InstanceType="ml.a.large", InitialInstanceCount=2),
        "Target": {
            "Type": "AWS::ApplicationAutoScaling::ScalableTarget",
            "Properties": {"ResourceId": {"Fn::GetAtt": ["A", "EndpointName"]}, "MaxCapacity": 4},
        },
    }
    plain = {
        **endpoint("B", InstanceType="ml.a.large", InitialInstanceCount=1),
        **endpoint("C", InstanceType="ml.b.large", InitialInstanceCount=1),
    }
    found = needs(scaling, plain)
    assert {one.name: dict(one.use) for one in found.standing} == {
        "p-A": {"ml.a.large for endpoint usage": 4, ACTIVE: 4},
        "p-B": {"ml.a.large for endpoint usage": 1, ACTIVE: 1},
        "p-C": {"ml.b.large for endpoint usage": 1, ACTIVE: 1},
    }
    assert found.update == {
        "ml.a.large for endpoint usage": 4,
        "ml.b.large for endpoint usage": 1,
        ACTIVE: 4,
    }


def test_serverless_endpoints_count_by_their_concurrency() -> None:
    serverless = {"MemorySizeInMB": 2048, "MaxConcurrency": 5}
    (found,) = needs(endpoint("A", ServerlessConfig=serverless)).standing
    assert found.use == {
        "Maximum number of serverless endpoints": 1,
        "Maximum total concurrency that can be allocated across all serverless endpoints": 5,
    }


def test_dataset_groups_count_what_belongs_to_each() -> None:
    group = {"Type": "AWS::Personalize::DatasetGroup", "Properties": {"Name": "g"}}
    campaign = {
        "Type": "AWS::Personalize::Campaign",
        "Properties": {"SolutionVersionArn": {"Fn::GetAtt": ["Version", "Arn"]}},
    }
    found = needs(
        {
            "G": group,
            "H": {**group, "Properties": {"Name": "h"}},
            "S1": start("Solution", "G"),
            "S2": start("Solution", "G"),
            "Version": start("SolutionVersion", "S1"),
            "C": campaign,
            "R": start("Recommender", "H"),
        }
    )
    assert found.groups == ["g", "h"]
    assert found.per_group == {
        "Active solutions per dataset group": 2,
        "Active campaigns per dataset group": 1,
        "Active recommenders per dataset group": 1,
    }


def test_notebook_instance_counts_its_machine() -> None:
    notebook = {
        "Type": "AWS::SageMaker::NotebookInstance",
        "Properties": {"InstanceType": "ml.t3.medium", "NotebookInstanceName": "n"},
    }
    (found,) = needs({"N": notebook}).standing
    assert (found.name, dict(found.use)) == (
        "n",
        {
            "ml.t3.medium for notebook instance usage": 1,
            "Total number of notebook instances": 1,
        },
    )
