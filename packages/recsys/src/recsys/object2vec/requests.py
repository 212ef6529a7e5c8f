"""The built-in algorithm's inference formats: a request body in, a response body out.

Source: "Data Formats for Object2Vec Inference" and "Encoder Embeddings for Object2Vec" in the
Amazon SageMaker developer guide.
"""

from __future__ import annotations

import json
import re
from typing import Any

from recsys import instances
from recsys.errors import InputError, Problems, UnsupportedMediaType
from recsys.instances import JSON, JSON_LINES
from recsys.object2vec.records import Sequences, sequence_problem
from recsys.object2vec.scorer import Scorer

_LENGTHS = re.compile(r'"?\s*(\d{1,4})\s*,\s*(\d{1,4})\s*"?', re.ASCII)


def answer(
    scorer: Scorer, body: bytes, content_type: str | None, accept: str | None
) -> tuple[bytes, str]:
    """Score or embed the instances of a request.

    Instances with in0 and in1 give `scores`; those with only one of them give `embeddings`. JSON
    has the form `{"instances": [...]}`, JSON Lines one instance per line. The content type's
    parameter `infer_max_seqlens=F,B` replaces the maximum sequence lengths of in0 and in1 for this
    request. By default the response has the request's format.

    Returns the response's body and content type. Raises InputError for an invalid request, and
    UnsupportedMediaType.
    """
    sent, parameters = _media_type(content_type or JSON)
    if sent not in (JSON, JSON_LINES):
        raise UnsupportedMediaType(
            f"Content-Type {sent} is not supported; send {JSON} or {JSON_LINES}"
        )
    wanted = _wanted(accept, sent)
    limits = _limits(scorer, parameters)
    rows = instances.read(body, sent)
    kind = _check(rows, sent, limits)
    if kind == ("in0", "in1"):
        in0, in1 = (Sequences.of([row[name] for row in rows]) for name in kind)
        results, name = scorer.scores(in0, in1), "scores"
    else:
        side = 0 if kind == ("in0",) else 1
        sequences = Sequences.of([row[kind[0]] for row in rows])
        results, name = scorer.embed(side, sequences), "embeddings"
    predictions = [{name: values} for values in results.tolist()]
    if wanted == JSON:
        return json.dumps({"predictions": predictions}).encode(), JSON
    return "".join(json.dumps(one) + "\n" for one in predictions).encode(), JSON_LINES


def _media_type(text: str) -> tuple[str, dict[str, str]]:
    kind, *parameters = text.split(";")
    pairs = (parameter.partition("=") for parameter in parameters)
    return kind.strip().lower(), {name.strip().lower(): value.strip() for name, _, value in pairs}


def _wanted(accept: str | None, sent: str) -> str:
    kinds = [_media_type(kind)[0] for kind in (accept or "*/*").split(",")]
    for kind in kinds:
        if kind in (JSON, JSON_LINES):
            return kind
        if kind in ("*/*", "application/*", ""):
            return sent
    raise UnsupportedMediaType(f"Accept {accept} is not supported; ask for {JSON} or {JSON_LINES}")


def _limits(scorer: Scorer, parameters: dict[str, str]) -> dict[str, tuple[int, int]]:
    """The vocabulary size and the maximum sequence length of in0 and in1."""
    longest = scorer.settings.max_seq_lens
    if (text := parameters.get("infer_max_seqlens")) is not None:
        match = _LENGTHS.fullmatch(text)
        longest = (int(match[1]), int(match[2])) if match else (0, 0)
        if not all(1 <= length <= 5000 for length in longest):
            raise InputError(
                f"infer_max_seqlens must be two integers from 1 to 5000, as in 10,20, "
                f"not {text[:40]!r}"
            )
    return dict(
        zip(("in0", "in1"), zip(scorer.settings.vocab_sizes, longest, strict=True), strict=True)
    )


def _check(rows: list[Any], sent: str, limits: dict[str, tuple[int, int]]) -> tuple[str, ...]:
    """The keys, in0 and in1, that all instances have. Raises InputError with all problems."""
    problems = Problems(10)
    kind: tuple[str, ...] | None = None
    for number, row in enumerate(rows):
        where = f"instances[{number}]" if sent == JSON else f"instance {number + 1}"
        if not isinstance(row, dict):
            problems.add(f"{where} must be an object with in0, in1 or both")
            continue
        names = tuple(name for name in limits if name in row)
        if not names:
            problems.add(f"{where} has neither in0 nor in1")
            continue
        if names != (kind := kind or names):
            problems.add(
                f"{where} has {' and '.join(names)}, but those before it {' and '.join(kind)}; "
                "one request either scores (in0 and in1) or embeds (always the same one)"
            )
        for name in names:
            if (problem := sequence_problem(row[name], *limits[name])) is not None:
                problems.add(f"{where}.{name} {problem}")
    problems.raise_if_any()
    assert kind is not None
    return kind
