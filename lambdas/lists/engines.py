"""Engines that choose the items of an arm's lists, in place of the function's own model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

import numpy as np
from botocore.exceptions import BotoCoreError, ClientError
from common.errors import BusyError, code_of, failure, text_of
from common.own_ids import OwnIds
from common.pair_models import Columns, Form, Tokens, scored
from common.stack_outputs import StackOutputs

from recsys.ranking import clipped_logit, popularity_adjusted

CANDIDATES: Final = 100
"""How many of the lists' best items an engine may choose from that cannot search a catalogue."""

# outputs of Personalize's stack whose recipes answer for users, and the parameter for their ARN
_FOR_USERS: Final = {
    "CustomUserPersonalizationV2CampaignArn": "campaignArn",
    "CustomUserPersonalizationCampaignArn": "campaignArn",
    "DomainTopPicksRecommenderArn": "recommenderArn",
}
_MOST: Final = 500  # items that GetRecommendations returns at most


class Engine(Protocol):
    """What can choose items for users."""

    def best(self, user: str, candidates: Mapping[str, float]) -> Sequence[str]:
        """The data's own ids of the items for a user, best first, as many as it has.

        Args:
            user: the data's own id.
            candidates: up to `CANDIDATES` items that the lists would show, with the number of users
                of each; for an engine that only puts items in order.

        Returns:
            Nothing if the engine does not know the user.

        Raises:
            FunctionError: it cannot answer; a `BusyError` if it may in a moment.
        """
        ...


class Personalize:
    """A campaign or recommender of Amazon Personalize.

    Args:
        outputs: of the stack that has it, which may be deployed later.
        runtime: makes a boto3 client of `personalize-runtime`, where it is needed.
    """

    def __init__(self, outputs: StackOutputs, runtime: Callable[[], Any]) -> None:
        self._outputs, self._runtime = outputs, runtime

    def best(self, user: str, candidates: Mapping[str, float]) -> Sequence[str]:
        """See `Engine`; Personalize searches its own catalogue, and also answers for
        users whom it does not know.
        """
        known = self._outputs.known()
        name = next((name for name in _FOR_USERS if name in known), None)
        if name is None:
            self._outputs.forget()
            raise BusyError("Amazon Personalize, which an arm asks, is not deployed now")
        try:
            answer = self._runtime().get_recommendations(
                **{_FOR_USERS[name]: known[name]}, userId=user, numResults=_MOST
            )
        except (ClientError, BotoCoreError) as error:
            if code_of(error) == "ResourceNotFoundException":  # replaced meanwhile
                self._outputs.forget()
                raise BusyError(f"Amazon Personalize: {text_of(error)}") from None
            raise failure(error, f"Amazon Personalize: {text_of(error)}") from None
        return [one["itemId"] for one in answer["itemList"]]


class PairModel:
    """An endpoint whose model scores pairs of a user and an item; it puts candidates in order.

    Args:
        endpoint: its name.
        form: of its requests and responses.
        runtime: makes a boto3 client of `sagemaker-runtime`, where it is needed.
        ids: the model's numbers of the data's own ids.
        users: the users whom the model knows have lower numbers.
        adjusts: whether the last score is the probability that the user takes the item rather than
            a popular one, which `recsys.ranking` adjusts; else it is what the user thinks of it.
    """

    def __init__(
        self,
        endpoint: str,
        form: Form,
        runtime: Callable[[], Any],
        ids: OwnIds,
        users: int,
        *,
        adjusts: bool = False,
    ) -> None:
        self._endpoint, self._form, self._runtime = endpoint, form, runtime
        self._ids, self._users, self._adjusts = ids, users, adjusts

    def best(self, user: str, candidates: Mapping[str, float]) -> Sequence[str]:
        """See `Engine`."""
        number = self._ids.number("users", user)
        if number is None or number >= self._users:
            return ()
        found = {item: self._ids.number("items", item) for item in candidates}
        numbers = {item: one for item, one in found.items() if one is not None}
        pairs = [(number, one) for one in numbers.values()]
        answers = scored(self._runtime(), self._endpoint, self._form, pairs)
        scores = np.array([answer[-1] for answer in answers])
        if self._adjusts:
            counts = [candidates[item] for item in numbers]
            scores = popularity_adjusted(clipped_logit(scores), counts)
        items = list(numbers)
        return [items[place] for place in np.argsort(-scores, kind="stable")]


Engines = Mapping[str, Engine]
"""Engines by the arm's setting `model`."""


def of_endpoints(
    endpoints: Mapping[str, str], sizes: tuple[int, int], runtime: Callable[[], Any], ids: OwnIds
) -> dict[str, PairModel]:
    """The engines behind SageMaker's endpoints.

    Args:
        endpoints: the name of each, by the arm's setting `model`.
        sizes: the largest number of a user, and of an item, plus 1.
        runtime: makes a boto3 client of `sagemaker-runtime`.
        ids: the models' numbers of the data's own ids.
    """
    forms: dict[str, Form] = {
        "object2vec": Tokens(2),
        "deep_mf": Tokens(1),
        "factorization_machines": Columns(*sizes),
    }
    return {
        model: PairModel(
            endpoint, forms[model], runtime, ids, sizes[0], adjusts=model == "object2vec"
        )
        for model, endpoint in endpoints.items()
    }
