"""Writing events to the histories, and telling Amazon Personalize of them."""

from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from common.errors import failure, text_of
from common.histories import Event, Histories

from events.request import Request


class Taker:
    """Takes events.

    Args:
        histories: where they are written.
        known: whether the lists know an item.
        tracker: an event tracker of Amazon Personalize, empty for none.
        personalize: a boto3 client of `personalize-events`, which is made where it is needed.
    """

    def __init__(
        self,
        histories: Histories,
        known: Callable[[str], bool],
        tracker: str = "",
        personalize: Callable[[], Any] = lambda: None,
    ) -> None:
        self._histories, self._known = histories, known
        self._tracker, self._personalize = tracker, personalize

    def take(self, request: Request) -> dict[str, Any]:
        """Write the events, or forget a user.

        Returns:
            `written`, how many events, and `unknown_items`, which the lists do not know yet: these
            events are kept. Or `forgotten`, how many events were deleted.

        Raises:
            FunctionError: AWS refuses; what was written stays, and sending it again does no harm.
        """
        if request.forget is not None:
            return {"user": request.forget, "forgotten": self._histories.forget(request.forget)}
        self._histories.write(request.events)
        if self._tracker:
            self._forward(request.events)
        items = dict.fromkeys(event.item for event in request.events)
        return {
            "written": len(request.events),
            "unknown_items": [item for item in items if not self._known(item)],
        }

    def _forward(self, events: Sequence[Event]) -> None:
        """PutEvents takes up to ten events of one user and session at once."""
        sessions: dict[str, list[Event]] = {}
        for event in events:
            sessions.setdefault(event.user, []).append(event)
        for user, own in sessions.items():
            for first in range(0, len(own), 10):
                try:
                    self._personalize().put_events(
                        trackingId=self._tracker,
                        userId=user,
                        sessionId=user,
                        eventList=[_for_personalize(event) for event in own[first : first + 10]],
                    )
                except (ClientError, BotoCoreError) as error:
                    words = f"Amazon Personalize has not taken the events: {text_of(error)}"
                    raise failure(error, words) from None


def _for_personalize(event: Event) -> dict[str, Any]:
    told: dict[str, Any] = {
        "eventId": event.id,
        "eventType": event.kind or "Rating",
        "itemId": event.item,
        "sentAt": event.timestamp,
    }
    if event.value is not None:
        told["eventValue"] = event.value
    return told
