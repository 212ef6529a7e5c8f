"""Experiments on users' lists: each user's arm answers, and the exposure is recorded once.

The table of exposures has the same keys as that of histories. Its sort key is the experiment's
name, so that a user's first exposure alone is written; where the unit is the session, also the
session's id; for interleaving, also the id of the request, so that each mixed list is written, and
once. The partition key is the user, also of a session, so that users can be forgotten; of a visitor
without one, the session's id.
"""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from common.errors import code_of, failure, text_of

from recsys.experiments.assignment import assign, team_draft
from recsys.experiments.definition import Experiment

Settings = Mapping[str, float | str]
"""How an arm's lists differ from those deployed: see `recsys.experiments.definition.Arm`."""

Answer = dict[str, Any]
_REMEMBERED: Final = 10_000  # exposures that are known to be recorded


class Experiments:
    """The running experiments.

    Args:
        running: their definitions.
        dynamodb: a boto3 client.
        table: the name of the table of exposures; empty if there are no experiments.
        expire_days: after which an exposure may be forgotten; 0 for never.
    """

    def __init__(
        self, running: Sequence[Experiment], dynamodb: Any, table: str, expire_days: int = 0
    ) -> None:
        self._running, self._dynamodb, self._table = running, dynamodb, table
        self._seconds = expire_days * 86_400
        self._recorded: set[tuple[str, str]] = set()

    def answer(
        self, units: Mapping[str, str], request: str, listed: Callable[[Settings], Answer]
    ) -> Answer:
        """The list of the arms of a user and a session, which are recorded before it is answered.

        Args:
            units: the ids of the `user` and of the `session` who ask; empty where there is none.
            request: the id of the request, the same if Lambda tries it again.
            listed: the answer with an arm's settings.

        Returns:
            The answer. Its `experiments` has the arm by experiment; with interleaving, its items
            have an `arm`.

        Raises:
            FunctionError: an exposure cannot be recorded; a `BusyError` if it may be in a moment.
        """
        began = time.time()
        running = [one for one in self._running if units[one.unit]]
        arms = {
            one.name: assign(one.name, one.shares, units[one.unit])
            for one in running
            if one.kind == "ab"
        }
        settings: dict[str, float | str] = {}
        for one in running:
            if one.kind == "ab":
                settings |= next(arm.settings for arm in one.arms if arm.name == arms[one.name])
        mixed = next((one for one in running if one.kind == "interleaving"), None)
        if mixed:
            unit = units[mixed.unit]
            answer = _mixed(mixed, unit, request, lambda more: listed({**settings, **more}))
        else:
            answer = listed(settings)
        told = {
            "at": {"N": f"{began:.3f}"},
            "milliseconds": {"N": f"{1000 * (time.time() - began):.1f}"},
            "items": _text([one["item"] for one in answer["items"]]),
        }
        owner = units["user"] or units["session"]  # who forgets it
        for one in running:
            of_session = {"session": {"S": units["session"]}} if one.unit == "session" else {}
            if one.kind == "ab":
                key = f"{one.name}#{units['session']}" if of_session else one.name
                more = {"arm": {"S": arms[one.name]}}
            else:
                key = f"{one.name}#{request}"
                more = {"teams": _text([item["arm"] for item in answer["items"]])}
            shares = {"shares": {"S": one.told_shares}}
            self._record(owner, key, {**told, **more, **of_session, **shares}, began)
        return {**answer, "experiments": arms} if arms else answer

    def _record(self, user: str, key: str, told: Mapping[str, Any], now: float) -> None:
        if (user, key) in self._recorded:
            return
        row = {"user": {"S": user}, "event": {"S": key}, **told}
        if self._seconds:
            row["expires"] = {"N": str(int(now) + self._seconds)}
        try:
            self._dynamodb.put_item(
                TableName=self._table,
                Item=row,
                ConditionExpression="attribute_not_exists(#u)",
                ExpressionAttributeNames={"#u": "user"},
            )
        except (ClientError, BotoCoreError) as error:
            if code_of(error) != "ConditionalCheckFailedException":  # it was recorded before
                words = f"The exposure cannot be recorded: {text_of(error)}"
                raise failure(error, words) from None
        if len(self._recorded) >= _REMEMBERED:
            self._recorded.clear()
        self._recorded.add((user, key))


def _mixed(
    experiment: Experiment, unit: str, request: str, listed: Callable[[Settings], Answer]
) -> Answer:
    """Both arms' lists, mixed; items keep what their own arm says of them."""
    answers = {arm.name: listed(arm.settings) for arm in experiment.arms}
    entries = {
        arm: {entry["item"]: entry for entry in answer["items"]} for arm, answer in answers.items()
    }
    mix = team_draft(
        {arm: list(own) for arm, own in entries.items()},
        max(map(len, entries.values())),
        f"{experiment.name}\0{unit}\0{request}",
    )
    items = [{**entries[arm][item], "arm": arm} for item, arm in mix]
    return {**answers[experiment.control.name], "items": items}


def _text(values: Sequence[str]) -> dict[str, str]:
    return {"S": json.dumps(values, ensure_ascii=False)}
