"""Scores for all users, by SageMaker's batch transform (decision 0023)."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_sagemaker as sagemaker

from stacks import digests
from stacks.config import Config
from stacks.constructs.private_bucket import Store
from stacks.constructs.provider import Provider
from stacks.constructs.roles import Permission, ServiceRole, all_of
from stacks.constructs.trained_resource import TrainedResource, Trainer
from stacks.transform_settings import Transform

PAIRS: Final = "lists/pairs/"
"""Prefix of the pairs that are scored; those of a deployment lie below a hash of what they are."""

# the forms of requests, by which lambdas/list_training/pairs.py calls them
_FORMS: Final = {
    "object2vec": "tokens",
    "deep_mf": "tokens",
    "factorization_machines": "columns",
}
_TYPE: Final = "application/jsonlines"


@dataclass(frozen=True, kw_only=True)
class Pairs:
    """The pairs that engines score.

    Attributes:
        prefix: of their files, not the manifest's.
        digest: of all that they depend on but the generation of the lists.
        settings: what engines score them.
    """

    prefix: str
    digest: str
    settings: Transform

    def of(self, engine: str) -> str | None:
        """The member of a line with what an engine is asked; None if it does not score."""
        return _FORMS[engine] if engine in self.settings.engines else None


def write_pairs(
    stack: cdk.Stack,
    *,
    provider: Provider,
    config: Config,
    settings: Transform,
    store: Store,
    model: str,
    learned: Mapping[str, str],
) -> Pairs:
    """Add the pairs to the stack of the lists.

    Args:
        stack: the stack to add them to.
        provider: the functions that write them, which may read what the lists learn from.
        config: the deployment's settings.
        settings: what is scored.
        store: the bucket.
        model: the key of the trained lists.
        learned: what else the lists depend on.
    """
    data = config.data
    forms = sorted({_FORMS[engine] for engine in settings.engines})
    sizes = [data.vocabulary[f"enc{side}_vocab_size"] for side in (0, 1)]
    properties = {
        "Interactions": data.keys.interactions,
        "Catalogue": data.keys.catalogue,
        **({"Ids": data.keys.ids} if data.own_ids else {}),
        "Best": str(settings.best),
        "Forms": ",".join(forms),
        "Sizes": ",".join(map(str, sizes)),
    }
    inputs = [properties, dict(learned), provider.code_digest]
    if data.own_ids:
        inputs.append(digests.of_files({".": data.folder / data.keys.ids}))
    digest = hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()
    prefix = f"{PAIRS}{digest[:16]}/"
    provider.allow(
        *store.reads(f"{PAIRS}*", *([data.keys.ids] if data.own_ids else [])),
        *store.writes(f"{PAIRS}*"),
    )
    written = cdk.CustomResource(
        stack,
        "Pairs",
        service_token=provider.service_token,
        resource_type="Custom::PairsToScore",
        properties={
            "Bucket": store.bucket_name,
            "Model": model,
            "Output": prefix,
            **properties,
        },
    )
    cdk.CfnOutput(stack, "UsersToScore", value=written.get_att_string("Users"))
    return Pairs(prefix=f"{prefix}parts/", digest=digest, settings=settings)


def transform(
    stack: cdk.Stack,
    title: str,
    *,
    trainer: Trainer,
    config: Config,
    store: Store,
    name: str,
    pairs: Pairs,
    member: str,
    output: str,
    image: str,
    model_data_url: str,
    environment: Mapping[str, str] | None,
    permissions: list[Permission],
) -> None:
    """Add a job that scores pairs with a model, and an output with the prefix of its files.

    It has a model and a role of its own: that of the endpoint may not write.

    Args:
        stack: the stack of the model.
        title: the first part of the constructs' ids.
        trainer: the functions that start the job and wait for it.
        config: the deployment's settings.
        store: the bucket.
        name: the first part of the job's name.
        pairs: what is scored.
        member: of a line, with what the model is asked.
        output: the key prefix of the model.
        image: the image for serving.
        model_data_url: the model's archive.
        environment: the container's environment variables.
        permissions: to run images and to write a job's logs.
    """
    scores = f"{output}scores/"
    role = ServiceRole(
        stack,
        f"{title}TransformRole",
        service="sagemaker",
        source_arn=all_of(stack, "sagemaker"),
        permissions=[
            *store.lists(f"{pairs.prefix}*"),
            *store.reads(f"{pairs.prefix}*", f"{output}*"),
            *store.writes(f"{scores}*"),
            *permissions,
        ],
    )
    model = sagemaker.CfnModel(
        stack,
        f"{title}TransformModel",
        execution_role_arn=role.role_arn,
        enable_network_isolation=True,
        primary_container=sagemaker.CfnModel.ContainerDefinitionProperty(
            image=image, model_data_url=model_data_url, environment=environment
        ),
    )
    # another model and other pairs have another folder, so that each job's is deleted with it
    place = f"s3://{store.bucket_name}/{scores}{model.attr_model_name}/{pairs.digest[:16]}"
    TrainedResource(
        stack,
        f"{title}Transform",
        trainer=trainer,
        kind="TransformJob",
        name_prefix=name,
        inputs=pairs.digest,
        waits=config.training.waits,
        request={
            "ModelName": model.attr_model_name,
            "TransformInput": {
                "DataSource": {
                    "S3DataSource": {
                        "S3DataType": "S3Prefix",
                        "S3Uri": f"s3://{store.bucket_name}/{pairs.prefix}",
                    }
                },
                "ContentType": _TYPE,
                "SplitType": "Line",
            },
            "BatchStrategy": "MultiRecord",
            "DataProcessing": {
                "InputFilter": f"$.{member}",
                "JoinSource": "Input",
                "OutputFilter": "$['user','item','place','count','SageMakerOutput']",
            },
            "TransformOutput": {
                "S3OutputPath": place,
                "Accept": _TYPE,
                "AssembleWith": "Line",
                **({"KmsKeyId": store.key_arn} if store.key_arn else {}),
            },
            "TransformResources": {
                "InstanceType": pairs.settings.instance_type,
                "InstanceCount": 1,
            },
        },
    )
    cdk.CfnOutput(stack, "ScoresForAllUsers", value=f"{place}/")
