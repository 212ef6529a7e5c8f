"""AWS::IAM: roles, inline policies and managed policies."""

import json
from typing import Any

from local_aws.cloudformation.resources.base import (
    Attributes,
    Call,
    Handler,
    pick,
    tag_changes,
    tag_list,
)
from local_aws.iam import propagation


class Role(Handler):
    """AWS::IAM::Role."""

    type = "AWS::IAM::Role"
    supported = frozenset(
        [
            "AssumeRolePolicyDocument",
            "Description",
            "ManagedPolicyArns",
            "MaxSessionDuration",
            "Path",
            "PermissionsBoundary",
            "Policies",
            "RoleName",
            "Tags",
        ]
    )
    gone_codes = frozenset({"NoSuchEntity"})

    def create(self, call: Call) -> Attributes:
        """Create the role with its policies."""
        iam = call.client("iam")
        wanted = call.properties
        request = pick(wanted, ["Description", "MaxSessionDuration", "Path", "PermissionsBoundary"])
        if wanted.get("Tags"):
            request["Tags"] = tag_list(wanted["Tags"])
        name = wanted.get("RoleName") or call.generated_name()
        iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=_text(wanted["AssumeRolePolicyDocument"]),
            **request,
        )
        call.identify(name)
        self._policies(call)
        call.pause(propagation.delay())  # a new role is complete when services accept it
        return self._attributes(call)

    def update(self, call: Call) -> Attributes:
        """Change trust, policies, description, session length, boundary and tags."""
        iam = call.client("iam")
        role = {"RoleName": call.physical_id}
        wanted = call.properties
        if call.changed("AssumeRolePolicyDocument"):
            iam.update_assume_role_policy(
                **role, PolicyDocument=_text(wanted["AssumeRolePolicyDocument"])
            )
        if call.changed("Description", "MaxSessionDuration"):
            iam.update_role(
                **role,
                Description=wanted.get("Description", ""),
                MaxSessionDuration=wanted.get("MaxSessionDuration", 3600),
            )
        if call.changed("PermissionsBoundary"):
            if boundary := wanted.get("PermissionsBoundary"):
                iam.put_role_permissions_boundary(**role, PermissionsBoundary=boundary)
            else:
                iam.delete_role_permissions_boundary(**role)
        self._policies(call)
        new, removed = tag_changes(call)
        if new:
            iam.tag_role(**role, Tags=tag_list(new))
        if removed:
            iam.untag_role(**role, TagKeys=removed)
        return self._attributes(call)

    def delete(self, call: Call) -> None:
        """Remove the template's policies, then delete the role."""
        iam = call.client("iam")
        role = {"RoleName": call.physical_id}
        attached = iam.list_attached_role_policies(**role)["AttachedPolicies"]
        for arn in {p["PolicyArn"] for p in attached} & set(
            call.properties.get("ManagedPolicyArns", [])
        ):
            iam.detach_role_policy(**role, PolicyArn=arn)
        inline = set(iam.list_role_policies(**role)["PolicyNames"])
        for name in inline & {p["PolicyName"] for p in call.properties.get("Policies", [])}:
            iam.delete_role_policy(**role, PolicyName=name)
        iam.delete_role(**role)

    def _policies(self, call: Call) -> None:
        iam = call.client("iam")
        role = {"RoleName": call.physical_id}
        old, new = (
            set(properties.get("ManagedPolicyArns", []))
            for properties in (call.old, call.properties)
        )
        for arn in sorted(new - old):
            iam.attach_role_policy(**role, PolicyArn=arn)
        for arn in sorted(old - new):
            iam.detach_role_policy(**role, PolicyArn=arn)
        before, after = (
            {p["PolicyName"]: p["PolicyDocument"] for p in properties.get("Policies", [])}
            for properties in (call.old, call.properties)
        )
        for name, document in after.items():
            if before.get(name) != document:
                iam.put_role_policy(**role, PolicyName=name, PolicyDocument=_text(document))
        for name in before.keys() - after.keys():
            iam.delete_role_policy(**role, PolicyName=name)

    def _attributes(self, call: Call) -> Attributes:
        role = call.client("iam").get_role(RoleName=call.physical_id)["Role"]
        return {"Arn": role["Arn"], "RoleId": role["RoleId"]}


_HOLDERS = (
    ("Roles", "role", "RoleName"),
    ("Users", "user", "UserName"),
    ("Groups", "group", "GroupName"),
)


class Policy(Handler):
    """AWS::IAM::Policy: an inline policy of one or several roles, users or groups."""

    type = "AWS::IAM::Policy"
    supported = frozenset({"PolicyDocument", "PolicyName", "Roles", "Users", "Groups"})
    gone_codes = frozenset({"NoSuchEntity"})

    def create(self, call: Call) -> Attributes:
        """Put the policy on every principal."""
        call.identify(call.generated_name(30))
        self._place(call, call.properties, {})
        return {"Id": call.physical_id}

    def update(self, call: Call) -> Attributes:
        """Update the policy, and remove it from principals that left the list."""
        self._place(call, call.properties, call.old)
        return {"Id": call.physical_id}

    def delete(self, call: Call) -> None:
        """Remove the policy from every principal."""
        self._place(call, {}, call.properties)

    def _place(self, call: Call, new: dict[str, Any], old: dict[str, Any]) -> None:
        iam = call.client("iam")
        for key, kind, parameter in _HOLDERS:
            put, delete = getattr(iam, f"put_{kind}_policy"), getattr(iam, f"delete_{kind}_policy")
            for holder in new.get(key, []):
                put(
                    **{parameter: holder},
                    PolicyName=new["PolicyName"],
                    PolicyDocument=_text(new["PolicyDocument"]),
                )
            for holder in old.get(key, []):
                if holder not in new.get(key, []) or old["PolicyName"] != new["PolicyName"]:
                    try:
                        delete(**{parameter: holder}, PolicyName=old["PolicyName"])
                    except iam.exceptions.NoSuchEntityException:
                        continue  # the principal was deleted before


class ManagedPolicy(Handler):
    """AWS::IAM::ManagedPolicy."""

    type = "AWS::IAM::ManagedPolicy"
    supported = frozenset(
        ["PolicyDocument", "ManagedPolicyName", "Description", "Path", "Roles", "Users", "Groups"]
    )
    gone_codes = frozenset({"NoSuchEntity"})

    def create(self, call: Call) -> Attributes:
        """Create the policy and attach it."""
        wanted = call.properties
        policy = call.client("iam").create_policy(
            PolicyName=wanted.get("ManagedPolicyName") or call.generated_name(128),
            PolicyDocument=_text(wanted["PolicyDocument"]),
            **pick(wanted, ["Description", "Path"]),
        )["Policy"]
        call.identify(policy["Arn"])
        self._attach(call, wanted, {})
        return self._attributes(call)

    def update(self, call: Call) -> Attributes:
        """Create a new default version, and update attachments."""
        iam = call.client("iam")
        arn = call.physical_id
        if call.changed("PolicyDocument"):
            versions = iam.list_policy_versions(PolicyArn=arn)["Versions"]
            spare = [v for v in versions if not v["IsDefaultVersion"]]
            if len(versions) >= 5:  # IAM allows five versions
                oldest = min(spare, key=lambda v: int(v["VersionId"][1:]))
                iam.delete_policy_version(PolicyArn=arn, VersionId=oldest["VersionId"])
            iam.create_policy_version(
                PolicyArn=arn,
                PolicyDocument=_text(call.properties["PolicyDocument"]),
                SetAsDefault=True,
            )
        self._attach(call, call.properties, call.old)
        return self._attributes(call)

    def delete(self, call: Call) -> None:
        """Detach the policy where the template attached it, and delete it with its versions."""
        iam = call.client("iam")
        self._attach(call, {}, call.properties)
        for version in iam.list_policy_versions(PolicyArn=call.physical_id)["Versions"]:
            if not version["IsDefaultVersion"]:
                iam.delete_policy_version(
                    PolicyArn=call.physical_id, VersionId=version["VersionId"]
                )
        iam.delete_policy(PolicyArn=call.physical_id)

    def _attach(self, call: Call, new: dict[str, Any], old: dict[str, Any]) -> None:
        iam = call.client("iam")
        for key, kind, parameter in _HOLDERS:
            for holder in set(new.get(key, [])) - set(old.get(key, [])):
                attach = getattr(iam, f"attach_{kind}_policy")
                attach(**{parameter: holder}, PolicyArn=call.physical_id)
            for holder in set(old.get(key, [])) - set(new.get(key, [])):
                detach = getattr(iam, f"detach_{kind}_policy")
                try:
                    detach(**{parameter: holder}, PolicyArn=call.physical_id)
                except iam.exceptions.NoSuchEntityException:
                    continue

    def _attributes(self, call: Call) -> Attributes:
        policy = call.client("iam").get_policy(PolicyArn=call.physical_id)["Policy"]
        return {
            "PolicyArn": policy["Arn"],
            "PolicyId": policy["PolicyId"],
            "DefaultVersionId": policy["DefaultVersionId"],
            "AttachmentCount": policy["AttachmentCount"],
            "IsAttachable": policy["IsAttachable"],
            "CreateDate": policy["CreateDate"].isoformat(),
            "UpdateDate": policy["UpdateDate"].isoformat(),
        }


HANDLERS = (Role, Policy, ManagedPolicy)


def _text(document: Any) -> str:
    return document if isinstance(document, str) else json.dumps(document)
