"""Writing events to the histories, and telling Amazon Personalize of them."""

import logging
from collections.abc import Callable, Sequence
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from common.errors import code_of, failure, text_of
from common.histories import Event, Histories

from events.prepared_lists import PreparedLists
from events.request import Request
from events.trackers import Tracker, Trackers

_log = logging.getLogger("events")


class Taker:
    """Takes events.

    Args:
        histories: where they are written.
        known: whether the lists know an item.
        trackers: of Amazon Personalize, which are told too.
        personalize: a boto3 client of `personalize-events`, which is made where it is needed.
        exposures: to experiments, a table with the same keys; None without experiments.
        lists: what a job has written for all users; None without.
    """

    def __init__(
        self,
        histories: Histories,
        known: Callable[[str], bool],
        trackers: Trackers,
        personalize: Callable[[], Any],
        exposures: Histories | None = None,
        lists: PreparedLists | None = None,
    ) -> None:
        self._exposures, self._lists = exposures, lists
        self._histories, self._known = histories, known
        self._trackers, self._personalize = trackers, personalize

    def take(self, request: Request) -> dict[str, Any]:
        """Write the events, or forget a user.

        Returns:
            `written`, how many events, and `unknown_items`, which the lists do not know yet: these
            events are kept. Or `forgotten`, how many events were deleted.

        Raises:
            FunctionError: AWS refuses; what was written stays, and sending it again does no harm.
        """
        if request.forget is not None:
            if self._exposures:
                self._exposures.forget(request.forget)
            if self._lists:
                self._lists.forget(request.forget)
            return {"user": request.forget, "forgotten": self._histories.forget(request.forget)}
        self._histories.write(request.events)
        for tracker in self._trackers.known():
            self._forward(request.events, tracker)
        items = dict.fromkeys(event.item for event in request.events)
        return {
            "written": len(request.events),
            "unknown_items": [item for item in items if not self._known(item)],
        }

    def _forward(self, events: Sequence[Event], tracker: Tracker) -> None:
        """PutEvents takes up to ten events of one user and session at once."""
        sessions: dict[tuple[str, str], list[Event]] = {}
        for event in events:
            key = event.user, event.session or event.user
            sessions.setdefault(key, []).append(event)
        for (user, session), own in sessions.items():
            for first in range(0, len(own), 10):
                try:
                    self._personalize().put_events(
                        trackingId=tracker.id,
                        userId=user,
                        sessionId=session,
                        eventList=[
                            _for_personalize(event, tracker.kind)
                            for event in own[first : first + 10]
                        ],
                    )
                except (ClientError, BotoCoreError) as error:
                    if code_of(error) == "ResourceNotFoundException":
                        _log.warning("no such tracker", extra={"tracker": tracker.id})
                        self._trackers.forget()
                        return
                    words = (
                        "The events are in the histories, but Amazon Personalize has not taken "
                        f"them: {text_of(error)}. Send them again: nothing is written twice"
                    )
                    raise failure(error, words) from None


def _for_personalize(event: Event, kind: str) -> dict[str, Any]:
    told: dict[str, Any] = {
        "eventId": event.id,
        "eventType": event.kind or kind,
        "itemId": event.item,
        "sentAt": event.timestamp,
    }
    if event.value is not None:
        told["eventValue"] = event.value
    if event.recommendation:
        told["recommendationId"] = event.recommendation
    if event.source:
        told["metricAttribution"] = {"eventAttributionSource": event.source}
    return told
