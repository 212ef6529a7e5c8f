"""The local AWS in a test's own process: moto's mock with the patches (fixture `mocked`)."""

from typing import Any, Final

import boto3

REGION: Final = "us-east-1"
ACCOUNT: Final = "123456789012"
ROOT: Final[dict[str, Any]] = {
    "Effect": "Allow",
    "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
    "Action": "kms:*",
    "Resource": "*",
}
"""A key policy's usual first statement, which lets the account's policies decide."""


def client(service: str) -> Any:
    """A client in `REGION`."""
    return boto3.client(service, REGION)  # type: ignore[call-overload]
