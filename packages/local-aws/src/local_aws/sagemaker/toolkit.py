"""Emulates AWS's PyTorch containers: runs a user's script as a process on this machine.

`python -m local_aws.sagemaker.toolkit train training` and `… serve inference` keep the documented
contract of SageMaker's Training and Inference Toolkits (https://github.com/aws/
sagemaker-training-toolkit, …/sagemaker-inference-toolkit); the latter's own package does the
serving. PyTorch is not available and nothing is installed: a script's requirements must be present.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from local_aws.paths import inside, untar

_CODE = "/opt/ml/model/code"
_LONGEST = 8192  # characters of a line read at a time
_TOLD = 20  # last lines of a script's output


class _ScriptError(Exception):
    """The script could not be run, or failed; the message has the toolkit's format."""

    def __init__(self, kind: str, text: str, status: int = 1) -> None:
        super().__init__(f"{kind}:\n{text}")
        self.status = status


def main() -> int:
    """Train or serve. Return the exit status."""
    command, image = sys.argv[1:]
    root = Path(os.environ.pop("CONTAINER_ROOT"))
    if (command, image) not in (("train", "training"), ("serve", "inference")):
        print(f'exec: "{command}": executable file not found in $PATH', file=sys.stderr)
        return 127
    try:
        if command == "train":
            _train(root)
        else:
            _serve(root)
    except _ScriptError as error:
        print(error, file=sys.stderr, flush=True)
        if command == "train":
            (root / "output" / "failure").write_text(str(error), "utf-8")
        return error.status
    return 0


# Training -----------------------------------------------------------------------------------------


def _train(root: Path) -> None:
    config = root / "input" / "config"
    told = json.loads((config / "hyperparameters.json").read_text("utf-8"))
    values = {name: _decoded(value) for name, value in told.items()}
    own = {name: one for name, one in sorted(values.items()) if not name.startswith("sagemaker_")}
    program, source = values.get("sagemaker_program"), values.get("sagemaker_submit_directory")
    if not isinstance(program, str) or not isinstance(source, str):
        raise _ScriptError(
            "ClientError", "hyperparameters sagemaker_program and sagemaker_submit_directory needed"
        )
    code = root / "code"
    _fetch(source, root / "sourcedir.tar.gz", code)
    _check_requirements(code)
    if not (code / program).is_file():
        raise _ScriptError("ImportModuleError", f"the archive {source} holds no {program}")
    arguments = [
        part
        for name, value in own.items()
        for part in (f"-{name}" if len(name) == 1 else f"--{name}", _text(value))
    ]
    _run([sys.executable, program, *arguments], code, _variables(root, own, arguments, program))


def _decoded(value: str) -> Any:
    """Parse a hyperparameter's value: JSON, or otherwise the string itself."""
    try:
        return json.loads(value)
    except ValueError:
        return value


def _text(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _fetch(source: str, archive: Path, code: Path) -> None:
    """Unpack the source archive, from S3 or a path within the container, into `code`."""
    found = re.fullmatch(r"s3://([^/]+)/(.+)", source)
    try:
        if found:
            import boto3  # a second, which serving does without

            boto3.client("s3").download_file(found[1], found[2], str(archive))
        else:
            archive = inside(archive.parent, str(Path(source).relative_to("/opt/ml")))
        untar(archive, code)
    except Exception as error:  # errors of S3, the archive or the path are the user's
        raise _ScriptError("ClientError", f"{source} cannot be unpacked: {error}") from None


def _variables(
    root: Path, own: Mapping[str, Any], arguments: list[str], program: str
) -> dict[str, str]:
    """The script's environment, as documented by the Training Toolkit."""
    config = root / "input" / "config"
    channels = json.loads((config / "inputdataconfig.json").read_text("utf-8"))
    resources = json.loads((config / "resourceconfig.json").read_text("utf-8"))
    return {
        **os.environ,
        "SM_MODEL_DIR": str(root / "model"),
        "SM_INPUT_DIR": str(root / "input"),
        "SM_INPUT_CONFIG_DIR": str(config),
        "SM_OUTPUT_DIR": str(root / "output"),
        "SM_OUTPUT_DATA_DIR": str(root / "output" / "data"),
        "SM_CHANNELS": json.dumps(sorted(channels)),
        **{f"SM_CHANNEL_{name.upper()}": str(root / "input/data" / name) for name in channels},
        "SM_INPUT_DATA_CONFIG": json.dumps(channels),
        "SM_RESOURCE_CONFIG": json.dumps(resources),
        "SM_CURRENT_HOST": resources["current_host"],
        "SM_HOSTS": json.dumps(resources["hosts"]),
        "SM_NETWORK_INTERFACE_NAME": resources["network_interface_name"],
        "SM_NUM_CPUS": os.environ.get("OMP_NUM_THREADS", "1"),
        "SM_NUM_GPUS": "0",
        "SM_HPS": json.dumps(own),
        **{f"SM_HP_{name.upper()}": _text(value) for name, value in own.items()},
        "SM_USER_ARGS": json.dumps(arguments),
        "SM_USER_ENTRY_POINT": program,
        "SM_MODULE_NAME": program.removesuffix(".py"),
    }


def _run(command: list[str], folder: Path, variables: Mapping[str, str]) -> None:
    """Run the script; SIGTERM is passed on to it."""
    child = subprocess.Popen(
        command,
        cwd=folder,
        env=dict(variables),
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )
    signal.signal(signal.SIGTERM, lambda *_: child.terminate())
    tail: deque[str] = deque(maxlen=_TOLD)
    assert child.stderr is not None
    while line := child.stderr.readline(_LONGEST):
        sys.stderr.write(line)
        tail.append(line)
    status = child.wait()
    if status:
        words = "".join(tail).strip()
        told = " ".join(["python", *command[1:]])
        raise _ScriptError(
            "ExecuteUserScriptError",
            f'ExitCode {status}\nErrorMessage "{words}"\nCommand "{told}"',
            status if status > 0 else 128 - status,
        )


def _check_requirements(code: Path) -> None:
    """Check that the requirements are installed; other versions are logged."""
    from packaging.requirements import Requirement

    path = code / "requirements.txt"
    lines = path.read_text("utf-8").replace("\\\n", " ").splitlines() if path.is_file() else []
    for line in lines:
        text = re.split(r"\s(?:#|--hash)", f" {line}")[0].strip()
        if not text:
            continue
        wanted = Requirement(text)
        if wanted.marker and not wanted.marker.evaluate():
            continue
        try:
            found = version(wanted.name)
        except PackageNotFoundError:
            raise _ScriptError(
                "InstallRequirementsError",
                f"{text} is required, and is not among this machine's Python packages. The local "
                "AWS installs nothing",
            ) from None
        if found not in wanted.specifier:
            print(f"{wanted.name} {found} runs here in place of {wanted.specifier}", flush=True)


# Serving ------------------------------------------------------------------------------------------


class _Context:
    """TorchServe's request context for a handler."""

    def __init__(self, model: Path, headers: Mapping[str, str]) -> None:
        self.system_properties = {"model_dir": str(model)}
        self.request_processor = [self]
        self.status = 200
        self.content_type = "text/plain"
        self._headers = headers

    def get_request_properties(self) -> Mapping[str, str]:
        """The request's headers."""
        return self._headers

    def set_response_status(self, code: int, phrase: str) -> None:
        """Set the response's status, with HTTP's phrase."""
        self.status = code

    def set_response_content_type(self, _: int, value: str) -> None:
        """Set the response's content type."""
        self.content_type = value


def _serve(root: Path) -> None:
    model = root / "model"
    directory = os.environ.get("SAGEMAKER_SUBMIT_DIRECTORY", _CODE)
    if directory != _CODE:
        raise _ScriptError("ClientError", f"SAGEMAKER_SUBMIT_DIRECTORY is {directory}, not {_CODE}")
    _check_requirements(model / "code")
    sys.path[0] = str(model / "code")  # and no longer this project
    os.environ["SAGEMAKER_BASE_DIR"] = str(root)
    from sagemaker_inference.transformer import Transformer

    transformer = Transformer()
    transformer.validate_and_initialize(model_dir=str(model))

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True
        wbufsize = -1

        def do_GET(self) -> None:
            known = self.path == "/ping"
            self._send(
                200 if known else 404, b'{"status": "Healthy"}' if known else b"", "text/json"
            )

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            context = _Context(model, dict(self.headers.items()))
            (answer,) = transformer.transform([{"body": body}], context)
            content = answer.encode() if isinstance(answer, str) else bytes(answer)
            kind = context.content_type if context.status == 200 else "text/plain"
            self._send(context.status, content, kind)

        def _send(self, status: int, content: bytes, kind: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_request(self, code: object = "-", size: object = "-") -> None:
            """Do not log successful requests."""

    address = ("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"]))
    server = ThreadingHTTPServer(address, Handler)

    def stop(*_: object) -> None:
        # shutdown() waits for serve_forever(), which runs in this thread.
        threading.Thread(target=server.shutdown).start()

    signal.signal(signal.SIGTERM, stop)
    script = os.environ.get("SAGEMAKER_PROGRAM", "inference.py")
    print(f"serving {script} on 127.0.0.1:{server.server_address[1]}", flush=True)
    with server:
        server.serve_forever(poll_interval=0.05)


if __name__ == "__main__":
    sys.exit(main())
