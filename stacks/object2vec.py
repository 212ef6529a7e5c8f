"""The stack of Object2Vec: models for ratings, recommendations and movie embeddings."""

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from stacks import training_time
from stacks.config import Config
from stacks.constructs.private_bucket import Store
from stacks.constructs.sagemaker import train_and_serve, trainer
from stacks.constructs.transform import Pairs
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
        pairs: Pairs | None = None,
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
                task=task,
                refit={"early_stopping_patience": "5", "early_stopping_tolerance": "1e-6"},
                output=f"{keys.output['object2vec']}{task}/",
                pairs=pairs,
                # of its models, the one that ranks, as in experiments
                engine="object2vec" if task == config.places_movies else task,
            )
            self._warn_if_long(task, config)

    def _warn_if_long(self, task: str, config: Config) -> None:
        """Say before the deployment that a training is likely to be stopped by its time limit."""
        limit = config.training.max_minutes
        minutes = training_time.minutes(config.data.train, config.hyperparameters[task])
        if minutes <= limit:
            return
        cdk.Annotations.of(self).add_warning_v2(
            f"recommender:{task}-time-limit",
            f"{task}: Object2Vec may train for about {minutes:,} minutes, estimated from the only "
            f"speed that AWS has published, but is stopped after training.max_minutes={limit}. "
            f"Allow more time (training.max_minutes, training.waits), or fewer and larger steps "
            f"({task}.epochs, {task}.mini_batch_size). `make cost` shows the price of the time "
            "limit.",
        )
