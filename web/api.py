"""The JSON API and its OpenAPI document, both derived from one table of operations."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, Final

from flask import Blueprint, Response, request
from pydantic import BaseModel, ConfigDict, Field
from pydantic.json_schema import models_json_schema
from werkzeug.exceptions import UnsupportedMediaType

from web.answers import (
    LONGEST_ID,
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
    """Base class of query strings."""

    model_config = ConfigDict(extra="forbid")


class Nothing(Query):
    """An empty query string."""


class UsersQuery(Query):
    """Which users."""

    q: str = Field("", max_length=WORDS, description="part of the id")
    count: int = Field(20, ge=1, le=1_000, description="the maximum number of results")


class MoviesQuery(Query):
    """Which movies."""

    q: str = Field("", max_length=WORDS, description="words of the title or of attributes")
    genre: str | None = Field(None, max_length=WORDS, description="only this genre")
    decade: int | None = Field(None, ge=0, le=NUMBER, description="its first year, such as 1990")
    count: int = Field(20, ge=1, le=1_000, description="the maximum number of results")


class RecommendationsQuery(Query):
    """Which recommendations."""

    engine: str | None = Field(
        None, max_length=WORDS, description="an engine's key; by default, all engines"
    )
    genre: str | None = Field(None, max_length=WORDS, description="only this genre")
    decade: int | None = Field(None, ge=0, le=NUMBER, description="its first year, such as 1990")
    count: int = Field(10, ge=1, le=100, description="the maximum number of movies per list")
    page: int = Field(1, ge=1, le=1_000, description="which of the pages of so many movies")


class MovieQuery(Query):
    """The user, and the number of similar movies."""

    user: str | None = Field(
        None, max_length=LONGEST_ID, description="the id of the user whose rating is predicted"
    )
    count: int = Field(10, ge=1, le=100, description="the maximum number of movies per list")


class Watch(BaseModel):
    """The body of a watched event."""

    model_config = ConfigDict(extra="forbid", strict=True)

    movie: (
        Annotated[str, Field(min_length=1, max_length=LONGEST_ID)]
        | Annotated[int, Field(ge=0, lt=2**63)]
    ) = Field(description="its id; a number where it is written as one")


@dataclass(frozen=True)
class Operation:
    """One operation: path, parameters and response."""

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
        """The path in Flask's syntax."""
        return self.path.replace("{", "<id:").replace("}", ">")


def _engines(service: Service, _: Nothing) -> Engines:
    return Engines(engines=tuple(service.engines()))


def _users(service: Service, query: UsersQuery) -> Users:
    found = service.catalogue().find_users(query.q)
    return Users(found=len(found), users=tuple(found[: query.count]))


def _history(service: Service, _: Nothing, user: str) -> History:
    return service.history(user)


def _recommendations(service: Service, query: RecommendationsQuery, user: str) -> Recommendations:
    return service.recommendations(user, **query.model_dump())


def _watch(service: Service, _: Nothing, body: Watch, user: str) -> Taken:
    return service.watch(user, str(body.movie))


def _movies(service: Service, query: MoviesQuery) -> Movies:
    found = service.find_movies(query.q, query.genre, query.decade)
    return Movies(found=len(found), movies=tuple(found[: query.count]))


def _movie(service: Service, query: MovieQuery, movie: str) -> About:
    return service.about(movie, query.user, query.count)


def _map(service: Service, _: Nothing) -> Map:
    return service.map()


OPERATIONS: Final = (
    Operation("get", "/api/engines", "The deployed engines", Engines, Nothing, _engines),
    Operation("get", "/api/users", "Users, most active first", Users, UsersQuery, _users),
    Operation("get", "/api/users/{user}", "A user's history", History, Nothing, _history),
    Operation(
        "get",
        "/api/users/{user}/recommendations",
        "Each engine's suggestions for a user",
        Recommendations,
        RecommendationsQuery,
        _recommendations,
    ),
    Operation(
        "post",
        "/api/users/{user}/watched",
        "Send Amazon Personalize an event: a user watched a movie",
        Taken,
        Nothing,
        _watch,
        Watch,
    ),
    Operation("get", "/api/movies", "Movies, most rated first", Movies, MoviesQuery, _movies),
    Operation(
        "get", "/api/movies/{movie}", "A movie and its similar movies", About, MovieQuery, _movie
    ),
    Operation("get", "/api/map", "A 2-D projection of the embeddings", Map, Nothing, _map),
)
DOCUMENT: Final = "/api/openapi.json"


def blueprint(service: Service) -> Blueprint:
    """Create the routes of the operations and of the document."""
    api = Blueprint("api", __name__)
    for operation in OPERATIONS:
        view = _view(service, operation)
        api.add_url_rule(operation.rule, operation.name, view, methods=[operation.method])
    api.add_url_rule(DOCUMENT, "openapi", document)
    return api


def _view(service: Service, operation: Operation) -> Callable[..., Response]:
    def view(**path: str) -> Response:
        query = operation.query.model_validate(request.args.to_dict())
        given: dict[str, Any] = {}
        if operation.body:
            # A form of another site cannot send this content type.
            if not request.is_json:
                raise UnsupportedMediaType(
                    "The body must be JSON, with the Content-Type application/json."
                )
            given["body"] = operation.body.model_validate_json(request.get_data())
        return answered(operation.run(service, query, **given, **path))

    return view


def answered(answer: Answer, status: int = 200) -> Response:
    """An answer as a JSON response."""
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
            "description": "The page's data as JSON. Users and movies are identified by their ids "
            "in your data, percent-encoded; write %252F for a slash.",
        },
        "paths": paths,
        "components": {"schemas": schemas["$defs"]},
    }


def _described(operation: Operation, references: dict[Any, Any]) -> dict[str, Any]:
    in_path = [part[1:-1] for part in operation.path.split("/") if part.startswith("{")]
    query = operation.query.model_json_schema()
    parameters = [
        {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}
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
            "default": _content("An error", references[Problem]),
        },
    }
    if operation.body:
        content = _content("", references[operation.body])["content"]
        described["requestBody"] = {"required": True, "content": content}
    return described


def _content(words: str, schema: Any) -> dict[str, Any]:
    return {"description": words, "content": {"application/json": {"schema": schema}}}
