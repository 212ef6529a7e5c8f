"""Resources of removed settings are deleted, and a failed addition leaves nothing behind.

Changes in IAM take effect after a delay, as on AWS.
"""

from collections.abc import Sequence

import boto3
import pytest

from local_aws.iam import propagation
from local_aws.personalize import errors, serving
from rehearsal.cdk import CdkError
from rehearsal.inventory import inventory
from tests.e2e.conftest import Workbench
from tests.reliability import Tally
from tests.synthesis import bootstrap

STACKS = ("recommender-Data", "recommender-Personalize")
DOMAIN = ("-c", "personalize.groups=domain", "-c", "personalize.domain_solutions=")


def _deploy(workbench: Workbench, *settings: str, stacks: Sequence[str] = STACKS) -> None:
    workbench.cdk("deploy", *stacks, "--require-approval=never", *settings)


def _names(kind: str) -> list[str]:
    """The Personalize resources of a kind, without the hashes at the ends."""
    found = getattr(boto3.client("personalize"), f"list_{kind}")()
    (listed,) = (value for key, value in found.items() if key != "ResponseMetadata")
    return sorted(one["name"].rsplit("-", 1)[0] for one in listed)


def _skipped_deletions() -> list[str]:
    """Resources that CloudFormation could not delete and left behind."""
    events = boto3.client("cloudformation").describe_stack_events(StackName=STACKS[1])
    return [
        f"{event['LogicalResourceId']}: {event['ResourceStatusReason']}"
        for event in events["StackEvents"]
        if event["ResourceStatus"] == "DELETE_FAILED"
    ]


def test_resources_of_removed_settings_are_deleted(
    workbench: Workbench, tally: Tally, monkeypatch: pytest.MonkeyPatch
) -> None:
    propagation.set_delay(10)  # the workbench's local AWS takes it back when it ends
    bootstrap()
    before = inventory()

    _deploy(workbench, *DOMAIN)
    assert _names("recommenders") == ["recommender-more-like-x", "recommender-top-picks"]

    _deploy(workbench, *DOMAIN, "-c", "personalize.recommenders=top-picks")
    assert _names("recommenders") == ["recommender-top-picks"]
    assert _skipped_deletions() == []

    # an addition that fails: SolutionVersion trains, its campaign is refused
    def refuse(*_: object, **__: object) -> None:
        raise errors.InvalidInput("no campaign today")

    with monkeypatch.context() as patch:
        patch.setattr(serving.Serving, "create_campaign", refuse)
        with pytest.raises(CdkError):
            _deploy(
                workbench,
                *("-c", "personalize.groups=domain", "-c", "personalize.recommenders=top-picks"),
                *("-c", "personalize.domain_solutions=personalized-ranking-v2"),
            )
    tally("faults injected", "a campaign refused while it is added to a deployment")
    assert _names("solutions") == []
    assert _names("recommenders") == ["recommender-top-picks"]
    assert _skipped_deletions() == []

    _deploy(
        workbench,
        *("-c", "personalize.groups=custom", "-c", "notebook.enabled=true"),
        stacks=(*STACKS, "recommender-Notebook"),
    )
    assert _names("recommenders") == []
    assert _names("dataset_groups") == ["recommender-custom"]
    assert _skipped_deletions() == []

    # no setting tells it that there is a notebook instance, nor a dataset group
    workbench.cdk("destroy", "--all", "--force", "-c", "personalize.groups=off")
    tally("leftovers found", "after settings were removed", len(inventory() - before))
    assert inventory() == before
