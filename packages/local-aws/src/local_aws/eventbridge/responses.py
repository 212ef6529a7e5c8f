"""UpdateEventBus, which moto does not have, and what both ways to set up a bus refuse."""

import json
from collections.abc import Callable
from typing import Any

from local_aws.api import NotImplementedByLocalAws


def without_logs(method: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """CreateEventBus or UpdateEventBus, refused where the bus is to log what it does."""

    def refusing(response: Any) -> Any:
        if (response._get_param("LogConfig") or {}).get("Level", "OFF") != "OFF":
            raise NotImplementedByLocalAws("the LogConfig of an event bus")
        return method(response)

    return refusing


def update_event_bus(response: Any) -> tuple[str, dict[str, Any]]:
    """UpdateEventBus: the description and the key.

    Raises:
        NotImplementedByLocalAws: the bus is to have a dead-letter queue.
    """
    bus = response.events_backend.update_event_bus(
        response._get_param("Name"),
        description=response._get_param("Description"),
        kms_key_identifier=response._get_param("KmsKeyIdentifier"),
        dead_letter_config=response._get_param("DeadLetterConfig"),
    )
    told = {
        "Arn": bus.arn,
        "Name": bus.name,
        "Description": bus.description,
        "KmsKeyIdentifier": bus.kms_key_identifier,
    }
    given = {name: value for name, value in told.items() if value}
    return json.dumps(given), response.response_headers
