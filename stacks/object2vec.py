"""Object2Vec, trained and served: models that rate, recommend, and place movies."""

from typing import Any

import aws_cdk as cdk
from constructs import Construct

from stacks.config import Config
from stacks.constructs.private_bucket import Store
from stacks.constructs.sagemaker import Endpoint, TrainingJob
from stacks.constructs.trained_resource import Trainer
from stacks.images import OBJECT2VEC, Image
from stacks.prepared_data import KEYS, TASKS


class Object2VecStack(cdk.Stack):
    """The preset's models, from the data in the store to an endpoint each."""

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
        trainer = Trainer(self, "Trainer", config=config)
        for task, hyperparameters in config.hyperparameters.items():
            title = task.capitalize()
            output = f"{KEYS}/output/{task}/"
            job = TrainingJob(
                self,
                f"{title}Training",
                trainer=trainer,
                config=config,
                store=store,
                name=config.name(task),
                image=image,
                hyperparameters=hyperparameters,
                channels={channel: f"{KEYS}/input/{task}/{channel}/" for channel in TASKS[task][0]},
                digest=config.data.digests[task],
                output=output,
            )
            endpoint = Endpoint(
                self,
                title,
                config=config,
                store=store,
                name=config.name(f"{task}Model"),
                image=image,
                model_data_url=job.attribute("ModelDataUrl"),
                output=output,
            )
            cdk.CfnOutput(self, f"{title}EndpointName", value=endpoint.name)
            cdk.CfnOutput(self, f"{title}TrainingJobName", value=job.attribute("Name"))
            cdk.CfnOutput(self, f"{title}Metrics", value=job.attribute("Metrics"))
