"""Answers requests to a trained recipe: masks, top-k and scores, common to all models."""

import base64
import json
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from recsys.recipes.recipe import Config, Model, Query, UserModel, top
from recsys.recipes.registry import RECIPES


class Server:
    """A loaded model and its codes.

    Args:
        model: the trained recipe.
        config: the training's configuration.
        event_types: the names of event type codes.
    """

    def __init__(self, model: Model, config: Config, event_types: list[str]) -> None:
        self.model = model
        excluded = {name.lower() for name in config.exclude_event_types}
        self._excluded = np.array(
            [code for code, name in enumerate(event_types) if name.lower() in excluded], np.int16
        )

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """Answer one request, with codes as in the training's `strings.json`.

        Operations: `recommend` (the `k` best of `allow`), `rank` (all of `among`), `segment`
        (the `k` users of `allow` who are most likely to take one of `items`).
        """
        if request["op"] == "segment":
            return self._segment(request)
        query = query_of(request)
        scores = np.array(self.model.score(query), dtype=np.float64)
        if request["op"] == "rank":
            among = np.array(request["among"], dtype=np.int64)
            order = np.argsort(-scores[among], kind="stable")
            return _ranked(among[order], _softmax(scores[among])[order])
        taken = query.items[np.isin(query.event_types, self._excluded)]
        scores[taken] = -np.inf
        if request.get("allow") is not None:
            scores[~_bits(request["allow"], len(scores))] = -np.inf
        best = top(scores, int(request["k"]))
        return _ranked(best, _softmax(scores)[best])

    def _segment(self, request: dict[str, Any]) -> dict[str, Any]:
        if not isinstance(self.model, UserModel):
            raise ValueError("this recipe does not support user segments")
        scores = np.array(self.model.score_users(_array(request["items"], "<i4")), np.float64)
        if request.get("allow") is not None:
            scores[~_bits(request["allow"], len(scores))] = -np.inf
        return {"users": top(scores, int(request["k"])).tolist()}


def query_of(request: dict[str, Any]) -> Query:
    """Decode the query of a request."""
    return Query(
        user=request.get("user", -1),
        items=_array(request.get("items"), "<i4"),
        timestamps=_array(request.get("timestamps"), "<i8"),
        event_types=_array(request.get("event_types"), "<i2"),
        event_values=_array(request.get("event_values"), "<f4"),
        item=request.get("item", -1),
        user_attributes=request.get("user_attributes") or {},
        context=request.get("context") or {},
        influence=request.get("influence") or {},
        now=time.time(),
    )


def _ranked(codes: NDArray[np.int64], scores: NDArray[np.float64]) -> dict[str, Any]:
    """The two lists of an answer."""
    return {"items": codes.tolist(), "scores": scores.tolist()}


def _softmax(scores: NDArray[np.float64]) -> NDArray[np.float64]:
    if not np.isfinite(scores).any():
        return np.zeros_like(scores)
    raised = np.exp(scores - scores.max())
    return np.asarray(raised / raised.sum())


def _array(encoded: str | None, kind: str) -> NDArray[Any]:
    return np.frombuffer(base64.b64decode(encoded or ""), dtype=kind)


def _bits(encoded: str, length: int) -> NDArray[np.bool_]:
    packed = np.frombuffer(base64.b64decode(encoded), dtype=np.uint8)
    return np.unpackbits(packed, count=length).astype(bool)


def load_server(folder: Path) -> Server:
    """Load the model that a training wrote to `folder`."""
    config = Config(**json.loads((folder / "config.json").read_text(encoding="utf-8")))
    strings = json.loads((folder / "data" / "strings.json").read_text(encoding="utf-8"))
    model = RECIPES[config.recipe].model.load(folder / "model")
    return Server(model, config, strings["event_types"])


def main(folder: Path) -> None:
    """Answer requests from standard input until it closes."""
    answers = sys.stdout
    sys.stdout = sys.stderr  # keeps stray prints out of the answers
    server = load_server(folder)
    print(json.dumps({"ready": True}), file=answers, flush=True)
    for line in sys.stdin:
        try:
            answer = server.answer(json.loads(line))
        except Exception as error:  # an invalid request must not stop the model
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers, flush=True)
