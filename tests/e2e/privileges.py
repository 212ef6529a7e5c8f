"""Least privilege by mutation: what of the deployed policies could go without a call refused.

To remove each permission and deploy again would take hours. So what happens is recorded, each
request with all that allowed it: a permission without which no recorded request would have been
refused is too much, unless it stands below with a reason. That a deployment without one fails
where the record says so is seen for some of them (`remove`).
"""

from collections.abc import Iterator, Mapping, Set
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, Final

from moto.iam.models import iam_backends
from moto.s3.models import s3_backends

from local_aws.iam.policies import Policy, grants, parsed
from local_aws.iam.witness import Allowed, Permission, text_of
from local_aws.sts.models import trust_policy
from tests.reliability import Tally

_ACCOUNT: Final = "123456789012"
_PREFIX: Final = "recommender-"

# (role, action) → why it is kept although no rehearsal needs it
_UNSEEN: Final = {
    ("*-UploadRole*", "s3:DeleteObject"): "takes out of the bucket what left the data",
    ("*Framework*", "lambda:GetFunction"): (
        "the CDK's framework waits with it for a function that Lambda has put to sleep"
    ),
    ("*-DeepMf-TrainerIsCompleteRole*", "sagemaker:StopTrainingJob"): (
        "a deletion during the training, as Object2Vec's stack has one"
    ),
    ("*-Factorization-TrainerIsCompleteRole*", "sagemaker:StopTrainingJob"): "the same",
    ("*-Factorization-TrainerIsCompleteRole*", "logs:GetLogEvents"): (
        "a channel validation, which tells the best epoch: this algorithm has none"
    ),
    ("*-TrainerIsCompleteRole*", "sagemaker:*TransformJob"): (
        "no engine scores for all users here; a job is deleted after the setting has left"
    ),
    ("*-Lists-TrainingIsCompleteRole*", "s3:ListBucket"): "the same of the pairs that are scored",
    ("*", "ecr:*"): "SageMaker fetches the image; here none is fetched",
    ("*TrainingRole*", "logs:DescribeLogStreams"): "SageMaker documents it for jobs",
    ("*-FactorizationMachinesTrai", "logs:DescribeLogStreams"): "the same; names are cut",
    **{
        (f"*-{model}Role*", action): "SageMaker documents it for endpoints"
        for model in (
            *("Rating", "Recommendation", "Retrieval"),
            *("DeepMf", "FactorizationMachines"),
        )
        for action in ("cloudwatch:PutMetricData", "logs:DescribeLogStreams")
    },
    ("*-CaretakerFunctionRole*", "sqs:SendMessage"): "a round that failed is told to the queue",
    ("*-EventsRole*", "sqs:SendMessage"): "an event that failed for good is told to the queue",
    ("*", "xray:*"): "Lambda sends traces to X-Ray with the function's role; here none",
}

# Whether a deletion meets a running training depends on how fast the machine is.
_BY_CHANCE: Final = {
    ("*-TrainerIsCompleteRole*", "personalize:StopSolutionVersionCreation"): (
        "a deletion during the training"
    ),
}


def deployed() -> set[Permission]:
    """All that the policies of the deployed roles and buckets allow."""
    return {
        Permission(_lasting(holder), name, text_of(statement), action)
        for holder, name, policy in _policies()
        for statement, action in grants(policy)
    }


def check(permissions: Set[Permission], seen: Set[Allowed], tally: Tally) -> None:
    """Remove each permission in turn: was a recorded request left without?

    What is excused has to be idle, too: an excuse that outlives its reason hides what is not.
    """
    idle = permissions - needed(seen)
    excused = {one for one in permissions if _matches(one, _UNSEEN)}
    by_chance = {one for one in permissions if _matches(one, _BY_CHANCE)}
    too_much, outlived = _told(idle - excused - by_chance), _told(excused - idle - by_chance)
    assert not too_much, too_much
    assert not outlived, outlived
    statements = {(one.holder, one.policy, one.statement) for one in permissions}
    tally("statements mutated", "IAM: statements of policies", len(statements))
    tally("statements mutated", "IAM: actions of statements", len(permissions))
    tally("statements mutated", "IAM: of these, no rehearsal needs, for a reason", len(idle))


def needed(seen: Set[Allowed]) -> set[Permission]:
    """Those without which a recorded request would have been refused."""
    alone = [request.permissions for request in seen if len(request.permissions) == 1]
    return {replace(one, holder=_lasting(one.holder)) for (one,) in alone}


def remove(template: dict[str, Any], role: str, action: str) -> None:
    """Take an action out of the statements of a template's role, whose id begins so."""
    (found,) = (
        resource["Properties"]
        for name, resource in template["Resources"].items()
        if name.startswith(role) and resource["Type"] == "AWS::IAM::Role"
    )
    for policy in found["Policies"]:
        document = policy["PolicyDocument"]
        for statement in document["Statement"]:
            actions = statement["Action"]
            listed = actions if isinstance(actions, list) else [actions]
            statement["Action"] = [one for one in listed if one != action]
        document["Statement"] = [one for one in document["Statement"] if one["Action"]]


def _policies() -> Iterator[tuple[str, str, Policy]]:
    for role in iam_backends[_ACCOUNT]["aws"].roles.values():
        if role.name.startswith(_PREFIX):
            yield role.arn, "trust", trust_policy(role)
            for name, text in role.policies.items():
                yield role.arn, name, parsed(text)
            assert not role.managed_policies, f"{role.name} has policies that are not its own"
    for bucket in s3_backends[_ACCOUNT]["aws"].buckets.values():
        if bucket.name.startswith(_PREFIX) and bucket.policy:
            yield bucket.arn, "bucket", parsed(bucket.policy)


def _lasting(holder: str) -> str:
    """An ARN without the end by which CloudFormation tells one deployment's from another's."""
    return holder.rpartition("-")[0]


def _matches(permission: Permission, table: Mapping[tuple[str, str], str]) -> bool:
    return any(
        fnmatchcase(permission.holder, whose) and fnmatchcase(permission.action, action)
        for whose, action in table
    )


def _told(permissions: Set[Permission]) -> list[str]:
    return sorted(f"{one.holder} {one.policy} {one.action}" for one in permissions)
