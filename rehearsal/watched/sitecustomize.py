"""Watches the Python programs of `rehearsal.strangers`: every interpreter imports it as it starts.

It shortens `time.sleep`, leads botocore's clients to the local AWS even where a program names an
endpoint of AWS, and writes down each call that fails. It uses the standard library only, for it is
imported by interpreters of any environment.

Environment variables:
    WATCHED_CALLS: the file to which failed calls are added, a JSON object per line.
    WATCHED_CODE: the folder of the code; its frames are those that a call is attributed to.
"""

import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

SCALE, SHORTEST = 60, 0.2
"""What sleeps are divided by, and the seconds that the result has at least."""
_CLIENT = "botocore.client"


def shortened(seconds: float) -> float:
    """The seconds that a program sleeps instead of `seconds`."""
    return seconds if seconds <= SHORTEST else max(SHORTEST, seconds / SCALE)


def _shorten_sleeps() -> None:
    sleep = time.sleep

    def shortened_sleep(seconds: float) -> None:
        sleep(shortened(seconds))

    time.sleep = shortened_sleep  # type: ignore[assignment]


class _OnImport:
    """Changes botocore's clients as soon as their module is imported."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:
        """The module's specification, with a loader that changes it; None for other modules."""
        if name != _CLIENT:
            return None
        from importlib.util import find_spec

        sys.meta_path.remove(self)
        spec = find_spec(name)
        loader: Any = spec and spec.loader
        if loader is not None:
            execute = loader.exec_module

            def execute_and_watch(module: Any) -> None:
                execute(module)
                _watch(module)

            loader.exec_module = execute_and_watch
        return spec


def _watch(module: Any) -> None:
    creator, client = module.ClientCreator, module.BaseClient
    creator.create_client = _led(creator.create_client)
    client._make_api_call = _watched(client._make_api_call)


def _led(create: Callable[..., Any]) -> Callable[..., Any]:
    """Lead clients to the local AWS that name no endpoint, or one of AWS.

    SageMaker's SDKs name STS's. Versions of botocore before 1.31 do not read AWS_ENDPOINT_URL.
    """

    def create_client(*arguments: Any, endpoint_url: str | None = None, **named: Any) -> Any:
        if endpoint_url is None or ".amazonaws.com" in endpoint_url:
            endpoint_url = os.environ.get("AWS_ENDPOINT_URL")
        return create(*arguments, endpoint_url=endpoint_url, **named)

    return create_client


def _watched(call: Callable[..., Any]) -> Callable[..., Any]:
    def make_api_call(self: Any, operation_name: str, api_params: Any) -> Any:
        try:
            return call(self, operation_name, api_params)
        except Exception as error:
            _write(self.meta.service_model.service_name, operation_name, error)
            raise

    return make_api_call


def _write(service: str, operation: str, error: Exception) -> None:
    told = getattr(error, "response", {}).get("Error", {})
    entry = {
        "service": service,
        "operation": operation,
        "code": told.get("Code") or type(error).__name__,
        "message": told.get("Message") or str(error),
        "place": _place(),
    }
    with open(os.environ["WATCHED_CALLS"], "a", encoding="utf-8") as file:
        file.write(json.dumps(entry) + "\n")


def _place() -> str:
    """The cell, file and line that made the current call, as far as they are known."""
    cell = _cell()
    folder = os.path.join(os.environ.get("WATCHED_CODE", ""), "")
    frame = sys._getframe(1)
    while frame is not None:
        file = frame.f_code.co_filename
        if not file.startswith("<") and os.path.abspath(file).startswith(folder):
            name = os.path.relpath(os.path.abspath(file), folder)
            return ", ".join(filter(None, (cell, f"{name} line {frame.f_lineno}")))
        if cell and frame.f_globals.get("__name__") == "__main__":
            return f"{cell} line {frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return cell or " ".join([os.path.basename(sys.argv[0]), *sys.argv[1:]])[:80]


def _cell() -> str:
    """The running cell of a notebook, by the number that Jupyter shows; empty elsewhere."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return f"cell [{len(shell.user_ns['In']) - 1}]" if shell else ""


if os.environ.get("WATCHED_CALLS"):
    _shorten_sleeps()
    sys.meta_path.insert(0, _OnImport())
