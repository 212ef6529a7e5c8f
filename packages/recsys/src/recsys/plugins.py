"""Registers algorithms' images and the recipes' models with local-aws.

This is plain data in the format of `local_aws.plugins`, so that neither package imports the other.
"""

from typing import Any, Final


def _image(
    algorithm: str, channels: tuple[str, ...], metrics: tuple[tuple[str, str], ...]
) -> dict[str, Any]:
    """Describe a built-in algorithm; its metrics are parsed from `recsys.container`'s log lines."""
    return {
        "command": ("-m", "recsys.container"),
        "algorithm": algorithm,
        "metrics": tuple(
            {
                "Name": f"{channel}:{name}",
                "Regex": (
                    rf"#quality_metric: host=\S+, epoch=\S+, {channel} {name} <{kind}>=(\S+)"
                ),
            }
            for channel in channels
            for name, kind in metrics
        ),
    }


FACTORIZATION_MACHINES: Final = _image(
    "factorization-machines",
    ("train", "test"),
    (
        ("rmse", "loss"),
        ("mse", "loss"),
        ("absolute_loss", "loss"),
        ("binary_classification_accuracy", "score"),
        ("binary_classification_cross_entropy", "loss"),
    ),
)
OBJECT2VEC: Final = _image(
    "object2vec",
    ("train", "validation", "test"),
    (("mean_squared_error", "loss"), ("cross_entropy", "loss"), ("accuracy", "score")),
)
# the keys of `recsys.recipes.registry.RECIPES`, which is slow to import
_RECIPES: Final = (
    "aws-user-personalization",
    "aws-user-personalization-v2",
    "aws-personalized-ranking",
    "aws-personalized-ranking-v2",
    "aws-similar-items",
    "aws-sims",
    "aws-semantic-similarity",
    "aws-popularity-count",
    "aws-trending-now",
    "aws-item-affinity",
    "aws-item-attribute-affinity",
    "aws-vod-top-picks",
    "aws-vod-more-like-x",
    "aws-vod-because-you-watched-x",
    "aws-vod-most-popular",
    "aws-vod-trending-now",
    "aws-ecomm-popular-items-by-views",
    "aws-ecomm-popular-items-by-purchases",
    "aws-ecomm-frequently-bought-together",
    "aws-ecomm-customers-who-viewed-x-also-viewed",
    "aws-ecomm-recommended-for-you",
)
PERSONALIZE: Final = {"command": ("-m", "recsys.recipes"), "recipes": _RECIPES}
