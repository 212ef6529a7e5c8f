"""A model server that is healthy unless its artifact holds a file `broken`."""

import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path


class Healthy(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_: object) -> None: ...


if Path(os.environ["CONTAINER_ROOT"], "model", "broken").exists():
    sys.exit("the model is broken")
server = HTTPServer(("127.0.0.1", int(os.environ["SAGEMAKER_BIND_TO_PORT"])), Healthy)
print(f"serving a fake on 127.0.0.1:{server.server_address[1]}", flush=True)
server.serve_forever()
