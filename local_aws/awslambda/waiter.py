"""Step Functions' tasks call this AWS as their state machine's role, in its region.

moto's interpreter makes a new client for each task, as nobody: slow for a waiter that asks every
few seconds, and not what AWS does.
"""

import sys
import time
from functools import lru_cache
from typing import Any

from moto.stepfunctions.parser.asl.utils import boto_client

from local_aws import clients

_CREDENTIALS_SECONDS = 1800  # they are good for an hour


def boto_client_for(region: str, service: str, state_credentials: Any = None) -> Any:
    """A client for a task, in the place of moto's."""
    if state_credentials is None:
        return clients.client(service, region)
    period = int(time.monotonic() / _CREDENTIALS_SECONDS)
    credentials = _credentials(state_credentials.role_arn, region, clients.endpoint_url(), period)
    return clients.client(service, region, credentials)


@lru_cache(maxsize=256)
def _credentials(
    role_arn: str, region: str, _endpoint: str | None, _period: int
) -> clients.Credentials:
    return clients.assume_role(role_arn, "states", region)


def install() -> None:
    """Put it in the place of moto's, also where moto has imported it by name."""
    moto_client_for = boto_client.boto_client_for
    for name, module in list(sys.modules.items()):
        if name.startswith("moto.stepfunctions.") and (
            getattr(module, "boto_client_for", None) is moto_client_for
        ):
            setattr(module, "boto_client_for", boto_client_for)  # noqa: B010 (for mypy)
