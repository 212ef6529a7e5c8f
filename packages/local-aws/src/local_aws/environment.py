"""Environments of processes that can only reach this AWS.

The user may have real credentials in variables, in `~/.aws`, or from a machine's metadata service.
Child processes must not find them.
"""

import os
from collections.abc import Mapping
from pathlib import Path

from local_aws import clients, state

NOWHERE = "http://127.0.0.1:9"
"""The endpoint of a process that must not reach any AWS."""
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
    """The complete environment of a process.

    It points to the running local AWS, or nowhere without one. AWS settings are not inherited, and
    only configuration files that `variables` name are read. Caches remain in the user's cache
    folder, wherever HOME is.

    Args:
        variables: the process's own variables, which override all others.
        inherited: an environment to inherit from, such as `os.environ`; by default, only
            `variables` are set.
        home: its HOME; by default, the inherited one.
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
        "BOTO_CONFIG": os.devnull,  # botocore reads it too
        **variables,
    }


def led(inherited: Mapping[str, str]) -> dict[str, str]:
    """An environment with this AWS's credentials, region and endpoint only."""
    return environment(
        {name: inherited[name] for name in _LEADING if name in inherited}, inherited=inherited
    )


def machine(*more: str) -> dict[str, str]:
    """The variables that a container's program inherits from this process, without user settings.

    Args:
        more: names of further variables to inherit, if set.
    """
    return {name: os.environ[name] for name in (*_MACHINE, *more) if name in os.environ}
