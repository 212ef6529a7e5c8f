"""The stack of SageMaker's factorization machines, which predict ratings from ids."""

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from stacks.config import Config
from stacks.constructs.private_bucket import Store
from stacks.constructs.sagemaker import train_and_serve, trainer
from stacks.constructs.transform import Pairs
from stacks.images import FACTORIZATION_MACHINES, Image


class FactorizationMachinesStack(cdk.Stack):
    """Training and endpoint of factorization machines."""

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        config: Config,
        store: Store,
        pairs: Pairs | None = None,
        **kwargs: Any,
    ) -> None:
        description = "Factorization machines: training and endpoint"
        super().__init__(scope, id, description=description, **kwargs)
        keys = config.data.keys
        # a request names a user's column, and after those of all users an item's
        for what, side in (("Users", "enc0"), ("Items", "enc1")):
            size = str(config.data.vocabulary[f"{side}_vocab_size"])
            cdk.CfnOutput(self, f"FactorizationMachines{what}", value=size)
        train_and_serve(
            self,
            "factorization-machines",
            trainer=trainer(self, config, store, keys.output["factorization_machines"]),
            config=config,
            store=store,
            image=Image(self, "Image", FACTORIZATION_MACHINES),
            hyperparameters=config.engines["factorization_machines"],
            task="factorization_machines",
            content_type="application/x-recordio-protobuf",
            output=keys.output["factorization_machines"],
            pairs=pairs,
            engine="factorization_machines",
        )
