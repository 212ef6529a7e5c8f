"""AWS::Events: scheduled rules and rules with event patterns."""

import json
from typing import Any

from local_aws.cloudformation.resources.base import (
    Attributes,
    Call,
    Handler,
    pick,
    retag,
    tag_list,
)

_SETTINGS = ("Description", "EventPattern", "ScheduleExpression", "State")


class Rule(Handler):
    """AWS::Events::Rule of the default bus."""

    type = "AWS::Events::Rule"
    supported = frozenset({*_SETTINGS, "Name", "Tags", "Targets"})
    gone_codes = frozenset({"ResourceNotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Put the rule, then its targets."""
        call.identify(call.properties.get("Name") or call.generated_name())
        return self._put(call, Tags=tag_list(call.properties.get("Tags")))

    def update(self, call: Call) -> Attributes:
        """Update the rule, its targets and tags."""
        attributes = self._put(call)
        events = call.client("events")
        kept = {target["Id"] for target in call.properties.get("Targets", [])}
        dropped = [one["Id"] for one in call.old.get("Targets", []) if one["Id"] not in kept]
        if dropped:
            events.remove_targets(Rule=call.physical_id, Ids=dropped)
        retag(call, events, ResourceARN=attributes["Arn"])
        return attributes

    def delete(self, call: Call) -> None:
        """Remove the targets, then the rule."""
        events = call.client("events")
        ids = [target["Id"] for target in call.properties.get("Targets", [])]
        if ids:
            events.remove_targets(Rule=call.physical_id, Ids=ids)
        events.delete_rule(Name=call.physical_id)

    def _put(self, call: Call, **more: Any) -> Attributes:
        targets = call.properties.get("Targets", [])
        settings = pick(call.properties, _SETTINGS)
        if "EventPattern" in settings:
            settings["EventPattern"] = json.dumps(settings["EventPattern"])
        events = call.client("events")
        arn = events.put_rule(Name=call.physical_id, **settings, **more)["RuleArn"]
        if targets:
            events.put_targets(Rule=call.physical_id, Targets=targets)
        return {"Arn": arn, "RuleName": call.physical_id}


HANDLERS = (Rule,)
