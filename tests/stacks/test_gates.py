"""What every deployment must pass, whatever its settings."""

import json
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import cdk_nag
import pytest
from cfnlint.config import ConfigMixIn, ManualArgs
from cfnlint.decode import decode_str
from cfnlint.runner import Runner

from tests.stacks.deployments import FLAGS, VARIANTS, Deployment, Synthesize, Template


def statements(template: Template) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every statement of every role's policies, by the logical id of what holds it."""
    for name, resource in template["Resources"].items():
        policies = resource.get("Properties", {}).get("Policies", [])
        documents = [policy["PolicyDocument"] for policy in policies]
        if resource["Type"] == "AWS::IAM::Policy":
            documents = [resource["Properties"]["PolicyDocument"]]
        for document in documents:
            for statement in document["Statement"]:
                yield name, statement


def test_templates_have_no_cdk_nag_findings(any_variant: Deployment) -> None:
    for pack in (cdk_nag.AwsSolutionsChecks(), cdk_nag.ServerlessChecks()):
        violations = pack.validate_scope(any_variant.app).violations
        found = [(v.rule_name, r.construct_path) for v in violations for r in v.violating_resources]
        assert found == []


@cache
def linter() -> Runner:
    """cfn-lint, whose rules take longer to load than a template to check."""
    # W3005 is a DependsOn that a reference implies too: the CDK writes both. W6001 is an output
    # with an imported value: the URI of the lists of all users has the bucket's name.
    return Runner(ConfigMixIn(**ManualArgs(ignore_checks=["W3005", "W6001"])))


@cache
def lint_findings(template: str) -> list[str]:
    """What cfn-lint says of a template; many settings share some of theirs."""
    document, errors = decode_str(template)
    return [str(match) for match in (*errors, *linter().validate_template(document or {}))]


def test_templates_have_no_cfn_lint_findings(any_variant: Deployment) -> None:
    for template in any_variant.templates.values():
        assert lint_findings(json.dumps(template)) == []


def test_templates_keep_cloudformations_rules(
    synthesize: Synthesize, data: Path, tmp_path: Path
) -> None:
    synthesize(
        VARIANTS["workshop in Ireland, scaling"] | VARIANTS["kms, other names"], validate=True
    )

    wrong = cdk.App(outdir=str(tmp_path), context=FLAGS)
    stack = cdk.Stack(wrong, "Wrong")
    cdk.CfnResource(stack, "Bucket", type="AWS::S3::Bucket", properties={"BucketNam": "a"})
    with pytest.raises(RuntimeError, match="ValidationFailed"):
        wrong.synth()


def test_acknowledgments_have_a_reason(default: Deployment) -> None:
    acknowledged = [
        (node.node.path, entry.data)
        for node in default.app.node.find_all()
        for entry in node.node.metadata
        if entry.type == "aws:cdk:acknowledged-rules"
    ]
    assert acknowledged
    for path, findings in acknowledged:
        assert "/" in path, "a stack may not be let off as a whole"
        assert all(len(reason) > 20 for reason in findings.values()), path


def test_templates_retain_no_resource(any_variant: Deployment) -> None:
    for template in any_variant.templates.values():
        for name, resource in template["Resources"].items():
            for policy in ("DeletionPolicy", "UpdateReplacePolicy"):
                assert resource.get(policy, "Delete") == "Delete", (name, policy)


def test_functions_only_log_to_declared_groups(
    any_variant: Deployment,
) -> None:
    for stack, template in any_variant.templates.items():
        groups = any_variant.resources(stack, "AWS::Logs::LogGroup")
        for name, function in any_variant.resources(stack, "AWS::Lambda::Function").items():
            # The reference also lets CloudFormation delete the function before its group.
            assert function["Properties"]["LoggingConfig"]["LogGroup"]["Ref"] in groups, name
        for name, statement in statements(template):
            if "logs:CreateLogGroup" in statement["Action"]:
                resource = json.dumps(statement["Resource"])
                declared = any(f'"{group}"' in resource for group in groups)
                of_jobs = re.search("/aws/sagemaker/(Training|Transform)Jobs:", resource)
                assert declared or of_jobs, name
        for name, role in any_variant.resources(stack, "AWS::IAM::Role").items():
            assert "ManagedPolicyArns" not in role["Properties"], name
        for name, group in groups.items():
            assert group["Properties"]["RetentionInDays"] > 0, name


def test_roles_use_documented_trust_conditions(any_variant: Deployment) -> None:
    for stack in any_variant.templates:
        for name, role in any_variant.resources(stack, "AWS::IAM::Role").items():
            (trust,) = role["Properties"]["AssumeRolePolicyDocument"]["Statement"]
            assert trust["Action"] == "sts:AssumeRole"
            conditions = trust.get("Condition", {})
            match trust["Principal"]["Service"].split(".")[0], stack:
                case ("sagemaker", "Notebook") | ("lambda" | "emr-serverless", _):
                    assert conditions == {}, name
                case ("sagemaker" | "personalize" | "scheduler", _):
                    assert list(conditions) == ["ArnLike"], name
                    assert list(conditions["ArnLike"]) == ["aws:SourceArn"], name
                case ("states", _):
                    assert list(conditions["StringEquals"]) == ["aws:SourceAccount"], name
                case other:
                    raise AssertionError(other)


def test_own_functions_have_separate_roles(default: Deployment) -> None:
    roles = [
        (stack, function["Properties"]["Role"]["Fn::GetAtt"][0])
        for stack in default.templates
        for function in default.resources(stack, "AWS::Lambda::Function").values()
        if function["Properties"]["Runtime"] == "python3.14"
    ]
    assert len(roles) == len(set(roles)) == 10


def test_pass_role_names_single_roles_and_services(
    any_variant: Deployment,
) -> None:
    passing = [
        (stack, statement)
        for stack, template in any_variant.templates.items()
        if stack != "Notebook"  # passes other stacks' roles, as test_notebook.py sees
        for _, statement in statements(template)
        if "iam:PassRole" in statement["Action"]
    ]
    trains = {"Object2Vec", "Preparation"} & set(any_variant.templates)
    assert bool(passing) == bool(trains)  # the lists pass none
    for stack, statement in passing:
        services = {"Personalize": "personalize", "Preparation": "emr-serverless"}
        service = services.get(stack, "sagemaker")
        assert statement["Condition"]["StringEquals"] == {
            "iam:PassedToService": f"{service}.amazonaws.com"
        }
        passed = statement["Resource"]
        for resource in [passed] if isinstance(passed, dict) else passed:
            assert "Fn::GetAtt" in resource


def test_actions_have_no_wildcards(any_variant: Deployment) -> None:
    for template in any_variant.templates.values():
        for name, statement in statements(template):
            assert "*" not in json.dumps(statement["Action"]), name


def test_exports_are_constant_names(any_variant: Deployment) -> None:
    exports = {
        output["Export"]["Name"]: name
        for template in any_variant.templates.values()
        for name, output in template.get("Outputs", {}).items()
        if "Export" in output
    }
    assert set(exports.values()) <= {"BucketName", "KeyArn"}
    imported = set(
        re.findall(r'"Fn::ImportValue": "([^"]+)"', json.dumps(dict(any_variant.templates)))
    )
    assert imported == set(exports)


def test_names_begin_with_the_prefix(variant: Any) -> None:
    deployment = variant("kms, other names")
    assert deployment.prefix == "team-a-anna"
    for stack, template in deployment.templates.items():
        for name, resource in template["Resources"].items():
            if resource["Type"] in ("AWS::Lambda::Permission", "AWS::Lambda::EventInvokeConfig"):
                continue  # it refers to a function
            for key, value in resource.get("Properties", {}).items():
                if key in (
                    "FunctionName",
                    "LogGroupName",
                    "EndpointName",
                    "NotebookInstanceName",
                    "NamePrefix",
                ):
                    assert "team-a-anna" in value, (stack, name, key)
    assert "recommender" not in re.sub(
        r"Recommend[a-z]*|:recommender/", "", json.dumps(dict(deployment.templates))
    )


def test_synthesis_is_deterministic(synthesize: Synthesize) -> None:
    assert dict(synthesize({}).templates) == dict(synthesize({}).templates)


def test_synthesis_needs_no_network(default: Deployment, data: Path) -> None:
    assert json.loads((default.folder / "manifest.json").read_text()).get("missing", []) == []
    for template in default.templates.values():
        assert str(data) not in json.dumps(template)
