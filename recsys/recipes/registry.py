"""Which recipe answers to which of Amazon Personalize's recipe names."""

from recsys.recipes.baseline import Affinity, Cosine, Popularity
from recsys.recipes.recipe import Recipe

_POPULARITY = Popularity()
_COSINE = Cosine()
_AFFINITY = Affinity()

RECIPES: dict[str, Recipe] = {
    "aws-popularity-count": _POPULARITY,
    "aws-trending-now": _POPULARITY,
    "aws-user-personalization": _COSINE,
    "aws-user-personalization-v2": _COSINE,
    "aws-personalized-ranking": _COSINE,
    "aws-personalized-ranking-v2": _COSINE,
    "aws-similar-items": _COSINE,
    "aws-sims": _COSINE,
    "aws-item-affinity": _AFFINITY,
    "aws-item-attribute-affinity": _AFFINITY,
    "aws-vod-because-you-watched-x": _COSINE,
    "aws-vod-more-like-x": _COSINE,
    "aws-vod-most-popular": _POPULARITY,
    "aws-vod-trending-now": _POPULARITY,
    "aws-vod-top-picks": _COSINE,
}
