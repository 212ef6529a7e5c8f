"""Answers of the function `Lists`: of a user's history, or of a session, or of an item."""

from collections.abc import Sequence
from functools import cache
from types import MappingProxyType
from typing import Any, Final

import numpy as np
from common.histories import Histories

from lists.engines import CANDIDATES, Engine, Engines
from lists.experiments import Experiments, Settings
from lists.request import Request
from recsys.lists.model import History, ListModel

_DEPLOYED: Final[Settings] = {}
_REASONS: Final = 3
_DIGITS: Final = 4  # of scores and shares


class Answers:
    """Answers requests from one model.

    Args:
        model: the trained lists.
        histories: what users did.
        experiments: decide how a user's list is made; not those of batches, and no rankings.
        engines: that arms may ask.
    """

    def __init__(
        self,
        model: ListModel,
        histories: Histories,
        experiments: Experiments,
        engines: Engines = MappingProxyType({}),
    ) -> None:
        self._engines = engines
        self._model, self._histories, self._experiments = model, histories, experiments
        self._blended = cache(model.blended)

    def answer(self, request: Request, request_id: str = "") -> dict[str, Any]:
        """The list, the lists of a batch, the ranking or the relatives that are asked for.

        Args:
            request: what is asked.
            request_id: Lambda's, the same if it tries again.

        Raises:
            FunctionError: a history cannot be read.
        """
        if request.item is not None:
            place = self._model.place(request.item)
            if place is None:
                return {"item": request.item, "basis": "popular", **self._list([], request)}
            history = [(request.item, None)]
            return {"item": request.item, "basis": "item", **self._list(history, request)}
        if request.session is not None:
            seen = [(item, None) for item in request.session]
            if request.items is not None or not request.session_id:
                return self._of(seen, request)
            return self._tried(seen, request, request_id)
        if not request.batch and request.items is None:
            (user,) = request.users
            events = self._histories.newest(user)
            return {"user": user, **self._tried(events, request, request_id, user)}
        answers = [
            {"user": user, **self._of(self._histories.newest(user), request)}
            for user in request.users
        ]
        return {"lists": answers} if request.batch else answers[0]

    def _tried(
        self,
        events: Sequence[tuple[str, float | None]],
        request: Request,
        request_id: str,
        user: str = "",
    ) -> dict[str, Any]:
        """The answer with the arms of the running experiments."""
        session = request.session_id
        return self._experiments.answer(
            {"user": user, "session": session},
            request_id,
            lambda settings: self._of(events, request, settings, user or session),
        )

    def _of(
        self,
        events: Sequence[tuple[str, float | None]],
        request: Request,
        settings: Settings = _DEPLOYED,
        user: str = "",
    ) -> dict[str, Any]:
        engine = self._engines.get(str(settings.get("model")))
        known = settings.get("model") != "popular" and any(
            self._model.place(item) is not None for item, _ in events
        )
        basis = "history" if known else "popular"
        return {"basis": basis, **self._list(events, request, settings, engine, user)}

    def _list(
        self,
        events: Sequence[tuple[str, float | None]],
        request: Request,
        settings: Settings = _DEPLOYED,
        engine: Engine | None = None,
        user: str = "",
    ) -> dict[str, Any]:
        """The answer's items; those that an engine has chosen for the user come first."""
        model = self._blended(settings.get("half_life"), settings.get("next_item"))
        placed = [(model.place(item), value) for item, value in events]
        history = model.history([(place, value) for place, value in placed if place is not None])
        allowed = model.allowed(request.genres, request.years, request.attributes)
        unknown: list[str] = []
        if request.items is not None:
            wanted = [model.place(item) for item in request.items]
            unknown = [
                item for item, place in zip(request.items, wanted, strict=True) if place is None
            ]
            among = np.zeros(len(model), bool)
            among[[place for place in wanted if place is not None]] = True
            allowed = among if allowed is None else allowed & among
        judged = model.history([]) if settings.get("model") == "popular" else history
        scores = model.scores(judged)
        without = history.items if request.exclude_watched else None
        first: Sequence[str] = ()
        if engine:
            candidates = model.best(scores, CANDIDATES, allowed, without).tolist()
            counts = {model.catalogue.ids[one]: float(model.counts[one]) for one in candidates}
            first = engine.best(user, counts)
            scores = _put_first(scores, [model.place(item) for item in first])
        count = request.count or len(request.items or ())
        best = model.best(scores, count, allowed, without)
        listed = self._told(model, best, scores, judged, request.explain and not first)
        answer: dict[str, Any] = {"items": listed}
        if unknown:
            answer["unknown_items"] = unknown
        return answer

    def _told(
        self, model: ListModel, best: Any, scores: Any, history: History, explain: bool
    ) -> list[dict[str, Any]]:
        catalogue = model.catalogue
        told = [
            {
                **self._item(place),
                "year": int(catalogue.years[place]) or None,
                "genres": catalogue.genres_of(place),
                **({"attributes": known} if (known := catalogue.attributes_of(place)) else {}),
                "score": round(float(scores[place]), _DIGITS),
            }
            for place in best.tolist()
        ]
        if explain and len(history.items):
            for entry, reasons in zip(told, model.reasons(history, best, _REASONS), strict=True):
                entry["because"] = [
                    {**self._item(item), "share": round(share, _DIGITS)} for item, share in reasons
                ]
        return told

    def _item(self, place: int) -> dict[str, Any]:
        catalogue = self._model.catalogue
        return {"item": catalogue.ids[place], "title": catalogue.titles[place] or None}


def _put_first(scores: Any, chosen: Sequence[int | None]) -> Any:
    """Scores by which chosen items come first, in their order; what is None is not of the model."""
    places = list(dict.fromkeys(place for place in chosen if place is not None))
    changed = np.array(scores, np.float64)
    above = max(0.0, float(changed.max(initial=0.0)))
    changed[places] = above + np.arange(len(places), 0, -1)
    return changed
