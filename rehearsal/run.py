"""The results of a rehearsal."""

from dataclasses import dataclass, field
from typing import Any

from rehearsal.calls import Call
from rehearsal.lists import Listed
from rehearsal.personalize import Personalized
from rehearsal.steps import Steps
from rehearsal.suggestions import Shelf, Survey


@dataclass(kw_only=True)
class Rehearsal(Steps):
    """The results of a rehearsal; `report.json` contains them as JSON.

    `seconds` has each step's duration, `training` each job's metrics, `milliseconds` the medians of
    repeated warm calls, `personalize` the answers of Amazon Personalize, `lists` what the lists
    answered, `shelves` what each engine suggests to three users, `surveys` figures of its lists of
    many, `left_out` why engines were not deployed, `cost` what the deployment would cost on AWS, in
    words, and `leftovers` the resources that remained after the removal.
    """

    data: dict[str, Any]
    preset: str
    stacks: dict[str, dict[str, str]] = field(default_factory=dict)
    training: dict[str, dict[str, Any]] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    milliseconds: dict[str, float] = field(default_factory=dict)
    personalize: Personalized = field(default_factory=Personalized)
    lists: Listed = field(default_factory=Listed)
    shelves: list[Shelf] = field(default_factory=list)
    surveys: list[Survey] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    cost: str = ""

    @property
    def succeeded(self) -> bool:
        """Whether every call succeeded and nothing is left behind."""
        failed = (
            self.personalize.failed or self.lists.error or any(call.error for call in self.calls)
        )
        return not self.leftovers and not failed and not any(one.errors for one in self.shelves)
