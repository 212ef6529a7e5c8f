"""Maps Amazon Personalize's recipe names to recipes."""

from recsys.recipes.personal import Personal
from recsys.recipes.popular import Popular, Trending
from recsys.recipes.recipe import Recipe
from recsys.recipes.related import Related
from recsys.recipes.segments import Segments
from recsys.recipes.semantic import Semantic

RECIPES: dict[str, Recipe] = {
    "aws-user-personalization": Personal(),
    "aws-user-personalization-v2": Personal(),
    "aws-personalized-ranking": Personal(),
    "aws-personalized-ranking-v2": Personal(),
    "aws-similar-items": Related(),
    "aws-sims": Related(),
    "aws-semantic-similarity": Semantic(),
    "aws-popularity-count": Popular(),
    "aws-trending-now": Trending(),
    "aws-item-affinity": Segments(),
    "aws-item-attribute-affinity": Segments(),
    "aws-vod-top-picks": Personal(),
    "aws-vod-more-like-x": Related(),
    "aws-vod-because-you-watched-x": Related(),
    "aws-vod-most-popular": Popular(),
    "aws-vod-trending-now": Trending(),
    "aws-ecomm-popular-items-by-views": Popular(),
    "aws-ecomm-popular-items-by-purchases": Popular(),
    "aws-ecomm-frequently-bought-together": Related(),
    "aws-ecomm-customers-who-viewed-x-also-viewed": Related(),
    "aws-ecomm-recommended-for-you": Personal(),
}
