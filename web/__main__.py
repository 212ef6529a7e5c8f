"""Serve the page for the deployment in your AWS account: `python -m web [--port N]`."""

import argparse
import errno
import logging
import os
import secrets
import sys
from pathlib import Path

from botocore.exceptions import BotoCoreError, ClientError, NoRegionError

from web.app import create_app
from web.clients import Clients
from web.posters import Omdb
from web.server import create_server
from web.service import Service


def main(arguments: list[str] | None = None) -> int:
    """Serve until interrupted. Return 1 if the server cannot start."""
    parser = argparse.ArgumentParser(prog="web", description=__doc__)
    parser.add_argument("--prefix", default="recommender", help="the prefix of the stacks' names")
    parser.add_argument(
        "--host", default="127.0.0.1", help="address or name to listen on and to accept as Host"
    )
    parser.add_argument("--port", type=int, default=8080, help="port to listen on")
    parser.add_argument(
        "--cache",
        type=Path,
        default=Path("build/omdb"),
        help="cache folder for OMDb's responses and posters",
    )
    options = parser.parse_args(arguments)
    if not 0 <= options.port < 1 << 16:
        parser.error("--port is from 0, for a free one, to 65535 (with make: PAGE)")
    logging.basicConfig(level=logging.WARNING, format="%(name)s: %(message)s")
    # it logs a warning for each request that waits for a thread
    logging.getLogger("waitress.queue").setLevel(logging.ERROR)
    try:
        app = create_app(
            Service(Clients(), options.prefix),
            Omdb(
                omdb_key(),
                options.cache,
                os.environ.get("OMDB_URL", "https://www.omdbapi.com/"),
                int(os.environ.get("OMDB_DAILY_LIMIT", "1000")),
            ),
            secrets.token_bytes(32),
            options.host,
        )
        server = create_server(app, options.host, options.port)
    except (BotoCoreError, ClientError, OSError, ValueError) as error:
        print(f"web: {_words(error, options.port)}", file=sys.stderr)
        return 1
    host, port = options.host, server.effective_port
    print(f"The page is at http://{host}:{port}", flush=True)
    try:
        server.run()
    except KeyboardInterrupt:
        pass
    finally:
        server.close()
    return 0


def _words(error: Exception, port: int) -> str:
    """What is wrong, and what to do about it."""
    if isinstance(error, OSError) and error.errno in (errno.EADDRINUSE, errno.EACCES):
        return (
            f"port {port} is taken (or not allowed): stop what listens there, or choose another "
            "with --port (with make: PAGE=…)"
        )
    if isinstance(error, NoRegionError):
        return (
            "no AWS region is set: export AWS_DEFAULT_REGION with your deployment's; for the local "
            "AWS, export what `make local` prints"
        )
    return str(error)


def omdb_key() -> str | None:
    """Read OMDb's key from OMDB_API_KEY, or from the secret in OMDB_SECRET_ID."""
    if key := os.environ.get("OMDB_API_KEY", "").strip():
        return key
    if secret := os.environ.get("OMDB_SECRET_ID", "").strip():
        return Clients.secret(secret).strip() or None
    return None


if __name__ == "__main__":
    sys.exit(main())
