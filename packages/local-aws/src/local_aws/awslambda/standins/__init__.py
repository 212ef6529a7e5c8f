"""CDK's own helper functions, run by their documented contracts.

A deployment brings a few functions that CDK wrote: the Provider framework, the one that empties a
bucket before it is deleted, and the one that copies assets into a bucket. Two of them are
JavaScript and the third carries the AWS CLI in a layer. Here the same functions run as Python,
with their own environment, role and logs. They are known by what is in their code, not by name.
"""

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class StandIn:
    """How a CDK function is recognized, and the handler that replaces it."""

    handlers: dict[str, str]
    file: str
    mark: bytes


_ALL = (
    StandIn(
        {
            "framework.onEvent": "cdk.provider_framework.on_event",
            "framework.isComplete": "cdk.provider_framework.is_complete",
            "framework.onTimeout": "cdk.provider_framework.on_timeout",
        },
        "consts.js",
        b"USER_ON_EVENT_FUNCTION_ARN",
    ),
    StandIn(
        {
            "index.handler": "cdk.auto_delete_objects.handler",
            "__entrypoint__.handler": "cdk.auto_delete_objects.handler",
        },
        "index.js",
        b"aws-cdk:auto-delete-objects",
    ),
    StandIn(
        {"index.handler": "cdk.bucket_deployment.handler"},
        "index.py",
        b"aws.cdk.s3deployment.",
    ),
)


def stand_in(handler: str, code: bytes) -> str | None:
    """The handler (in `FOLDER`) that replaces the CDK function with this code, if any."""
    candidates = [one for one in _ALL if handler in one.handlers]
    if not candidates:
        return None
    try:
        archive = zipfile.ZipFile(io.BytesIO(code))
    except zipfile.BadZipFile:
        return None
    with archive:
        names = set(archive.namelist())
        for one in candidates:
            if one.file in names and one.mark in archive.read(one.file):
                return one.handlers[handler]
    return None
