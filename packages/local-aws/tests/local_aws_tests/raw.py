"""Requests that boto3 would not make, signed as it signs."""

from dataclasses import dataclass
from typing import Any

import urllib3
from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from local_aws import clients

REGION = "us-east-1"
_http = urllib3.PoolManager(maxsize=1)


@dataclass(frozen=True)
class Answer:
    """An answer's status and text."""

    status: int
    text: str


def request(
    service: str,
    method: str,
    target: str,
    *,
    body: bytes = b"",
    headers: dict[str, str] | None = None,
    credentials: clients.Credentials | None = clients.OWNER,
    region: str = REGION,
) -> Answer:
    """Send a request with a path and a query string as they are, signed unless `credentials` is
    None."""
    url = f"{clients.endpoint_url()}{target}"
    made: Any = AWSRequest(method=method, url=url, data=body, headers=headers or {})
    if credentials:
        held = Credentials(
            credentials.access_key_id, credentials.secret_access_key, credentials.session_token
        )
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        signer(held, service, region).add_auth(made)
    answer = _http.request(
        method,
        url,
        body=body,
        headers={"Content-Length": str(len(body)), **dict(made.headers.items())},
        redirect=False,
        retries=False,
        preload_content=True,
    )
    return Answer(answer.status, answer.data.decode(errors="replace"))
