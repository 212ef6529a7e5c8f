"""The page's answers as JSON, and the OpenAPI document: both made of one table of operations."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from flask import Blueprint, Response, request
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema
from werkzeug.exceptions import UnsupportedMediaType

from web.answers import (
    NUMBER,
    WORDS,
    About,
    Answer,
    Engines,
    History,
    Map,
    Movies,
    Problem,
    Recommendations,
    Taken,
    Users,
)
from web.service import Service


class Query(BaseModel):
    """What may stand behind the question mark of an address."""

    model_config = ConfigDict(extra="forbid")


class Nothing(Query):
    """Nothing at all."""


class UsersQuery(Query):
    """Which users."""

    q: str = Field("", max_length=WORDS, description="part of the id")
    count: int = Field(20, ge=1, le=1_000, description="the most that are answered")


class MoviesQuery(Query):
    """Which movies."""

    q: str = Field("", max_length=WORDS, description="words of the title")
    genre: str | None = Field(None, max_length=WORDS, description="one of them only")
    decade: int | None = Field(None, ge=0, le=NUMBER, description="its first year, such as 1990")
    count: int = Field(20, ge=1, le=1_000, description="the most that are answered")


class RecommendationsQuery(Query):
    """Which recommendations."""

    engine: str | None = Field(
        None, max_length=WORDS, description="an engine's key; all answer without one"
    )
    genre: str | None = Field(None, max_length=WORDS, description="one of them only")
    decade: int | None = Field(None, ge=0, le=NUMBER, description="its first year, such as 1990")
    count: int = Field(10, ge=1, le=100, description="the most movies in a list")


class MovieQuery(Query):
    """For whom, and how many are wanted that are like it."""

    user: int | None = Field(None, ge=0, le=NUMBER, description="whose rating is predicted")
    count: int = Field(10, ge=1, le=100, description="the most movies in a list")


class Watch(BaseModel):
    """What a user watched."""

    model_config = ConfigDict(extra="forbid", strict=True)

    movie: int = Field(ge=0, le=NUMBER, description="its number")


@dataclass(frozen=True)
class Operation:
    """One operation: where it is, what it takes, what it answers."""

    method: str
    path: str
    summary: str
    answer: type[Answer]
    query: type[Query]
    run: Callable[..., Answer]
    body: type[BaseModel] | None = None

    @property
    def name(self) -> str:
        """Its operationId."""
        return self.run.__name__.lstrip("_")

    @property
    def rule(self) -> str:
        """Its path as Flask writes it."""
        return self.path.replace("{", "<int:").replace("}", ">")


def _engines(service: Service, _: Nothing) -> Engines:
    return Engines(engines=tuple(service.engines()))


def _users(service: Service, query: UsersQuery) -> Users:
    found = service.catalogue().find_users(query.q)
    return Users(found=len(found), users=tuple(found[: query.count]))


def _history(service: Service, _: Nothing, user: int) -> History:
    return service.history(user)


def _recommendations(service: Service, query: RecommendationsQuery, user: int) -> Recommendations:
    return service.recommendations(user, **query.model_dump())


def _watch(service: Service, _: Nothing, body: Watch, user: int) -> Taken:
    return service.watch(user, body.movie)


def _movies(service: Service, query: MoviesQuery) -> Movies:
    found = service.find_movies(query.q, query.genre, query.decade)
    return Movies(found=len(found), movies=tuple(found[: query.count]))


def _movie(service: Service, query: MovieQuery, movie: int) -> About:
    return service.about(movie, query.user, query.count)


def _map(service: Service, _: Nothing) -> Map:
    return service.map()


OPERATIONS: Final = (
    Operation("get", "/api/engines", "What is deployed and recommends", Engines, Nothing, _engines),
    Operation("get", "/api/users", "Users, the busiest first", Users, UsersQuery, _users),
    Operation("get", "/api/users/{user}", "What a user has seen", History, Nothing, _history),
    Operation(
        "get",
        "/api/users/{user}/recommendations",
        "What each engine suggests to a user",
        Recommendations,
        RecommendationsQuery,
        _recommendations,
    ),
    Operation(
        "post",
        "/api/users/{user}/watched",
        "A user watched a movie: tell Amazon Personalize",
        Taken,
        Nothing,
        _watch,
        Watch,
    ),
    Operation("get", "/api/movies", "Movies, the best known first", Movies, MoviesQuery, _movies),
    Operation(
        "get", "/api/movies/{movie}", "A movie, and what is like it", About, MovieQuery, _movie
    ),
    Operation("get", "/api/map", "The embedding space, laid flat", Map, Nothing, _map),
)
DOCUMENT: Final = "/api/openapi.json"


def blueprint(service: Service) -> Blueprint:
    """The operations' routes, and the document's."""
    api = Blueprint("api", __name__)
    for operation in OPERATIONS:
        view = _view(service, operation)
        api.add_url_rule(operation.rule, operation.name, view, methods=[operation.method])
    api.add_url_rule(DOCUMENT, "openapi", document)
    return api


def _view(service: Service, operation: Operation) -> Callable[..., Response]:
    def view(**path: int) -> Response:
        query = operation.query.model_validate(request.args.to_dict())
        given: dict[str, Any] = {}
        if operation.body:
            # A form of another site could not say that it is JSON.
            if not request.is_json:
                raise UnsupportedMediaType("The body must be JSON, and the Content-Type say so.")
            given["body"] = operation.body.model_validate_json(request.get_data())
        return answered(operation.run(service, query, **given, **path))

    return view


def answered(answer: Answer, status: int = 200) -> Response:
    """The answer as JSON."""
    return Response(answer.model_dump_json(), status, mimetype="application/json")


def document() -> dict[str, Any]:
    """The OpenAPI document."""
    models = {operation.answer for operation in OPERATIONS} | {Problem}
    bodies = {operation.body for operation in OPERATIONS if operation.body}
    named, schemas = models_json_schema(
        [
            *((model, "serialization") for model in sorted(models, key=lambda one: one.__name__)),
            *((model, "validation") for model in sorted(bodies, key=lambda one: one.__name__)),
        ],
        ref_template="#/components/schemas/{model}",
    )
    references: dict[Any, Any] = {model: schema for (model, _), schema in named.items()}
    paths: dict[str, dict[str, Any]] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method] = _described(operation, references)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Recommendation engine",
            "version": "1",
            "description": "What the page shows, as JSON. Users and movies go by the numbers that "
            "the models know; their ids in your data come with every answer.",
        },
        "paths": paths,
        "components": {"schemas": schemas["$defs"]},
    }


def _described(operation: Operation, references: dict[Any, Any]) -> dict[str, Any]:
    in_path = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    query = operation.query.model_json_schema()
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "integer", "minimum": 0}}
        for name in in_path
    ] + [
        {
            "name": name,
            "in": "query",
            "required": name in query.get("required", []),
            "description": schema.pop("description"),
            "schema": schema,
        }
        for name, schema in query.get("properties", {}).items()
    ]
    described: dict[str, Any] = {
        "operationId": operation.name,
        "summary": operation.summary,
        "parameters": parameters,
        "responses": {
            "200": _content("The answer", references[operation.answer]),
            "default": _content("Why there is none", references[Problem]),
        },
    }
    if operation.body:
        content = _content("", references[operation.body])["content"]
        described["requestBody"] = {"required": True, "content": content}
    return described


def _content(words: str, schema: Any) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": schema}}}
