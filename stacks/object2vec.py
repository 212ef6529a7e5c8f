"""The stack of Object2Vec: models for ratings, recommendations and movie embeddings."""

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from stacks.config import Config
from stacks.constructs.private_bucket import Store
from stacks.constructs.sagemaker import Channel, train_and_serve, trainer
from stacks.images import OBJECT2VEC, Image


class Object2VecStack(cdk.Stack):
    """Training and endpoints of the preset's models."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        config: Config,
        store: Store,
        **kwargs: Any,
    ) -> None:
        super().__init__(scope, id, description="Object2Vec: training and endpoints", **kwargs)
        image = Image(self, "Image", OBJECT2VEC)
        keys = config.data.keys
        functions = trainer(self, config, store, keys.output["object2vec"])
        for task, hyperparameters in config.hyperparameters.items():
            train_and_serve(
                self,
                task,
                trainer=functions,
                config=config,
                store=store,
                image=image,
                hyperparameters=hyperparameters,
                channels={
                    channel: Channel(prefix) for channel, prefix in keys.channels(task).items()
                },
                digest=config.data.digests[task],
                output=f"{keys.output['object2vec']}{task}/",
            )
