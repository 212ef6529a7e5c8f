"""The pages, rendered on the server; they need no JavaScript."""

import hmac
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from flask import (
    Blueprint,
    Response,
    abort,
    flash,
    g,
    redirect,
    render_template,
    request,
    session,
    url_for,
)
from pydantic import BaseModel, ConfigDict, Field, field_validator
from werkzeug.wrappers import Response as AnyResponse

from web import cartography, drawing
from web.answers import LONGEST_ID, NUMBER, WORDS, Recommendations
from web.engines import NEIGHBOURS
from web.posters import Omdb
from web.service import Service

_PAGE = 24  # users or movies on a page
_SUGGESTED = 24  # titles that are suggested before anything is typed, and without JavaScript
_DAY = 24 * 3600


class Asked(BaseModel):
    """The forms' fields. Empty choices mean none; unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore")

    q: str = Field("", max_length=WORDS)
    user: str | None = Field(None, max_length=LONGEST_ID)
    movie: str | None = Field(None, max_length=LONGEST_ID)
    genre: str | None = Field(None, max_length=WORDS)
    decade: int | None = Field(None, ge=0, le=NUMBER)
    page: int = Field(1, le=NUMBER)

    @field_validator("user", "movie", "genre", "decade", mode="before")
    @classmethod
    def _none(cls, value: object) -> object:
        return None if value == "" else value

    @field_validator("page")
    @classmethod
    def _first(cls, value: int) -> int:
        return max(value, 1)


def blueprint(service: Service, omdb: Omdb) -> Blueprint:
    """All pages."""
    pages = Blueprint("pages", __name__)

    @pages.before_request
    def _understand() -> None:
        g.asked = Asked.model_validate(request.values.to_dict())
        g.user = (request.view_args or {}).get("user", g.asked.user)
        if request.method == "POST":
            sent, wanted = request.form.get("token", ""), session.get("token", "")
            if not wanted or not hmac.compare_digest(sent, wanted):
                abort(400, "This form has expired: go back, reload the page and try again.")

    @pages.url_defaults
    def _keep_user(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint in _FOR_A_USER and g.get("user") is not None:
            values.setdefault("user", g.user)

    @pages.app_context_processor
    def _shared() -> dict[str, Any]:
        return {
            "token": _token,
            "omdb": omdb.enabled,
            "nouns": service.nouns(),
            "counted": counted,
            "short": _short,
        }

    @pages.get("/")
    def home() -> str:
        catalogue = service.catalogue()
        found = catalogue.find_users(g.asked.q)
        return render_template(
            "home.html",
            found=len(found),
            users=_sheet(found),
            pages=_sheets(found),
            engines=service.engines(),
            movies=len(catalogue.movies),
            all_users=len(catalogue.users),
            events=catalogue.scale.events,
        )

    @pages.get("/users/<id:user>")
    def user(user: str) -> str:
        asked = g.asked
        answer = service.recommendations(
            user, genre=asked.genre, decade=asked.decade, page=asked.page
        )
        before = session.pop("before", {})
        return render_template(
            "user.html",
            history=service.history(user),
            answer=answer,
            changes=_changes(answer, before) if before else {},
            choices=service.catalogue().choices,
            takes_events=service.takes_events(),
        )

    @pages.post("/users/<id:user>/watched")
    def watched(user: str) -> AnyResponse:
        asked = g.asked
        if asked.movie is None:
            abort(400, f"Which {service.nouns().item} was it?")
        lists = service.recommendations(
            user, genre=asked.genre, decade=asked.decade, page=asked.page
        ).lists
        taken = service.watch(user, asked.movie)
        # movies that only move up because the watched movie is removed have not changed
        session["before"] = {
            one.engine.key: [
                suggestion.movie.number
                for suggestion in one.movies
                if suggestion.movie != taken.movie
            ]
            for one in lists
        }
        flash(taken.movie.name)
        page = asked.page if asked.page > 1 else None
        chosen = {"genre": asked.genre, "decade": asked.decade, "page": page}
        return redirect(url_for(".user", user=user, **chosen), 303)

    @pages.get("/movies")
    def movies() -> str:
        asked = g.asked
        found = service.find_movies(asked.q, asked.genre, asked.decade)
        return render_template(
            "movies.html",
            found=len(found),
            movies=_sheet(found),
            pages=_sheets(found),
            choices=service.catalogue().choices,
            known=service.catalogue().known[:_SUGGESTED],
        )

    @pages.get("/movies/<id:movie>")
    def movie(movie: str) -> str:
        about = service.about(movie, g.user)
        return render_template(
            "movie.html",
            about=about,
            plot=omdb.plot(about.movie),
            takes_events=service.takes_events(),
        )

    @pages.get("/map")
    def map() -> str:  # noqa: A001
        asked = g.asked
        about = None if asked.movie is None else service.about(asked.movie, None)
        lists = about.similar if about else ()
        near = next((one for one in lists if one.engine.key == NEIGHBOURS), None)
        close = {one.movie.number for one in near.movies} if near else set()
        laid = service.map()
        # highlighted points are drawn on top
        points = sorted(
            laid.points,
            key=lambda one: (one.movie.id == asked.movie, one.movie.number in close),
        )
        coloured = cartography.colours(laid.points)
        words = asked.q.strip()
        hits = {one.number for one in service.find_movies(words, None, None)} if words else set()
        return render_template(
            "map.html",
            map=laid,
            points=points,
            colours=coloured,
            labels=cartography.labels(laid.points, tuple(coloured)),
            hits=hits,
            known=service.catalogue().known[:_SUGGESTED],
            close=close,
            about=about,
            near=near,
            choices=service.catalogue().choices,
        )

    @pages.get("/operations")
    def operations() -> str:
        found = service.operations()
        return render_template("operations.html", found=found, settings=settings(os.environ))

    @pages.get("/freshness")
    def freshness() -> str:
        return render_template("freshness.html", found=service.freshness(), now=datetime.now(UTC))

    @pages.get("/posters/<id:movie>")
    def poster(movie: str) -> Response:
        found = service.movie(movie)
        if picture := omdb.poster(found):
            answer = Response(picture.content, mimetype=picture.kind)
            answer.cache_control.max_age = _DAY
        else:
            answer = Response(drawing.poster(found), mimetype="image/svg+xml")
            # with a key, a real one may be available soon
            answer.cache_control.max_age = 60 if omdb.enabled else _DAY
        return answer

    return pages


_FOR_A_USER = {f"pages.{name}" for name in ("movies", "movie", "map")}


def counted(number: int, one: str, several: str | None = None) -> str:
    """A number with its noun: `1 user`, `1,200 users`."""
    return f"{number:,} {one if number == 1 else several or f'{one}s'}"


def _short(id: str) -> str:  # noqa: A002
    """The last letters and digits of an id, which tell users apart better than the first."""
    return "".join(character for character in id if character.isalnum())[-3:]


def _token() -> str:
    """The token that forms must send back; other sites do not know it."""
    if "token" not in session:
        session["token"] = secrets.token_urlsafe(24)
    return str(session["token"])


def _sheet(found: list[Any]) -> list[Any]:
    start = (g.asked.page - 1) * _PAGE
    return found[start : start + _PAGE]


def _sheets(found: list[Any]) -> int:
    return -(-len(found) // _PAGE)


def _changes(answer: Recommendations, before: dict[str, list[int]]) -> dict[str, dict[int, str]]:
    """The changes after an event, by engine and movie: `new`, `+2` ranks up, `-1` down."""
    changes: dict[str, dict[int, str]] = {}
    for one in answer.lists:
        old = before.get(one.engine.key, [])
        changes[one.engine.key] = {
            movie: f"{moved:+d}" if movie in old else "new"
            for place, movie in enumerate(suggestion.movie.number for suggestion in one.movies)
            if (moved := old.index(movie) - place if movie in old else 1)
        }
    return changes


def settings(environment: Mapping[str, str]) -> dict[str, str]:
    """Which AWS the page looks at, as its environment says; without credentials."""
    wanted = ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_ENDPOINT")
    return {name: environment[name] for name in sorted(environment) if name.startswith(wanted)}
