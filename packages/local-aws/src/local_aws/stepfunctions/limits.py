"""Limits of state machines, which moto's interpreter lacks or checks too late.

Paths and functions come from definitions: without limits, a small one takes all memory, or blocks
the server for ever.

https://docs.aws.amazon.com/step-functions/latest/dg/service-quotas.html
"""

import json
from collections.abc import Callable, Iterator
from typing import Any, Final

from local_aws.api import NotImplementedByLocalAws

DATA: Final = 256 * 1024  # bytes of a state's input or output
_EVENTS: Final = 25_000  # of an execution's history
_HISTORY: Final = 16 * 1024**2  # bytes of it
_THREADS: Final = 1_000  # of all executions, their branches and iterations
_CONCURRENCY: Final = 40  # iterations of a Map state at the same time
_FOREIGN: Final = (
    "jsonpath_ng.ext.arithmetic",
    "jsonpath_ng.ext.iterable",
    "jsonpath_ng.ext.string",
)


def fits(value: Any) -> bool:
    """Whether a value is within the quota, without writing more of it than that."""
    left = DATA
    for part in json.JSONEncoder(default=str).iterencode(value):
        left -= len(part.encode("utf-8", "surrogatepass"))
        if left <= 0:
            return False
    return True


def bounded(find: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    """The evaluation of a function's arguments or a template, of which each is within the quota.

    A value in many places is there once, until it is written as text.
    """

    def evaluate(component: Any, env: Any) -> Any:
        found = find(component, env)
        if not fits(env.stack[-1] if found is None else found):
            raise ValueError(f"a template or a function's arguments are larger than {DATA} bytes")
        return found

    return evaluate


def parser(parse: Callable[..., Any]) -> Callable[..., Any]:
    """A parser of JSONPath without its extensions, as AWS has it.

    Extensions are regular expressions, which may take for ever, and arithmetic, which multiplies
    texts; and each `..` multiplies what the ones before it have found.
    """

    def checked(path: str, *arguments: Any, **named: Any) -> Any:
        found = parse(path, *arguments, **named)
        descents = 0
        for node in _nodes(found):
            descents += type(node).__name__ == "Descendants"
            if type(node).__module__ in _FOREIGN or getattr(node, "op", None) == "=~":
                raise NotImplementedByLocalAws(f"an extension of JSONPath in {path[:200]}")
        if descents > 1:
            raise NotImplementedByLocalAws(f"more than one '..' in the JSONPath {path[:200]}")
        return found

    return checked


def _nodes(node: Any) -> Iterator[Any]:
    """The parts of a parsed path."""
    if isinstance(node, (list, tuple)):
        for part in node:
            yield from _nodes(part)
    elif type(node).__module__.startswith("jsonpath_ng."):
        yield node
        for part in vars(node).values():
            yield from _nodes(part)


def formatted(function: Any, env: Any) -> None:
    """States.Format: `{}` for each argument, and none of what Python's format has besides.

    https://docs.aws.amazon.com/step-functions/latest/dg/intrinsic-functions.html
    """
    function.argument_list.eval(env=env)
    template, *values = env.stack.pop()
    parts = template.split("{}")
    if len(parts) != len(values) + 1:
        raise ValueError(f"States.Format has {len(values)} arguments for {len(parts) - 1} '{{}}'")
    texts = [function._to_str_repr(value) for value in values]
    env.stack.append(parts[0] + "".join(map("".join, zip(texts, parts[1:], strict=True))))


def no_credentials(_: Any, __: Any) -> None:
    """Refuse a state's own role, which moto assumes without asking the state machine's role.

    Raises:
        NotImplementedByLocalAws: always.
    """
    raise NotImplementedByLocalAws(
        "Credentials of a Task state; give the state machine's role the permissions of the task"
    )


def concurrency(component: Any, env: Any) -> None:
    """The number of a Map state's iterations at the same time, each of which has a thread."""
    asked: int = component._eval_max_concurrency(env=env)
    env.stack.append(min(asked or _CONCURRENCY, _CONCURRENCY))


def workers() -> int:
    """How many threads executions have at present.

    moto keeps each of them for ever; those that have ended are forgotten here.
    """
    from moto.stepfunctions.parser.utils import TMP_THREADS

    TMP_THREADS[:] = [thread for thread in TMP_THREADS if thread.is_alive()]
    return len(TMP_THREADS)


def exhausted(more: int = 1) -> str | None:
    """The reason why no more threads are started; None if they are."""
    there = workers()
    if there + more <= _THREADS:
        return None
    return (
        f"{there} executions, branches and iterations run at the same time; {more} more would be "
        f"over {_THREADS}, the most of the local AWS"
    )


def spread(evaluate: Callable[[Any, Any], None]) -> Callable[[Any, Any], None]:
    """The evaluation of a Parallel's branches or a Map's iterations, each of which has a thread."""

    def evaluate_few(component: Any, env: Any) -> None:
        if hasattr(component, "programs"):
            more = len(component.programs)
        else:
            given = env.stack[-1]
            more = given.max_concurrency = min(given.max_concurrency, len(given.input_items))
        if why := exhausted(more):
            raise ValueError(why)
        evaluate(component, env)

    return evaluate_few


def recorded(add_event: Callable[..., int]) -> Callable[..., int]:
    """A history that ends the execution when it is full."""

    def add(manager: Any, context: Any, event_type: Any, *details: Any, **named: Any) -> int:
        size = sum(len(part) for part in _texts([*details, *named.values()]))
        manager.size = getattr(manager, "size", 0) + size
        ends = str(event_type.value).startswith("Execution")
        if not ends and (len(manager._history_event_list) >= _EVENTS or manager.size > _HISTORY):
            raise ValueError(
                f"The execution's history has more than {_EVENTS:,} events, the most of AWS, or "
                f"{_HISTORY:,} bytes, the most of the local AWS"
            )
        return add_event(manager, context, event_type, *details, **named)

    return add


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for part in value.values():
            yield from _texts(part)
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)
