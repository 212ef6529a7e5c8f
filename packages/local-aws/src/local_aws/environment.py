"""The environment of a process that talks to this AWS, and to no other.

Whoever runs the local AWS may have real credentials: in variables, in `~/.aws`, or from a machine's
metadata service. Nothing that runs in it, or beside it, is to find them.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from local_aws import clients, state

NOWHERE = "http://127.0.0.1:9"
"""The endpoint of a process that may reach no AWS at all."""
_LEADING = (
    "AWS_ENDPOINT_URL",
    "AWS_REGION",
    "AWS_DEFAULT_REGION",
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)
_MACHINE = ("PATH", "LANG", "LC_ALL", "TMPDIR")


def environment(
    variables: Mapping[str, str],
    *,
    inherited: Mapping[str, str] | None = None,
    home: Path | None = None,
) -> dict[str, str]:
    """The whole environment of a process.

    It leads to the running local AWS, or nowhere where there is none. No setting of AWS's is
    inherited, and no file of settings but those that `variables` name is read. What is cached
    stays in the user's cache, wherever HOME is.

    Args:
        variables: the process's own, which count more than all others.
        inherited: another environment that it goes on with, such as `os.environ`; without one
            it is given only what `variables` tell.
        home: its HOME; without one that which it inherits.
    """
    kept = {name: one for name, one in (inherited or {}).items() if not name.startswith("AWS_")}
    if inherited:
        kept["XDG_CACHE_HOME"] = str(state.cache())
    if home is not None:
        kept["HOME"] = str(home)
    return {
        **kept,
        "AWS_ENDPOINT_URL": clients.endpoint_url() or NOWHERE,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        "BOTO_CONFIG": os.devnull,  # which botocore reads, too
        **variables,
    }


def led(inherited: Mapping[str, str]) -> dict[str, str]:
    """An environment whose credentials, region and endpoint lead to this AWS, and only these."""
    return environment(
        {name: inherited[name] for name in _LEADING if name in inherited}, inherited=inherited
    )


def machine(*more: str) -> dict[str, str]:
    """What a program in place of a container's inherits from this process: no user's settings.

    Args:
        more: further variables by name, where they are set.
    """
    return {name: os.environ[name] for name in (*_MACHINE, *more) if name in os.environ}
