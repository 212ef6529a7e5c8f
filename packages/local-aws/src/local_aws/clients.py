"""boto3 clients that talk to this local AWS, as the account's owner or as one of its roles."""

import os
import threading
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import boto3
import botocore.session
from botocore.config import Config

_create = threading.Lock()  # creating boto3 sessions is not thread-safe
_endpoint_url: str | None = None


@dataclass(frozen=True)
class Credentials:
    """Credentials; `session_token` is set for a role's temporary credentials."""

    access_key_id: str
    secret_access_key: str
    session_token: str | None = None

    def environment(self) -> dict[str, str]:
        """The environment variables with these credentials."""
        variables = {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
        }
        if self.session_token:
            variables["AWS_SESSION_TOKEN"] = self.session_token
        return variables


OWNER = Credentials("AKIALOCALAWSOWNER000", "local")


def set_endpoint_url(url: str | None) -> None:
    """Point every later client at the server at `url`; None leaves it to moto's `mock_aws`."""
    global _endpoint_url
    _endpoint_url = url
    _client.cache_clear()


def endpoint_url() -> str | None:
    """The running server's URL, or None if calls are answered in this process."""
    return _endpoint_url


def client(service: str, region: str, credentials: Credentials = OWNER) -> Any:
    """A (cached) boto3 client for `service` in `region`."""
    return _client(service, region, credentials, _endpoint_url)


@lru_cache(maxsize=1)
def _session() -> boto3.session.Session:
    # One session for all, because it caches service models. It does not read the user's settings.
    nothing: dict[str, Any] = {
        "profile": (None, None, None, None),
        "config_file": (None, None, os.devnull, None),
        "credentials_file": (None, None, os.devnull, None),
    }
    return boto3.session.Session(botocore_session=botocore.session.Session(session_vars=nothing))


@lru_cache(maxsize=256)
def _client(service: str, region: str, credentials: Credentials, endpoint: str | None) -> Any:
    with _create:
        return _session().client(  # type: ignore[call-overload]
            service,
            region_name=region,
            endpoint_url=endpoint,
            aws_access_key_id=credentials.access_key_id,
            aws_secret_access_key=credentials.secret_access_key,
            aws_session_token=credentials.session_token,
            config=Config(
                retries={"total_max_attempts": 1},
                max_pool_connections=32,
                read_timeout=900,  # a synchronous Lambda call may take up to Lambda's limit
                s3={"addressing_style": "path"},
            ),
        )
