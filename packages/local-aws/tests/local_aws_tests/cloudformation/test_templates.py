"""Templates read, checked and evaluated, without any AWS."""

import json
from typing import Any

import pytest

from local_aws.cloudformation import schemas, template
from local_aws.cloudformation.errors import ValidationError
from local_aws.cloudformation.intrinsics import NO_VALUE, UNKNOWN, Evaluator

YAML = """
AWSTemplateFormatVersion: 2010-09-09
Parameters: {Stage: {Type: String}}
Conditions:
  Prod: !Equals [!Ref Stage, prod]
  Both: !And [!Condition Prod, !Not [!Condition Prod]]
Resources:
  A:
    Type: AWS::S3::Bucket
    Condition: Prod
    Properties:
      BucketName: !Sub "${Stage}-${!literal}-${AWS::Region}"
  B:
    Type: AWS::S3::BucketPolicy
    DeletionPolicy: Retain
    Properties:
      Bucket: !Ref A
      PolicyDocument: {Version: 2012-10-17, Id: !GetAtt A.Arn}
"""


class Scope:
    """Fixed answers."""

    values: dict[str, Any] = {  # noqa: RUF012
        "Stage": "prod",
        "AWS::Region": "eu-west-1",
        "A": "bucket",
        "New": UNKNOWN,
        "Many": ["x", "y", "z"],
    }

    def reference(self, name: str) -> Any:
        return self.values[name]

    def attribute(self, logical_id: str, name: str) -> Any:
        return f"{logical_id}/{name}"

    def imported(self, name: str) -> Any:
        return f"import of {name}"

    def dynamic(self, service: str, key: str) -> str:
        return f"<{service} {key}>"


def minimal(**resource: Any) -> dict[str, Any]:
    return {"Resources": {"R": {"Type": "AWS::S3::Bucket", **resource}}}


def evaluate(value: Any, **sections: Any) -> Any:
    parsed = template.parse(json.dumps({**minimal(), **sections}))
    return Evaluator(parsed, Scope()).value(value)


def test_yaml_with_short_functions() -> None:
    parsed = template.parse(YAML)
    assert parsed.dependencies("B") == {"A"}
    assert parsed.resources["B"].deletion_policy == "Retain"
    assert parsed.resources["B"].properties["PolicyDocument"] == {
        "Version": "2012-10-17",  # YAML would make a date of it
        "Id": {"Fn::GetAtt": "A.Arn"},
    }
    evaluator = Evaluator(parsed, Scope())
    name = evaluator.value(parsed.resources["A"].properties["BucketName"])
    assert name == "prod-${literal}-eu-west-1"
    assert evaluator.condition("Prod") is True
    assert evaluator.condition("Both") is False


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"Fn::Join": [",", ["a", {"Ref": "A"}, 1, True]]}, "a,bucket,1,true"),
        ({"Fn::Select": ["2", {"Ref": "Many"}]}, "z"),
        ({"Fn::Select": [1, {"Fn::Split": ["-", "a-b-c"]}]}, "b"),
        ({"Fn::Sub": ["${A}:${x}:${A.Arn}", {"x": {"Ref": "Stage"}}]}, "bucket:prod:A/Arn"),
        ({"Fn::Base64": "hi"}, "aGk="),
        ({"Fn::ImportValue": {"Fn::Sub": "${Stage}-x"}}, "import of prod-x"),
        ({"Fn::FindInMap": ["M", "a", "b"]}, "found"),
        ({"Fn::FindInMap": ["M", "a", "no", {"DefaultValue": "default"}]}, "default"),
        ({"k": {"Ref": "AWS::NoValue"}, "l": [1, {"Ref": "AWS::NoValue"}]}, {"l": [1]}),
        ("see {{resolve:ssm:/a/b:3}}", "see <ssm /a/b:3>"),
        ({"Ref": "AWS::NoValue"}, NO_VALUE),
        ({"Fn::Sub": "x-${New}"}, f"x-{UNKNOWN}"),
        ({"Fn::Select": [3, {"Fn::Split": ["-", {"Ref": "New"}]}]}, UNKNOWN),
        ({"Fn::GetAZs": ""}, ["eu-west-1a", "eu-west-1b", "eu-west-1c"]),
        ({"Fn::Select": [0, {"Fn::GetAZs": {"Ref": "AWS::Region"}}]}, "eu-west-1a"),
    ],
)
def test_functions_are_evaluated(value: Any, expected: Any) -> None:
    assert evaluate(value, Mappings={"M": {"a": {"b": "found"}}}) == expected


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"Fn::Select": [3, ["a"]]}, "nonexistent value at index 3"),
        ({"Fn::Join": [",", "a"]}, "Fn::Join"),
        ({"Fn::FindInMap": ["M", "a", "c"]}, "Unable to get mapping for M::a::c"),
        ({"Fn::If": ["Missing", 1, 2]}, "unresolved condition dependency Missing"),
        ({"Fn::Sub": ["${A}"]}, "Fn::Sub"),
        ({"Fn::Join": [",", [{"a": 1}]]}, "is not a string"),
        ({"Fn::GetAZs": "moon-1"}, "there is no region moon-1"),
    ],
)
def test_misused_functions_are_refused(value: Any, message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        evaluate(value, Mappings={"M": {"a": {"b": "found"}}})


def refer(name: str) -> dict[str, Any]:
    return {"BucketName": {"Ref": name}}


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({}, "At least one Resources member"),
        ({**minimal(), "Resorces": {}}, r"Invalid template property or properties \[Resorces\]"),
        ({"Resources": {"R": {}}}, "must contain a Type"),
        (minimal(Propertys={}), "Invalid template resource property 'Propertys'"),
        (minimal(DeletionPolicy="Snapshot"), "does not support DeletionPolicy policy Snapshot"),
        (minimal(DeletionPolicy="Never"), "Unrecognized DeletionPolicy Never"),
        (minimal(Properties=refer("X")), r"Unresolved resource dependencies \[X\]"),
        (minimal(DependsOn="X"), r"Unresolved resource dependencies \[X\]"),
        (minimal(Condition="X"), "Unresolved condition dependency X"),
        (minimal(UpdatePolicy={}), "does not implement UpdatePolicy"),
        ({**minimal(), "Transform": "AWS::Serverless-2016-10-31"}, "does not implement"),
        (minimal(Properties={"A": {"Fn::Cidr": []}, "B": {"Fn::Odd": 1}}), "Fn::Cidr, Fn::Odd"),
        ({**minimal(), "Outputs": {"O": {"Description": "x"}}}, "Output O is malformed"),
        (
            {
                "Resources": {
                    name: {"Type": "AWS::S3::Bucket", "Properties": refer(other)}
                    for name, other in (("A", "B"), ("B", "C"), ("C", "A"))
                }
            },
            r"Circular dependency between resources: \[A, B, C\]",
        ),
        (
            {"Transform": "AWS::Serverless-2016-10-31", "Globals": {"Function": {}}, **minimal()},
            r"does not implement a template's Transform \(AWS::Serverless-2016-10-31\)",
        ),
    ],
)
def test_invalid_templates_are_refused(document: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        template.parse(json.dumps(document))


def test_other_documents_are_refused() -> None:
    for body in ("[1]", "{", "a: [", ""):
        with pytest.raises(ValidationError, match="Template format error"):
            template.parse(body)


def test_values_are_converted_to_the_schemas_types() -> None:
    """CloudFormation takes "30" for 30 and "true" for true, and the reverse."""
    function = schemas.schema("AWS::Lambda::Function", "us-east-1")
    value, faults = function.coerce(
        {
            "Code": {"ZipFile": "x"},
            "Role": "arn:aws:iam::123456789012:role/r",
            "Timeout": "30",
            "Description": 7,
            "Architectures": [True],
        }
    )
    assert faults == ["#/Architectures/0: true is not a valid enum value"]
    assert value["Timeout"] == 30
    assert value["Description"] == "7"


def test_schema_violations_are_all_listed() -> None:
    _, faults = schemas.schema("AWS::Logs::LogGroup", "us-east-1").coerce(
        {"RetentionInDays": 8, "LogGroupName": "", "Tags": "none", "KmsKeyId": ["x"]}
    )
    assert "#/RetentionInDays: 8 is not a valid enum value" in faults
    assert "#/LogGroupName: expected minLength: 1, actual: 0" in faults
    assert "#/Tags: expected type: Array, found: String" in faults
    assert "#/KmsKeyId: expected type: String, found: JSONArray" in faults


def test_schemas_define_replacement_and_attributes() -> None:
    endpoint = schemas.schema("AWS::SageMaker::Endpoint", "us-east-1")
    old = {"EndpointName": "e", "EndpointConfigName": "a"}
    assert endpoint.replaces(old, {**old, "EndpointConfigName": "b"}) == set()
    assert endpoint.replaces(old, {**old, "EndpointName": "f"}) == {"EndpointName"}
    bucket = schemas.schema("AWS::S3::Bucket", "us-east-1")
    assert {"Arn", "RegionalDomainName"} <= bucket.attributes
    assert "Arn" not in bucket.settable
    assert schemas.schema("AWS::SSM::Parameter", "us-east-1").tags_are_a_map
    assert not bucket.tags_are_a_map
    assert not schemas.exists("AWS::Nonsense::Thing", "us-east-1")


def test_template_with_a_supported_snapshot_policy_is_accepted() -> None:
    database = {"Type": "AWS::RDS::DBInstance", "DeletionPolicy": "Snapshot", "Properties": {}}
    read = template.parse(json.dumps({"Resources": {"D": database}}))
    assert read.resources["D"].deletion_policy == "Snapshot"
