"""Notebook instances and lifecycle configurations: AWS's states without a machine."""

import time
from collections.abc import Mapping
from typing import Any, Final

from local_aws.api import NotImplementedByLocalAws
from local_aws.sagemaker import quotas
from local_aws.sagemaker.collection import now
from local_aws.sagemaker.errors import ValidationException, refuse_members
from local_aws.sagemaker.roles import Role

# Automatic transitions of states and their delays in seconds; None is the end of the instance.
_LEADS_TO: Final[Mapping[str, tuple[str | None, float]]] = {
    "Pending": ("InService", 0.5),
    "Updating": ("Stopped", 0.2),
    "Stopping": ("Stopped", 0.2),
    "Deleting": (None, 0.2),
}
_DEFAULTS: Final = {
    "DirectInternetAccess": "Enabled",
    "VolumeSizeInGB": 5,
    "RootAccess": "Enabled",
    "PlatformIdentifier": "notebook-al2023-v1",
    "InstanceMetadataServiceConfiguration": {"MinimumInstanceMetadataServiceVersion": "1"},
}
# parameters that remove a setting from an instance
_DISASSOCIATE: Final = {
    "LifecycleConfigName": "DisassociateLifecycleConfig",
    "DefaultCodeRepository": "DisassociateDefaultCodeRepository",
    "AdditionalCodeRepositories": "DisassociateAdditionalCodeRepositories",
}
_ENDED_PLATFORMS: Final = ("notebook-al1-", "notebook-al2-")  # in 2023, and in July 2026
# which Amazon Linux 2023 does not run on
_OLD_MACHINES: Final = ("ml.p2.", "ml.p3.", "ml.p3dn.", "ml.inf1.", "ml.g3.")
_REFUSED: Final = ("AcceleratorTypes",)
_REPOSITORIES: Final = ("DefaultCodeRepository", "AdditionalCodeRepositories")


class LifecycleConfig:
    """Lifecycle scripts, which are not run."""

    def __init__(self, params: Mapping[str, Any], arn: str) -> None:
        self.name: str = params["NotebookInstanceLifecycleConfigName"]
        self.arn = arn
        self.tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
        self._scripts = {hook: params.get(hook, []) for hook in ("OnCreate", "OnStart")}
        self._created = self._modified = now()

    def update(self, params: Mapping[str, Any]) -> None:
        """Replace the scripts."""
        self._scripts |= {hook: params[hook] for hook in self._scripts if hook in params}
        self._modified = now()

    def summary(self) -> dict[str, Any]:
        """The configuration as ListNotebookInstanceLifecycleConfigs shows it."""
        return {
            "NotebookInstanceLifecycleConfigName": self.name,
            "NotebookInstanceLifecycleConfigArn": self.arn,
            "CreationTime": self._created,
            "LastModifiedTime": self._modified,
        }

    def description(self) -> dict[str, Any]:
        """The configuration as DescribeNotebookInstanceLifecycleConfig shows it."""
        return {**self.summary(), **self._scripts}


class NotebookInstance:
    """An instance that changes AWS's states by time, without a machine.

    Args:
        params: the parameters of CreateNotebookInstance.
        arn: the instance's ARN.
        region: the instance's region.

    Raises:
        ValidationException: the parameters are invalid.
        NotImplementedByLocalAws: a requested feature is not implemented.
    """

    def __init__(self, params: Mapping[str, Any], arn: str, region: str) -> None:
        _check(params)
        Role(params["RoleArn"], arn, region)
        self.name: str = params["NotebookInstanceName"]
        self.arn = arn
        self.tags = {tag["Key"]: tag["Value"] for tag in params.get("Tags", [])}
        self._region = region
        self._settings: dict[str, Any] = _DEFAULTS | {
            name: value
            for name, value in params.items()
            if name not in ("NotebookInstanceName", "Tags")
        }
        self._created = self._modified = now()
        self._state, self._since = "Pending", time.monotonic()

    @property
    def status(self) -> str | None:
        """The current state; None once deletion is complete."""
        then, seconds = _LEADS_TO.get(self._state, (self._state, 0.0))
        return then if time.monotonic() - self._since >= seconds else self._state

    @property
    def use(self) -> quotas.Use:
        """Its current use of quotas: none while stopped."""
        use = quotas.of_notebook_instance(self.machine)
        if self.status not in ("Pending", "InService", "Stopping"):
            del use[f"{self.machine} for notebook instance usage"]
        return use if self.status else quotas.Use()

    @property
    def machine(self) -> str:
        """Its instance type."""
        return str(self._settings["InstanceType"])

    def begin(self, state: str, *, of: tuple[str, ...]) -> None:
        """Change from one of the states `of` to another.

        Raises:
            ValidationException: the instance is in none of them.
        """
        if self.status not in of:
            raise ValidationException(
                f"Status ({self.status}) not in ([{', '.join(of)}]). Unable to transition to "
                f"({state}) for Notebook Instance ({self.arn})"
            )
        self._state, self._since = state, time.monotonic()
        self._modified = now()

    def update(self, params: Mapping[str, Any]) -> None:
        """Change the settings of a stopped instance.

        Raises:
            ValidationException: it is not stopped, or the settings are invalid.
            NotImplementedByLocalAws: as at creation.
        """
        settings = self._settings | {
            name: value
            for name, value in params.items()
            if name != "NotebookInstanceName" and not name.startswith("Disassociate")
        }
        for removed in ("LifecycleConfigName", *_REPOSITORIES):
            if params.get(_DISASSOCIATE[removed]):
                settings.pop(removed, None)
        _check(settings)
        Role(settings["RoleArn"], self.arn, self._region)
        self.begin("Updating", of=("Stopped", "Failed"))
        self._settings = settings

    def summary(self) -> dict[str, Any]:
        """The instance as ListNotebookInstances shows it."""
        shown = {
            "NotebookInstanceName": self.name,
            "NotebookInstanceArn": self.arn,
            "NotebookInstanceStatus": self.status,
            "Url": f"{self.name}.notebook.{self._region}.sagemaker.aws",
            "InstanceType": self._settings["InstanceType"],
            "CreationTime": self._created,
            "LastModifiedTime": self._modified,
        }
        if "LifecycleConfigName" in self._settings:
            shown["NotebookInstanceLifecycleConfigName"] = self._settings["LifecycleConfigName"]
        return shown | {key: self._settings[key] for key in _REPOSITORIES if key in self._settings}

    def description(self) -> dict[str, Any]:
        """The instance as DescribeNotebookInstance shows it."""
        renamed = {"SecurityGroupIds": "SecurityGroups"}
        settings = {
            renamed.get(name, name): value
            for name, value in self._settings.items()
            if name != "LifecycleConfigName"
        }
        return {**settings, **self.summary()}


def _check(settings: Mapping[str, Any]) -> None:
    """Raise an error if an instance's settings are invalid or not implemented."""
    refuse_members(settings, _REFUSED, "NotebookInstance")
    if settings.get("DirectInternetAccess") == "Disabled" and "SubnetId" not in settings:
        raise ValidationException("DirectInternetAccess Disabled needs a SubnetId.")
    default, others = (settings.get(name) for name in _REPOSITORIES)
    for repository in (*([default] if default else []), *(others or [])):
        if not repository.startswith("https://"):
            raise NotImplementedByLocalAws(
                f"the code repository {repository}, a resource of SageMaker's; give its https "
                "address, which is kept and not cloned"
            )
    platform, machine = settings.get("PlatformIdentifier", ""), settings["InstanceType"]
    if platform.startswith(_ENDED_PLATFORMS):
        raise ValidationException(
            f"The platform identifier {platform} has ended: choose one of Amazon Linux 2023."
        )
    if machine.startswith(_OLD_MACHINES):
        raise ValidationException(f"{machine} does not run Amazon Linux 2023.")
