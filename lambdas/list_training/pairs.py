"""The pairs that are worth scoring for everybody: of each user, the lists' best new items.

SageMaker's batch transform sends them to other engines. A line is a pair: the data's own ids,
`place`, the item's in the user's list, `count`, how many users took the item, and what an engine is
asked, by the name of each form of requests that engines need.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from botocore.exceptions import BotoCoreError, ClientError
from common import list_model
from common.errors import code_of, failure, text_of
from common.histories import NEWEST
from common.objects import Objects
from common.own_ids import OwnIds
from common.pair_models import Columns, Form, Tokens
from common.text import decoded

from list_training.logic import Numbers, read_events
from recsys.lists.gate import Events
from recsys.lists.model import ListModel

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PART: Final = 1_000  # users of a file
RESERVE: Final = 60_000  # milliseconds that writing a part and ending take


class Pairs:
    """The pairs below a prefix.

    Args:
        s3: a boto3 client.
        bucket: where the data and the model are, and the pairs will be.
        prefix: of the pairs, which ends in /.
    """

    def __init__(self, s3: "S3Client", bucket: str, prefix: str) -> None:
        self._s3, self._bucket, self._prefix = s3, bucket, prefix
        self._objects = Objects(s3, bucket)

    def ensure(self, properties: dict[str, Any], left: Callable[[], int]) -> dict[str, Any] | None:
        """Write the pairs, if they are not there; a later call goes on where this one ends.

        Args:
            properties: what they are made of.
            left: returns the remaining milliseconds.

        Returns:
            How many users there are; None if the time is over before all is written.

        Raises:
            BusyError: AWS could not answer now.
            FunctionError: they cannot be made; the message says why.
        """
        manifest = f"{self._prefix}manifest.json"
        if (found := self._objects.find(manifest)) is not None:
            return dict(decoded(found))
        done = len(self._objects.keys(f"{self._prefix}parts/"))
        model = list_model.read(self._s3, self._bucket, properties["Model"])
        users = _Users(
            model,
            *read_events(self._objects, properties),
            OwnIds(self._s3, self._bucket, properties.get("Ids", "")).labels("users"),
            int(properties["Best"]),
        )
        forms = _forms(properties["Forms"], properties["Sizes"])
        for number in range(done, -(-len(users) // PART)):
            some = range(number * PART, min((number + 1) * PART, len(users)))
            self._objects.put(
                f"{self._prefix}parts/part-{number:05}.jsonl", users.lines(some, forms)
            )
            if left() < RESERVE:
                return None
        told = {"users": len(users)}
        self._objects.put(manifest, json.dumps(told).encode())
        return told

    def forget(self) -> None:
        """Delete the pairs.

        Raises:
            FunctionError: S3 refuses.
        """
        try:
            pages = self._s3.get_paginator("list_objects_v2").paginate(
                Bucket=self._bucket, Prefix=self._prefix
            )
            for key in [one["Key"] for page in pages for one in page.get("Contents", ())]:
                self._s3.delete_object(Bucket=self._bucket, Key=key)
        except (ClientError, BotoCoreError) as error:
            if code_of(error) != "NoSuchBucket":
                words = f"{self._objects.uri(self._prefix)}: {text_of(error)}"
                raise failure(error, words) from None


def _forms(names: str, sizes: str) -> dict[str, Form]:
    """The forms of requests by their names.

    Args:
        names: of those that are needed.
        sizes: the largest number of a user, and of an item, plus 1.
    """
    users, items = map(int, sizes.split(","))
    forms: dict[str, Form] = {"tokens": Tokens(1), "columns": Columns(users, items)}
    return {name: forms[name] for name in names.split(",")}


class _Users:
    """The users of the data, by ascending numbers, and what is worth scoring for each.

    Args:
        model: the lists.
        numbers: the engines' number of each item of the catalogue.
        events: what the users did.
        labels: the users' own ids by their numbers; empty where they are the numbers.
        best: how many items of each user are worth scoring.
    """

    def __init__(
        self,
        model: ListModel,
        numbers: Numbers,
        events: Events,
        labels: Mapping[int, str],
        best: int,
    ) -> None:
        self._model, self._labels, self._best = model, labels, best
        ids = events.catalogue.ids
        # histories are read in the order of the table, whose key is the time and then the item's id
        alphabetic = np.argsort(np.argsort(np.array(ids)))
        order = np.lexsort((alphabetic[events.item], events.timestamp, events.user))
        places = np.array([-1 if (p := model.place(one)) is None else p for one in ids])
        self._taken, self._value = places[events.item[order]], events.value[order]
        self._numbers, first = np.unique(events.user[order], return_index=True)
        self._first = np.append(first, len(order))
        known = dict(zip(places.tolist(), numbers.tolist(), strict=True))
        self._items = [
            (known[place], own, int(count))
            for place, (own, count) in enumerate(
                zip(model.catalogue.ids, model.counts, strict=True)
            )
        ]

    def __len__(self) -> int:
        return len(self._numbers)

    def lines(self, users: Sequence[int], forms: Mapping[str, Form]) -> bytes:
        """The lines of some users, with what is asked in some forms."""
        lines = (json.dumps(pair) for user in users for pair in self._pairs(user, forms))
        return "".join(f"{line}\n" for line in lines).encode()

    def _pairs(self, user: int, forms: Mapping[str, Form]) -> Iterator[dict[str, Any]]:
        """The pairs of a user, best first."""
        rows = slice(self._first[user], self._first[user + 1])
        taken, value = self._taken[rows], self._value[rows].tolist()
        events = [
            (place, None if rating != rating else rating)
            for place, rating in zip(taken.tolist()[-NEWEST:], value[-NEWEST:], strict=True)
            if place >= 0
        ]
        scores = self._model.scores(self._model.history(events))
        best = self._model.best(scores, self._best, without=taken[taken >= 0])
        number = int(self._numbers[user])
        own = self._labels.get(number, str(number))
        for place, chosen in enumerate(best.tolist(), 1):
            item, label, count = self._items[chosen]
            asked = {name: form.instance(number, item) for name, form in forms.items()}
            yield {"user": own, "item": label, "place": place, "count": count, **asked}
