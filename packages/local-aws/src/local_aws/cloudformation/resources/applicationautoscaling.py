"""AWS::ApplicationAutoScaling: scalable targets and policies. Recorded; nothing scales here."""

from local_aws.cloudformation.resources.base import Attributes, Call, Handler, Properties, pick

_TARGET = ("ResourceId", "ScalableDimension", "ServiceNamespace")


class ScalableTarget(Handler):
    """AWS::ApplicationAutoScaling::ScalableTarget."""

    type = "AWS::ApplicationAutoScaling::ScalableTarget"
    supported = frozenset(
        [
            "MaxCapacity",
            "MinCapacity",
            "ResourceId",
            "RoleARN",
            "ScalableDimension",
            "ScheduledActions",
            "ServiceNamespace",
            "SuspendedState",
        ]
    )
    gone_codes = frozenset({"ObjectNotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Register the target."""
        self._register(call)
        target = "|".join(call.properties[name] for name in _TARGET)
        call.identify(target)
        self._schedule(call)
        return {"Id": target}

    def update(self, call: Call) -> Attributes:
        """Update the target."""
        self._register(call)
        self._schedule(call)
        return {"Id": call.physical_id}

    def delete(self, call: Call) -> None:
        """Deregister the target."""
        call.client("application-autoscaling").deregister_scalable_target(
            **pick(call.properties, _TARGET)
        )

    def _register(self, call: Call) -> None:
        wanted = call.properties
        settings = {name: value for name, value in wanted.items() if name != "ScheduledActions"}
        call.client("application-autoscaling").register_scalable_target(**settings)

    def _schedule(self, call: Call) -> None:
        client = call.client("application-autoscaling")
        target = pick(call.properties, _TARGET)
        names = {a["ScheduledActionName"] for a in call.properties.get("ScheduledActions", [])}
        for action in call.old.get("ScheduledActions", []):
            if action["ScheduledActionName"] not in names:
                client.delete_scheduled_action(
                    ScheduledActionName=action["ScheduledActionName"], **target
                )
        for action in call.properties.get("ScheduledActions", []):
            client.put_scheduled_action(**target, **action)


class ScalingPolicy(Handler):
    """AWS::ApplicationAutoScaling::ScalingPolicy."""

    type = "AWS::ApplicationAutoScaling::ScalingPolicy"
    supported = frozenset(
        [
            "PolicyName",
            "PolicyType",
            "ResourceId",
            "ScalableDimension",
            "ScalingTargetId",
            "ServiceNamespace",
            "StepScalingPolicyConfiguration",
            "TargetTrackingScalingPolicyConfiguration",
        ]
    )
    gone_codes = frozenset({"ObjectNotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Put the policy."""
        arn = self._put(call)
        call.identify(arn)
        return {"Arn": arn}

    def update(self, call: Call) -> Attributes:
        """Update the policy."""
        return {"Arn": self._put(call)}

    def delete(self, call: Call) -> None:
        """Delete the policy."""
        call.client("application-autoscaling").delete_scaling_policy(
            PolicyName=call.properties["PolicyName"], **_target(call.properties)
        )

    def _put(self, call: Call) -> str:
        wanted = call.properties
        settings = [
            "PolicyName",
            "PolicyType",
            "StepScalingPolicyConfiguration",
            "TargetTrackingScalingPolicyConfiguration",
        ]
        answer = call.client("application-autoscaling").put_scaling_policy(
            **_target(wanted), **pick(wanted, settings)
        )
        return str(answer["PolicyARN"])


HANDLERS = (ScalableTarget, ScalingPolicy)


def _target(properties: Properties) -> Properties:
    if "ScalingTargetId" in properties:
        return dict(zip(_TARGET, properties["ScalingTargetId"].split("|"), strict=True))
    return pick(properties, _TARGET)
