"""Clients of AWS's services, made once and kept while the function is warm."""

from functools import cache
from typing import Any

import boto3
from botocore.config import Config

_CONFIG = Config(
    connect_timeout=3,
    read_timeout=20,
    retries={"mode": "standard", "total_max_attempts": 4},
)


@cache
def client(service: str) -> Any:
    """A client that gives up soon enough for its caller to say so.

    Args:
        service: by boto3's name.
    """
    return boto3.client(service, config=_CONFIG)  # type: ignore[call-overload]
