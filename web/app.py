"""The Flask application: pages, API, error messages and security headers."""

import os
from http import HTTPStatus
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from flask import Flask, Response, g, render_template, request
from pydantic import ValidationError
from werkzeug.exceptions import HTTPException

from web import api, pages
from web.access import Guard
from web.answers import Problem
from web.deployment import NothingDeployed
from web.engines import EngineFailed
from web.own_ids import OwnId
from web.posters import Omdb
from web.server import BODY
from web.service import NoSuchChoice, Service, Unknown

# Only own files and answers, no inline scripts, no embedding by other sites.
_POLICY = (
    "default-src 'none'; img-src 'self'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)


def create_app(service: Service, omdb: Omdb, secret: bytes, host: str = "127.0.0.1") -> Flask:
    """Create the application.

    Args:
        service: the service that queries the deployment.
        omdb: the source of posters.
        secret: the key that signs cookies.
        host: address or name that it listens on; requests with other hosts are refused.
    """
    app = Flask(__name__)
    app.secret_key = secret
    app.config.update(
        SESSION_COOKIE_SAMESITE="Strict",
        SESSION_COOKIE_NAME="recommendation-engine",
        MAX_CONTENT_LENGTH=BODY,
    )
    app.wsgi_app = Guard(app.wsgi_app, host)  # type: ignore[method-assign]
    app.jinja_env.trim_blocks = app.jinja_env.lstrip_blocks = True
    app.url_map.converters["id"] = OwnId
    app.register_blueprint(pages.blueprint(service, omdb))
    app.register_blueprint(api.blueprint(service))

    @app.after_request
    def _secure(response: Response) -> Response:
        response.headers.setdefault("Content-Security-Policy", _POLICY)
        response.headers.setdefault("X-Content-Type-Options", "nosniff")
        response.headers.setdefault("Referrer-Policy", "same-origin")
        response.headers.setdefault("Cross-Origin-Resource-Policy", "same-origin")
        if response.mimetype in ("text/html", "application/json"):
            response.headers.setdefault("Cache-Control", "private, no-cache")
        return response

    @app.errorhandler(Exception)
    def _failed(error: Exception) -> Any:
        status, message = _explained(error)
        if status == HTTPStatus.INTERNAL_SERVER_ERROR:
            app.logger.exception("%s %s", request.method, request.path)
        problem = Problem(status=status, message=message)
        if request.path.startswith("/api/"):
            return api.answered(problem, status)
        g.user = None  # who may not exist
        settings = pages.settings(os.environ)
        return render_template("problem.html", problem=problem, settings=settings), status

    return app


def _explained(error: Exception) -> tuple[int, str]:
    """The HTTP status and the message for an error."""
    match error:
        case HTTPException():
            return error.code or 500, error.description or ""
        case ValidationError():
            told = (f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors())
            return 400, "; ".join(told)
        case NoSuchChoice():
            return 400, str(error)
        case Unknown():
            return 404, str(error)
        case NothingDeployed():
            return 503, str(error)
        case EngineFailed():
            return 502, str(error)
        case ClientError() | BotoCoreError():
            return 502, f"Unexpected response from AWS: {error}"
    return 500, "Internal error; see the log of this server."
