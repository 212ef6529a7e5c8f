"""UpdateEventBus, which moto does not have."""

import json
from typing import Any

from local_aws.api import NotImplementedByLocalAws


def update_event_bus(response: Any) -> tuple[str, dict[str, Any]]:
    """UpdateEventBus: the description and the key.

    Raises:
        NotImplementedByLocalAws: events are to be logged, or to have a dead-letter queue.
    """
    if (response._get_param("LogConfig") or {}).get("Level", "OFF") != "OFF":
        raise NotImplementedByLocalAws("the LogConfig of an event bus")
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
