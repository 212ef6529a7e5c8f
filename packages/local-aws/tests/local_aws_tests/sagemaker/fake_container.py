"""A program that keeps SageMaker's container contract; hyperparameters and model steer it."""

import json
import os
import signal
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

ROOT = Path(os.environ["CONTAINER_ROOT"])


def train() -> int:
    config = ROOT / "input" / "config"
    parameters = json.loads((config / "hyperparameters.json").read_text())
    print("environment", json.dumps(sorted(os.environ)))
    print("channels", (config / "inputdataconfig.json").read_text())
    print("files", sorted(str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file()))
    model = ROOT / "model" / "model.json"
    model.write_text(json.dumps({"answer": parameters.get("answer", "trained")}))

    def on_stop(*_: object) -> None:
        print("asked to stop")
        if not parameters.get("deaf"):
            sys.exit(0)

    signal.signal(signal.SIGTERM, on_stop)
    losses = json.loads(parameters.get("losses", "[1.5, 0.9078]"))
    if "x" in parameters:  # the best x is 3, and b is better than a
        losses = [(float(parameters["x"]) - 3) ** 2 + (parameters.get("kind") == "a")]
    for epoch, loss in enumerate(losses):
        if loss is None:  # wait to be stopped
            time.sleep(600)
        measure = "validation mean_squared_error <loss>"
        print(f"#quality_metric: host=algo-1, epoch={epoch}, {measure}={loss}")
    time.sleep(float(parameters.get("seconds", "0")))
    if "output" in parameters:
        (ROOT / "output" / "data" / "report.txt").write_text(parameters["output"])
    if "failure" in parameters:
        (ROOT / "output" / "failure").write_text(parameters["failure"])
    if "kill" in parameters:
        os.kill(os.getpid(), signal.SIGKILL)
    return int(parameters.get("status", "0"))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    model: ClassVar[dict[str, object]] = {}

    def do_GET(self) -> None:
        self.answer(200, b"", "text/plain")

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        kind = self.headers["Content-Type"]
        if kind == "application/octet-stream":
            self.answer(200, body[::-1], kind)
            return
        if kind in ("text/csv", "application/jsonlines"):  # how long each line is
            self.answer(200, b"".join(b"%d\n" % len(one) for one in body.splitlines()), kind)
            return
        request = json.loads(body)
        if "die" in request:
            os._exit(3)
        time.sleep(request.get("sleep", 0))
        if "status" in request:
            self.answer(request["status"], request["text"].encode(), "text/plain")
            return
        if "size" in request:
            self.answer(200, b"x" * request["size"], "text/plain")
            return
        reply = {
            "answer": self.model.get("answer"),
            "pid": os.getpid(),
            "accept": self.headers["Accept"],
            "attributes": self.headers.get("X-Amzn-SageMaker-Custom-Attributes"),
        }
        print("answered", flush=True)
        self.answer(200, json.dumps(reply).encode(), "application/json")

    def answer(self, status: int, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("X-Amzn-SageMaker-Custom-Attributes", "from the container")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        pass


def serve() -> int:
    path = ROOT / "model" / "model.json"
    Handler.model = json.loads(path.read_text()) if path.exists() else {}
    if "crash" in Handler.model:
        print(Handler.model["crash"])
        return 1
    port = int(os.environ["SAGEMAKER_BIND_TO_PORT"])
    server = ThreadingHTTPServer(("127.0.0.1", port), Handler)
    print(f"serving a fake on 127.0.0.1:{server.server_address[1]}", flush=True)
    server.serve_forever()
    return 0


sys.exit({"train": train, "serve": serve}[sys.argv[1]]())
