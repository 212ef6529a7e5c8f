"""Amazon Personalize's current and retired recipes."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from local_aws import plugins
from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.personalize.errors import InvalidInput

VIDEO_ON_DEMAND, ECOMMERCE = "VIDEO_ON_DEMAND", "ECOMMERCE"
_SINCE = datetime(2019, 6, 10, tzinfo=UTC)


@dataclass(frozen=True)
class Recipe:
    """One recipe or domain use case.

    Attributes:
        name: the last part of its ARN.
        type: USER_PERSONALIZATION, RELATED_ITEMS, PERSONALIZED_RANKING, POPULAR_ITEMS or
            USER_SEGMENTATION.
        description: one line.
        domain: set for a use case, which belongs to a recommender instead of a solution.
        needs: the parameters that GetRecommendations requires.
        datasets: the datasets that must contain data.
        events: the minimum number of events for a training, by event type.
        learns: event types that it is trained on; empty for all.
        exclude: event types whose items a use case never recommends to the user again.
        scored: whether responses contain scores.
        semantic: whether it is trained on the items' names and texts, and ranks by influences.
        hyperparameters: the supported hyperparameters with their defaults.
    """

    name: str
    type: str
    description: str
    domain: str | None = None
    needs: tuple[str, ...] = ()
    datasets: tuple[str, ...] = ("INTERACTIONS",)
    events: tuple[tuple[str, int], ...] = ()
    learns: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    scored: bool = False
    semantic: bool = False
    hyperparameters: tuple[tuple[str, str], ...] = ()

    @property
    def arn(self) -> str:
        """Recipes belong to no account and no region."""
        return f"arn:aws:personalize:::recipe/{self.name}"

    def describe(self) -> dict[str, Any]:
        """As DescribeRecipe and ListRecipes show it."""
        base = "arn:aws:personalize:::"
        answer: dict[str, Any] = {
            "name": self.name,
            "recipeArn": self.arn,
            "algorithmArn": f"{base}algorithm/{self.name}",
            "featureTransformationArn": f"{base}feature-transformation/{self.name}",
            "status": "ACTIVE",
            "description": self.description,
            "recipeType": self.type,
            "creationDateTime": _SINCE,
            "lastUpdatedDateTime": _SINCE,
        }
        if self.domain:
            answer["domain"] = self.domain
        return answer


_WATCH, _VIEW, _PURCHASE = ((("Watch", 1000),), (("View", 1000),), (("Purchase", 1000),))
_HISTORY = (
    ("min_user_history_length_percentile", ".0"),
    ("max_user_history_length_percentile", ".99"),
)
_RNN = (
    ("hidden_dimension", "149"),
    ("bptt", "32"),
    ("recency_mask", "true"),
    *_HISTORY,
)
_USER = ("userId",)
_ITEM = ("itemId",)

_ALL = [
    Recipe(
        "aws-user-personalization-v2",
        "USER_PERSONALIZATION",
        "Items that a user will like best, from interactions and metadata.",
        needs=_USER,
        scored=True,
        hyperparameters=(("apply_recency_bias", "true"),),
    ),
    Recipe(
        "aws-user-personalization",
        "USER_PERSONALIZATION",
        "Items that a user will like best, with exploration of new ones.",
        needs=_USER,
        scored=True,
        hyperparameters=(
            *_RNN,
            ("exploration_weight", "0.3"),
            ("exploration_item_age_cut_off", "30"),
        ),
    ),
    Recipe(
        "aws-personalized-ranking-v2",
        "PERSONALIZED_RANKING",
        "A list of items in the order in which a user will like them.",
        needs=_USER,
        scored=True,
        hyperparameters=(("apply_recency_bias", "true"),),
    ),
    Recipe(
        "aws-personalized-ranking",
        "PERSONALIZED_RANKING",
        "A list of items in the order in which a user will like them.",
        needs=_USER,
        scored=True,
        hyperparameters=_RNN,
    ),
    Recipe(
        "aws-similar-items",
        "RELATED_ITEMS",
        "Items like a given one, from interactions and metadata.",
        needs=_ITEM,
        hyperparameters=(
            ("popularity_discount_factor", "0.0"),
            ("item_id_hidden_dimension", "100"),
            ("item_metadata_hidden_dimension", "100"),
        ),
    ),
    Recipe(
        "aws-sims",
        "RELATED_ITEMS",
        "Items that occur together with a given one in users' histories.",
        needs=_ITEM,
        hyperparameters=(
            ("popularity_discount_factor", "0.5"),
            ("min_cointeraction_count", "3"),
            ("min_user_history_length_percentile", "0.005"),
            ("max_user_history_length_percentile", "0.995"),
            ("min_item_interaction_count_percentile", "0.01"),
            ("max_item_interaction_count_percentile", "0.9"),
        ),
    ),
    Recipe(
        "aws-semantic-similarity",
        "RELATED_ITEMS",
        "Items whose names and descriptions are like those of a given one.",
        needs=_ITEM,
        datasets=("ITEMS",),
        semantic=True,
    ),
    Recipe(
        "aws-popularity-count",
        "POPULAR_ITEMS",
        "The items with the most interactions: the baseline for all others.",
    ),
    Recipe(
        "aws-trending-now",
        "POPULAR_ITEMS",
        "The items whose popularity grows fastest.",
    ),
    Recipe(
        "aws-item-affinity",
        "USER_SEGMENTATION",
        "The users who are likeliest to take a given item.",
    ),
    Recipe(
        "aws-item-attribute-affinity",
        "USER_SEGMENTATION",
        "The users who are likeliest to take items with given attributes.",
        datasets=("INTERACTIONS", "ITEMS"),
    ),
    Recipe(
        "aws-vod-because-you-watched-x",
        "RELATED_ITEMS",
        "Videos that others watched too, without those the user has watched.",
        VIDEO_ON_DEMAND,
        ("userId", "itemId"),
        events=_WATCH,
        exclude=("Watch",),
    ),
    Recipe(
        "aws-vod-more-like-x",
        "RELATED_ITEMS",
        "Videos like a given one, without those the user has watched.",
        VIDEO_ON_DEMAND,
        ("userId", "itemId"),
        ("INTERACTIONS", "ITEMS"),
        _WATCH,
        exclude=("Watch",),
    ),
    Recipe(
        "aws-vod-most-popular",
        "POPULAR_ITEMS",
        "The videos that most users watched.",
        VIDEO_ON_DEMAND,
        _USER,
        events=_WATCH,
    ),
    Recipe(
        "aws-vod-trending-now",
        "POPULAR_ITEMS",
        "The videos whose popularity grows fastest.",
        VIDEO_ON_DEMAND,
        (),
        events=_WATCH,
    ),
    Recipe(
        "aws-vod-top-picks",
        "USER_PERSONALIZATION",
        "Recommends what a user will like best, without watched videos.",
        VIDEO_ON_DEMAND,
        _USER,
        ("INTERACTIONS", "ITEMS"),
        _WATCH,
        exclude=("Watch",),
        scored=True,
    ),
    Recipe(
        "aws-ecomm-popular-items-by-views",
        "POPULAR_ITEMS",
        "The items that most customers viewed.",
        ECOMMERCE,
        _USER,
        events=_VIEW,
        learns=("View",),
    ),
    Recipe(
        "aws-ecomm-popular-items-by-purchases",
        "POPULAR_ITEMS",
        "The items that most customers purchased.",
        ECOMMERCE,
        _USER,
        events=_PURCHASE,
        learns=("Purchase",),
    ),
    Recipe(
        "aws-ecomm-frequently-bought-together",
        "RELATED_ITEMS",
        "Items that customers buy together with a given one.",
        ECOMMERCE,
        _ITEM,
        events=_PURCHASE,
        learns=("Purchase",),
    ),
    Recipe(
        "aws-ecomm-customers-who-viewed-x-also-viewed",
        "RELATED_ITEMS",
        "Items that customers of a given one viewed too, without those the user has purchased.",
        ECOMMERCE,
        ("userId", "itemId"),
        events=_VIEW,
        learns=("View",),
        exclude=("Purchase",),
    ),
    Recipe(
        "aws-ecomm-recommended-for-you",
        "USER_PERSONALIZATION",
        "What a user will like best, without the items that the user has purchased.",
        ECOMMERCE,
        _USER,
        exclude=("Purchase",),
        scored=True,
    ),
]
RECIPES = {recipe.arn: recipe for recipe in _ALL}

_RETIRED = {
    "aws-hrnn": "aws-user-personalization-v2",
    "aws-hrnn-metadata": "aws-user-personalization-v2, which uses metadata by itself",
    "aws-hrnn-coldstart": "aws-user-personalization-v2, which explores new items",
    "aws-deepfm": "aws-user-personalization-v2",
    "aws-ffnn": "aws-user-personalization-v2",
    "aws-search-personalization": "aws-personalized-ranking-v2",
}
_ABSENT = ("aws-next-best-action",)


def find(arn: str) -> Recipe:
    """The recipe with this ARN.

    Raises:
        InvalidInput: it is retired; the message names the replacement.
        AwsError: it does not exist.
        NotImplementedByLocalAws: it is not implemented.
    """
    recipe = RECIPES.get(arn)
    if recipe is not None:
        return recipe
    name = arn.rpartition("/")[2]
    if name in _RETIRED:
        raise InvalidInput(f"Recipe {name} is no longer available. Use {_RETIRED[name]}.")
    if name in _ABSENT:
        raise NotImplementedByLocalAws(f"recipe {name}")
    known = ", ".join(recipe.name for recipe in _ALL)
    raise AwsError(
        "ResourceNotFoundException",
        f"There is no recipe {arn}. Recipes are arn:aws:personalize:::recipe/ and one of: {known}.",
    )


def require_model(recipe: Recipe) -> None:
    """Refuse a recipe that no installed distribution can train.

    Raises:
        NotImplementedByLocalAws: the message says what to install.
    """
    if recipe.name not in plugins.personalize_models():
        raise NotImplementedByLocalAws(
            f"recipe {recipe.name} without a model: install a distribution that provides one "
            f"(entry point group {plugins.MODELS}), such as recsys"
        )
