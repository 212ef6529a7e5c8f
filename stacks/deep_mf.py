"""The stack of deep matrix factorization: a small network that predicts ratings."""

from typing import Any, Final

import aws_cdk as cdk
from constructs import Construct

from stacks.config import Config
from stacks.constructs.private_bucket import Store
from stacks.constructs.sagemaker import Channel, Data, train_and_serve, trainer
from stacks.constructs.script import Script
from stacks.constructs.transform import Pairs
from stacks.images import PYTORCH_INFERENCE, PYTORCH_TRAINING, Image

_IMPORTS: Final = (
    "recsys/__init__.py",
    "recsys/compilation.py",
    "recsys/errors.py",
    "recsys/hyperparameters.py",
    "recsys/instances.py",
    "recsys/container/__init__.py",
    "recsys/container/algorithms.py",
    "recsys/container/deep_mf.py",
    "recsys/container/train.py",
    "recsys/deep_mf/*.py",
    "recsys/object2vec/__init__.py",
    "recsys/object2vec/hyperparameters.py",
    "recsys/object2vec/records.py",
    "recsys/object2vec/requests.py",
    "recsys/object2vec/scorer.py",
)
_METRICS: Final = {
    f"{channel}:mean_squared_error": (
        rf"#quality_metric: host=\S+, epoch=\S+, {channel} mean_squared_error <loss>=(\S+)"
    )
    for channel in ("train", "validation")
}


class DeepMfStack(cdk.Stack):
    """Training and endpoint of deep matrix factorization."""

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
        description = "Deep matrix factorization: training and endpoint"
        super().__init__(scope, id, description=description, **kwargs)
        hyperparameters, keys = config.engines["deep_mf"], config.data.keys
        genres = None
        if hyperparameters.get("genre_dim", "0") != "0":
            movies = Channel(keys.items, content_type=None)
            genres = Data(channels={"movies": movies}, digest=config.data.digests["items"])
        train_and_serve(
            self,
            "deep-mf",
            trainer=trainer(self, config, store, keys.output["deep_mf"]),
            config=config,
            store=store,
            image=Image(self, "TrainingImage", PYTORCH_TRAINING),
            serving_image=Image(self, "InferenceImage", PYTORCH_INFERENCE),
            script=Script(self, "Script", name="deep_mf", imports=_IMPORTS, metrics=_METRICS),
            hyperparameters=hyperparameters,
            task="rating",
            more=genres,
            output=keys.output["deep_mf"],
            pairs=pairs,
            engine="deep_mf",
        )
