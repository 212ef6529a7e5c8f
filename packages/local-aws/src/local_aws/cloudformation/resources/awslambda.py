"""AWS::Lambda: functions, layers, versions, aliases, permissions, asynchronous settings."""

import io
import zipfile
from importlib import resources
from typing import Any

from local_aws.cloudformation.errors import ResourceFailed
from local_aws.cloudformation.resources.base import (
    Attributes,
    Call,
    Handler,
    Properties,
    pick,
    random_suffix,
    retag,
    tag_map,
    texts,
)

# default of each setting when it is removed from the template
_DEFAULTS: Properties = {
    "Description": "",
    "Environment": {"Variables": {}},
    "EphemeralStorage": {"Size": 512},
    "KMSKeyArn": "",
    "Layers": [],
    "LoggingConfig": {"LogFormat": "Text"},
    "MemorySize": 128,
    "Timeout": 3,
    "TracingConfig": {"Mode": "PassThrough"},
}
_SETTINGS = (*_DEFAULTS, "Handler", "Role", "Runtime")


class Function(Handler):
    """AWS::Lambda::Function."""

    type = "AWS::Lambda::Function"
    supported = frozenset(
        [
            "Architectures",
            "Code",
            "Description",
            "Environment",
            "EphemeralStorage",
            "FunctionName",
            "Handler",
            "KmsKeyArn",
            "Layers",
            "LoggingConfig",
            "MemorySize",
            "PackageType",
            "ReservedConcurrentExecutions",
            "Role",
            "Runtime",
            "Tags",
            "Timeout",
            "TracingConfig",
        ]
    )
    gone_codes = frozenset({"ResourceNotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Create the function and wait until it is active."""
        client = call.client("lambda")
        wanted = call.properties
        name = wanted.get("FunctionName") or call.generated_name()
        request = pick(_settings(wanted), [*_SETTINGS, "Architectures", "PackageType"])
        if tags := tag_map(wanted.get("Tags")):
            request["Tags"] = tags
        client.create_function(FunctionName=name, Code=_code(wanted), **request)
        call.identify(name)
        self._settle(call)
        self._reserve(call)
        return self._attributes(call)

    def update(self, call: Call) -> Attributes:
        """Change code, settings, concurrency and tags, each only where it differs."""
        client = call.client("lambda")
        function = {"FunctionName": call.physical_id}
        if call.changed("Code", "Architectures"):
            architectures = {"Architectures": call.properties.get("Architectures", ["x86_64"])}
            client.update_function_code(**function, **_code(call.properties), **architectures)
            self._settle(call)
        old, new = _settings(call.old), _settings(call.properties)
        changes = {
            name: new.get(name, _DEFAULTS.get(name))
            for name in _SETTINGS
            if new.get(name) != old.get(name)
        }
        if changes:
            client.update_function_configuration(**function, **changes)
            self._settle(call)
        self._reserve(call)
        attributes = self._attributes(call)
        retag(call, client, dict, Resource=attributes["Arn"])
        return attributes

    def delete(self, call: Call) -> None:
        """Delete the function with its versions."""
        call.client("lambda").delete_function(FunctionName=call.physical_id)

    def _reserve(self, call: Call) -> None:
        if not call.changed("ReservedConcurrentExecutions"):
            return
        client, function = call.client("lambda"), {"FunctionName": call.physical_id}
        number = call.properties.get("ReservedConcurrentExecutions")
        if number is None:
            client.delete_function_concurrency(**function)
        else:
            client.put_function_concurrency(**function, ReservedConcurrentExecutions=number)

    def _settle(self, call: Call) -> None:
        client = call.client("lambda")
        while True:
            state = client.get_function_configuration(FunctionName=call.physical_id)
            if "Failed" in (state.get("State"), state.get("LastUpdateStatus")):
                reason = state.get("StateReason") or state.get("LastUpdateStatusReason")
                raise ResourceFailed(f"Function {call.physical_id} failed: {reason}")
            pending = state.get("State") == "Pending"
            if not pending and state.get("LastUpdateStatus") != "InProgress":
                return
            call.pause(0.1)

    def _attributes(self, call: Call) -> Attributes:
        arn = f"arn:aws:lambda:{call.region}:{call.account_id}:function:{call.physical_id}"
        return {"Arn": arn}


class LayerVersion(Handler):
    """AWS::Lambda::LayerVersion."""

    type = "AWS::Lambda::LayerVersion"
    supported = frozenset(
        [
            "CompatibleArchitectures",
            "CompatibleRuntimes",
            "Content",
            "Description",
            "LayerName",
            "LicenseInfo",
        ]
    )
    gone_codes = frozenset({"ResourceNotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Publish a version."""
        wanted = call.properties
        # a layer's versions share its name, so that a generated one is the logical id alone
        name = wanted.get("LayerName") or call.logical_id[:140]
        settings = ["CompatibleArchitectures", "CompatibleRuntimes", "Description", "LicenseInfo"]
        answer = call.client("lambda").publish_layer_version(
            LayerName=name, Content=wanted["Content"], **pick(wanted, settings)
        )
        call.identify(answer["LayerVersionArn"])
        return {"LayerVersionArn": answer["LayerVersionArn"]}

    def delete(self, call: Call) -> None:
        """Delete the version."""
        assert call.physical_id
        name, version = call.physical_id.split(":")[-2:]
        call.client("lambda").delete_layer_version(LayerName=name, VersionNumber=int(version))


class Version(Handler):
    """AWS::Lambda::Version."""

    type = "AWS::Lambda::Version"
    supported = frozenset({"CodeSha256", "Description", "FunctionName"})
    gone_codes = frozenset({"ResourceNotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Publish the function's current state."""
        request = pick(call.properties, ["CodeSha256", "Description", "FunctionName"])
        answer = call.client("lambda").publish_version(**request)
        call.identify(answer["FunctionArn"])
        return {"Version": answer["Version"], "FunctionArn": answer["FunctionArn"]}

    def delete(self, call: Call) -> None:
        """Delete the version."""
        assert call.physical_id
        function, version = call.physical_id.rsplit(":", 1)
        call.client("lambda").delete_function(FunctionName=function, Qualifier=version)


class Alias(Handler):
    """AWS::Lambda::Alias."""

    type = "AWS::Lambda::Alias"
    supported = frozenset({"Description", "FunctionName", "FunctionVersion", "Name"})
    gone_codes = frozenset({"ResourceNotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Create the alias."""
        answer = call.client("lambda").create_alias(**call.properties)
        call.identify(answer["AliasArn"])
        return {"AliasArn": answer["AliasArn"]}

    def update(self, call: Call) -> Attributes:
        """Update the alias."""
        request = {"Description": "", **call.properties}
        answer = call.client("lambda").update_alias(**request)
        return {"AliasArn": answer["AliasArn"]}

    def delete(self, call: Call) -> None:
        """Delete the alias."""
        request = pick(call.properties, ["FunctionName", "Name"])
        call.client("lambda").delete_alias(**request)


class Permission(Handler):
    """AWS::Lambda::Permission."""

    type = "AWS::Lambda::Permission"
    supported = frozenset(
        [
            "Action",
            "EventSourceToken",
            "FunctionName",
            "Principal",
            "PrincipalOrgID",
            "SourceAccount",
            "SourceArn",
        ]
    )
    gone_codes = frozenset({"ResourceNotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Add a statement to the function's policy."""
        statement = call.generated_name(100)
        call.client("lambda").add_permission(StatementId=statement, **call.properties)
        call.identify(statement)
        return {"Id": statement}

    def delete(self, call: Call) -> None:
        """Remove the statement."""
        call.client("lambda").remove_permission(
            FunctionName=call.properties["FunctionName"], StatementId=call.physical_id
        )


class EventInvokeConfig(Handler):
    """AWS::Lambda::EventInvokeConfig of $LATEST."""

    type = "AWS::Lambda::EventInvokeConfig"
    supported = frozenset(
        [
            "DestinationConfig",
            "FunctionName",
            "MaximumEventAgeInSeconds",
            "MaximumRetryAttempts",
            "Qualifier",
        ]
    )
    gone_codes = frozenset({"ResourceNotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Put the settings."""
        if call.properties["Qualifier"] != "$LATEST":
            raise ResourceFailed(
                "The local AWS implements AWS::Lambda::EventInvokeConfig for $LATEST only, not for "
                f"{call.properties['Qualifier']}"
            )
        self._put(call)
        call.identify(f"{call.properties['FunctionName']}|{random_suffix()}")
        return {}

    def update(self, call: Call) -> Attributes:
        """Update the settings."""
        self._put(call)
        return {}

    def delete(self, call: Call) -> None:
        """Restore the defaults."""
        call.client("lambda").delete_function_event_invoke_config(
            FunctionName=call.properties["FunctionName"]
        )

    def _put(self, call: Call) -> None:
        names = ["DestinationConfig", "MaximumEventAgeInSeconds", "MaximumRetryAttempts"]
        call.client("lambda").put_function_event_invoke_config(
            FunctionName=call.properties["FunctionName"], **pick(call.properties, names)
        )


HANDLERS = (Function, LayerVersion, Version, Alias, Permission, EventInvokeConfig)


def _settings(properties: Properties) -> Properties:
    """The settings under the API's names."""
    settings = dict(properties)
    if "Environment" in settings:
        settings["Environment"] = texts(settings["Environment"])
    if "KmsKeyArn" in settings:
        settings["KMSKeyArn"] = settings.pop("KmsKeyArn")
    return settings


def _code(properties: Properties) -> dict[str, Any]:
    code = dict(properties["Code"])
    if "ZipFile" not in code:
        return code
    runtime = properties.get("Runtime", "")
    suffix = {"python": "py", "nodejs": "js"}.get(runtime.rstrip("0123456789.x"))
    if suffix is None:
        raise ResourceFailed(f"Code.ZipFile is for Python and Node.js, not for {runtime or 'none'}")
    source = code.pop("ZipFile")
    files = {f"index.{suffix}": source}
    if suffix == "py" and "cfnresponse" in source:
        files["cfnresponse.py"] = resources.read_text("local_aws.cloudformation", "cfnresponse.py")
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, text in files.items():  # with a fixed date, so that equal source gives equal code
            zipped.writestr(zipfile.ZipInfo(name), text)
    return {**code, "ZipFile": archive.getvalue()}
