"""Engines that choose the items of an arm's lists, in place of the function's own model."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol

from botocore.exceptions import BotoCoreError, ClientError
from common.errors import BusyError, code_of, failure, text_of
from common.stack_outputs import StackOutputs

# outputs of Personalize's stack whose recipes answer for users, and the parameter for their ARN
_FOR_USERS: Final = {
    "CustomUserPersonalizationV2CampaignArn": "campaignArn",
    "CustomUserPersonalizationCampaignArn": "campaignArn",
    "DomainTopPicksRecommenderArn": "recommenderArn",
}
_MOST: Final = 500  # items that GetRecommendations returns at most


class Engine(Protocol):
    """What can choose items for users."""

    def best(self, user: str) -> Sequence[str]:
        """The data's own ids of the items for a user, best first, as many as it has.

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

    def best(self, user: str) -> Sequence[str]:
        """See `Engine`; Personalize also answers for users whom it does not know."""
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


Engines = Mapping[str, Engine]
"""Engines by the arm's setting `model`."""
