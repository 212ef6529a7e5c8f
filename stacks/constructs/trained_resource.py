"""Trained models as resources: started, waited for, deleted (decision 0001)."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

import aws_cdk as cdk
from constructs import Construct

from stacks.config import WAIT_MINUTES, Config
from stacks.constructs.provider import Provider
from stacks.constructs.roles import Permission, ServiceRole


class Trainer(Provider):
    """The functions behind a stack's trained resources.

    Their permissions do not depend on the stack's current resources. CloudFormation updates their
    role first and deletes removed resources last: permissions tied to each resource would be
    removed before its deletion, which would then fail and be skipped.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        config: Config,
        permissions: Sequence[Permission],
    ) -> None:
        """Create the functions.

        Args:
            scope: the parent.
            id: the construct's id.
            config: the deployment's settings.
            permissions: to create, describe, stop and delete all resources that the stack may
                train.
        """
        super().__init__(
            scope, id, config=config, package="trained_resource", description="Trained resources"
        )
        self.allow(*permissions)


class TrainedResource(Construct):
    """A resource that takes long to train: a start, then a chain of waiters.

    The start derives the name from a hash of the request and the inputs, so that the same request
    finds the existing resource. When a waiter's time is over, the next one continues.

    Attributes:
        name_prefix: the first part of the resource's name.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        trainer: Trainer,
        kind: str,
        name_prefix: str,
        request: Mapping[str, Any],
        inputs: str,
        waits: int,
        role: ServiceRole | None = None,
        needs: str | None = None,
        gate: Mapping[str, Any] | None = None,
    ) -> None:
        """Create the resources.

        Args:
            scope: the parent.
            id: the construct's id.
            trainer: the functions that do the work.
            kind: an entry in the trained_resource function's table, such as `TrainingJob`.
            name_prefix: the first part of the resource's name.
            request: parameters of the create call except the name.
            inputs: digest of the training data.
            waits: the number of chained waiters.
            role: the role passed to the service in the request, if any.
            needs: an attribute without which the deployment cannot go on, if any.
            gate: the `metric` by which a new one is compared with the one before, and by how many
                `percent` it may be lower; None to compare none.
        """
        super().__init__(scope, id)
        self.name_prefix = name_prefix
        if role:
            trainer.allow(role.passing)
        start = cdk.CustomResource(
            self,
            "Start",
            service_token=trainer.service_token,
            resource_type="Custom::TrainedStart",
            properties={
                "Kind": kind,
                "NamePrefix": name_prefix,
                "Request": request,
                "Inputs": inputs,
            },
        )
        self._last = start
        for number in range(1, waits + 1):
            wait = cdk.CustomResource(
                self,
                f"Wait{number}",
                service_token=trainer.service_token,
                resource_type="Custom::TrainedWait",
                properties={
                    "Kind": kind,
                    "Arn": start.get_att_string("Arn"),
                    "Seconds": WAIT_MINUTES * 60,
                    "Final": number == waits,
                    **({"Needs": needs} if needs else {}),
                    **({"Gate": json.dumps(dict(gate))} if gate and number == waits else {}),
                },
            )
            if number > 1:
                wait.node.add_dependency(self._last)
            self._last = wait

    def attribute(self, name: str) -> str:
        """An attribute of the trained resource, available after the last waiter."""
        return self._last.get_att_string(name)
