"""Runs `spark-submit` for one job run, with S3 as its file system: `runner.py FOLDER ARGUMENT…`.

It is a process of its own, which ends with the server. Standard output and error are the driver's,
and so is the exit status.
"""

import os
import re
import secrets
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

import boto3
from botocore.config import Config
from waitress import create_server
from waitress.channel import HTTPChannel
from waitress.parser import HTTPRequestParser

from local_aws.emrserverless.gateway import Gateway

_THREADS: Final = 64  # files that are read at the same time
_CONNECTIONS: Final = 1000
_LARGEST: Final = 5 << 40  # bytes of an object
_PATIENCE: Final = 3600  # seconds for the copy of a folder
_JAVA: Final = (
    "-XX:+UseSerialGC",
    # C2 compiles only what runs ten times longer than by default: it takes much of the CPU time of
    # small jobs, and on a million rows the time that it costs and saves are equal
    "-XX:Tier4InvocationThreshold=50000",
    "-XX:Tier4MinInvocationThreshold=6000",
    "-XX:Tier4CompileThreshold=150000",
    "-XX:Tier4BackEdgeThreshold=400000",
)
_NO_ASCII: Final = re.compile(rb"[^\x00-\x7f]")


class _Request(HTTPRequestParser):  # type: ignore[misc]
    def parse_header(self, header_plus: bytes) -> None:
        """Read the headers; Java leaves letters of other alphabets in a URL as they are."""
        super().parse_header(_NO_ASCII.sub(lambda byte: b"%%%02X" % ord(byte[0]), header_plus))


class _Channel(HTTPChannel):  # type: ignore[misc]
    parser_class = _Request


def main(folder: Path, arguments: list[str]) -> int:
    """Run spark-submit; returns the driver's exit status.

    Args:
        folder: of this run's configuration.
        arguments: of spark-submit.
    """
    # the driver ends by it, while this process still answers
    signal.signal(signal.SIGTERM, lambda *_: None)
    header = f"X-Job-{secrets.token_hex(16)}"
    config = Config(
        max_pool_connections=_THREADS, read_timeout=_PATIENCE, s3={"addressing_style": "path"}
    )
    s3 = boto3.client("s3", config=config)
    server = create_server(
        Gateway(s3, header),
        host="127.0.0.1",
        port=0,
        threads=_THREADS,
        max_request_body_size=_LARGEST,
        channel_timeout=_PATIENCE,
        connection_limit=_CONNECTIONS,
        asyncore_use_poll=True,
        ident=None,
    )
    server.channel_class = _Channel
    threading.Thread(target=server.run, daemon=True).start()
    _configure(
        folder,
        {
            "fs.s3.impl": "org.apache.hadoop.hdfs.web.WebHdfsFileSystem",
            # buckets are not names of hosts
            "hadoop.security.token.service.use_ip": "false",
            "dfs.webhdfs.rest-csrf.enabled": "true",
            "dfs.webhdfs.rest-csrf.custom-header": header,
            "dfs.webhdfs.rest-csrf.methods-to-ignore": "TRACE",
            "dfs.webhdfs.socket.connect-timeout": f"{_PATIENCE}s",
            "dfs.webhdfs.socket.read-timeout": f"{_PATIENCE}s",
        },
    )
    proxy = {
        "http.proxyHost": "127.0.0.1",
        "http.proxyPort": str(server.effective_port),
        "http.nonProxyHosts": "",
        "java.io.tmpdir": os.environ["TMPDIR"],
    }
    options = " ".join((*_JAVA, *(f"-D{name}={value}" for name, value in proxy.items())))
    command = [
        str(Path(os.environ["SPARK_HOME"], "bin", "spark-submit")),
        *("--conf", f"spark.driver.defaultJavaOptions={options}"),
        *arguments,
    ]
    status = subprocess.run(command, check=False).returncode
    return status if status >= 0 else 128 - status


def _configure(folder: Path, settings: dict[str, str]) -> None:
    rows = "".join(
        f"<property><name>{escape(name)}</name><value>{escape(value)}</value></property>\n"
        for name, value in settings.items()
    )
    file = folder / "core-site.xml"
    file.touch(0o600)
    file.write_text(f"<configuration>\n{rows}</configuration>\n")


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.argv[2:]))
