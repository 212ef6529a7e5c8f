"""What a template's resources say of each other."""

from collections import deque
from collections.abc import Iterator, Mapping
from typing import Any, Final

_SCALES: Final = "AWS::ApplicationAutoScaling::ScalableTarget"


class Template:
    """A synthesized template.

    Args:
        resources: by logical id.
    """

    def __init__(self, resources: Mapping[str, Any]) -> None:
        self.resources = resources

    def referred(self, value: Any) -> Iterator[str]:
        """The logical ids of the resources that a value refers to."""
        if isinstance(value, dict):
            for key, inner in value.items():
                target = inner[0] if key == "Fn::GetAtt" else inner
                if key in ("Ref", "Fn::GetAtt") and target in self.resources:
                    yield target
                yield from self.referred(inner)
        elif isinstance(value, list):
            for inner in value:
                yield from self.referred(inner)

    def reached(self, value: Any) -> Iterator[str]:
        """The logical ids that a value refers to, directly or through others: the nearest first."""
        waiting, seen = deque(self.referred(value)), set[str]()
        while waiting:
            name = waiting.popleft()
            if name not in seen:
                seen.add(name)
                yield name
                waiting.extend(self.referred(self.resources[name].get("Properties")))

    def variants(self, endpoint: str) -> list[dict[str, Any]]:
        """The production variants of an endpoint's configuration."""
        name = self.resources[endpoint]["Properties"]["EndpointConfigName"]
        config = next(self.referred(name), endpoint)
        found: list[dict[str, Any]] = (
            self.resources[config].get("Properties", {}).get("ProductionVariants", [])
        )
        return found

    def most_instances(self, endpoint: str) -> int | None:
        """The number of instances to which an endpoint's variant scales; None if it does not."""
        for resource in self.resources.values():
            if resource["Type"] == _SCALES and endpoint in self.referred(resource["Properties"]):
                return int(resource["Properties"]["MaxCapacity"])
        return None
