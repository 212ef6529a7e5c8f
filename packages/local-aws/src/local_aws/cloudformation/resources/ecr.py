"""AWS::ECR: repositories."""

import json

from local_aws.cloudformation.resources.base import (
    Attributes,
    Call,
    Handler,
    lowered,
    retag,
    tag_list,
)


class Repository(Handler):
    """AWS::ECR::Repository."""

    type = "AWS::ECR::Repository"
    supported = frozenset(
        [
            "EmptyOnDelete",
            "EncryptionConfiguration",
            "ImageScanningConfiguration",
            "ImageTagMutability",
            "LifecyclePolicy",
            "RepositoryName",
            "RepositoryPolicyText",
            "Tags",
        ]
    )
    gone_codes = frozenset({"RepositoryNotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Create the repository with its policies."""
        wanted = call.properties
        name = wanted.get("RepositoryName") or call.generated_name(256, lower=True)
        request = {
            key[:1].lower() + key[1:]: lowered(wanted[key])
            for key in (
                "EncryptionConfiguration",
                "ImageScanningConfiguration",
                "ImageTagMutability",
            )
            if key in wanted
        }
        if wanted.get("Tags"):
            request["tags"] = tag_list(wanted["Tags"])
        call.client("ecr").create_repository(repositoryName=name, **request)
        call.identify(name)
        self._policies(call)
        return self._attributes(call)

    def update(self, call: Call) -> Attributes:
        """Change policies, scanning, mutability and tags."""
        client = call.client("ecr")
        repository = {"repositoryName": call.physical_id}
        if call.changed("ImageTagMutability"):
            mutability = call.properties.get("ImageTagMutability", "MUTABLE")
            client.put_image_tag_mutability(**repository, imageTagMutability=mutability)
        if call.changed("ImageScanningConfiguration"):
            scanning = lowered(call.properties.get("ImageScanningConfiguration", {}))
            client.put_image_scanning_configuration(
                **repository, imageScanningConfiguration=scanning or {"scanOnPush": False}
            )
        self._policies(call)
        attributes = self._attributes(call)
        retag(call, client, resourceArn=attributes["Arn"])
        return attributes

    def delete(self, call: Call) -> None:
        """Delete the repository; its images only if the template says so."""
        force = bool(call.properties.get("EmptyOnDelete"))
        call.client("ecr").delete_repository(repositoryName=call.physical_id, force=force)

    def _policies(self, call: Call) -> None:
        client = call.client("ecr")
        repository = {"repositoryName": call.physical_id}
        if call.changed("LifecyclePolicy"):
            text = call.properties.get("LifecyclePolicy", {}).get("LifecyclePolicyText")
            if text:
                client.put_lifecycle_policy(**repository, lifecyclePolicyText=text)
            else:
                client.delete_lifecycle_policy(**repository)
        if call.changed("RepositoryPolicyText"):
            policy = call.properties.get("RepositoryPolicyText")
            if policy:
                text = policy if isinstance(policy, str) else json.dumps(policy)
                client.set_repository_policy(**repository, policyText=text)
            else:
                client.delete_repository_policy(**repository)

    def _attributes(self, call: Call) -> Attributes:
        place, name = f"{call.region}:{call.account_id}", call.physical_id
        registry = f"{call.account_id}.dkr.ecr.{call.region}.amazonaws.com"
        return {
            "Arn": f"arn:aws:ecr:{place}:repository/{name}",
            "RepositoryUri": f"{registry}/{name}",
        }


HANDLERS = (Repository,)
