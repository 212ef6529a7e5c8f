"""The engines that can be deployed: they rank movies for a user or find similar movies.

To add one, write a class with `about` and `rank`, and add it to `recommenders`.
"""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, NamedTuple, Protocol

from botocore.exceptions import BotoCoreError, ClientError

from outputs import Served
from web.answers import Engine, Movie, Nouns, User
from web.catalogue import Catalogue
from web.deployment import Deployment

if TYPE_CHECKING:
    from web.clients import Clients

NEIGHBOURS: Final = "neighbours"
_PAIRS: Final = 1_000  # pairs per request to an endpoint: some 40 KB of its 4 MB
_MOST: Final = 10_000  # limit to the most rated movies that are scored individually
_RESULTS: Final = 500  # the maximum number of items that Amazon Personalize returns or ranks


class Scored(NamedTuple):
    """A movie in an engine's list.

    Attributes:
        movie: it.
        score: the engine's own, None where it has none.
        because: of what the user has seen, what speaks most for it.
    """

    movie: Movie
    score: float | None = None
    because: tuple[Movie, ...] = ()


class EngineFailed(Exception):
    """The engine failed; the message is for people."""


@dataclass(frozen=True)
class Question:
    """A request: the user and the filters, where None means all.

    `asked` distinguishes equal requests before and after an event.
    """

    user: User
    genre: str | None = None
    decade: int | None = None
    asked: tuple[int, ...] = ()


class Recommender(Protocol):
    """An engine that ranks movies for a user."""

    @property
    def about(self) -> Engine:
        """The engine's description."""

    def rank(self, question: Question) -> list[Scored]:
        """Rank movies for the user, best first, including seen and unrequested ones.

        Raises:
            EngineFailed: the engine failed.
        """


@dataclass(frozen=True)
class Tokens:
    """The requests of Object2Vec's form: a user and a movie are tokens of the two sides.

    Args:
        column: the column of the score in the response.
    """

    column: int = 0

    def instance(self, user: int, movie: int) -> dict[str, Any]:
        """The request's part for a pair."""
        return {"in0": [user], "in1": [movie]}

    def score(self, prediction: Any) -> float:
        """The score in the response's part for a pair."""
        return float(prediction["scores"][self.column])


@dataclass(frozen=True)
class Columns:
    """The requests of factorization machines: a user and a movie are columns of a sparse row.

    Args:
        users: the number of users' columns, after which the movies' come.
        movies: the number of these.
    """

    users: int
    movies: int

    def instance(self, user: int, movie: int) -> dict[str, Any]:
        """The request's part for a pair."""
        keys, shape = [user, self.users + movie], [self.users + self.movies]
        return {"data": {"features": {"keys": keys, "shape": shape, "values": [1, 1]}}}

    def score(self, prediction: Any) -> float:
        """The score in the response's part for a pair."""
        return float(prediction["score"])


@dataclass(frozen=True, eq=False)
class PairModel:
    """A model behind an endpoint that scores pairs of a user and a movie.

    Args:
        about: the engine's description.
        endpoint: the endpoint's name.
        clients: AWS clients.
        catalogue: the movies to rank.
        form: of its requests and responses.
    """

    about: Engine
    endpoint: str
    clients: "Clients"
    catalogue: Catalogue
    form: Tokens | Columns = Tokens()

    def rank(self, question: Question) -> list[Scored]:
        """Score the whole catalogue, or the most rated movies of a very large one."""
        movies = self.catalogue.known[:_MOST]
        scores = self.scores(question.user.number, [movie.number for movie in movies])
        order = sorted(range(len(movies)), key=lambda row: -scores[row])
        return [Scored(movies[row], scores[row]) for row in order]

    def scores(self, user: int, movies: Sequence[int]) -> list[float]:
        """Score movies for a user. Raises `EngineFailed`."""
        found: list[float] = []
        for start in range(0, len(movies), _PAIRS):
            some = movies[start : start + _PAIRS]
            body = json.dumps({"instances": [self.form.instance(user, one) for one in some]})
            with _explained(self.endpoint):
                answer = self.clients.sagemaker_runtime.invoke_endpoint(
                    EndpointName=self.endpoint, ContentType="application/json", Body=body
                )
                predictions = json.load(answer["Body"])["predictions"]
                found += [self.form.score(one) for one in predictions]
        return found


@dataclass(frozen=True, eq=False)
class Watching:
    """The model of watched movies, ranking for a user.

    The recommendation function combines its scores with the movies' popularity.
    """

    about: Engine
    function: str
    clients: "Clients"
    catalogue: Catalogue

    def rank(self, question: Question) -> list[Scored]:
        """Rank the whole catalogue, or the most rated movies of a large one, with the function."""
        event = {
            "type": "recommendation",
            "user": question.user.id,
            "movies": [movie.id for movie in self.catalogue.known[:_MOST]],
            "rank_by": "popularity_adjusted",
        }
        with _explained(self.function):
            told = _invoked(self.clients, self.function, event)
            found = (self.catalogue.by_id(str(one["movie"])) for one in told["predictions"])
            return [Scored(movie) for movie in found if movie is not None]


@dataclass(frozen=True, eq=False)
class Personalized:
    """A campaign or recommender of Amazon Personalize that recommends or ranks for a user."""

    about: Engine
    served: Served
    ranks: bool
    filters: dict[str, str]
    clients: "Clients"
    catalogue: Catalogue

    def rank(self, question: Question) -> list[Scored]:
        """Request the maximum number; ranking campaigns get the most rated movies."""
        runtime = self.clients.personalize_runtime
        request: dict[str, Any] = {
            self.served.target: self.served.arn,
            "userId": question.user.id,
            **self._filter(question),
        }
        with _explained(self.about.title):
            if self.ranks:
                seen = self.catalogue.seen(question.user.number)
                wanted = [
                    movie
                    for movie in self.catalogue.find_movies("", question.genre, question.decade)
                    if movie.number not in seen
                ]
                if not wanted:
                    return []
                items = [movie.id for movie in wanted[:_RESULTS]]
                request.pop("filterArn", None)
                request.pop("filterValues", None)
                answer = runtime.get_personalized_ranking(inputList=items, **request)
                return list(_scored(self.catalogue, answer["personalizedRanking"]))
            answer = runtime.get_recommendations(numResults=_RESULTS, **request)
            return list(_scored(self.catalogue, answer["itemList"]))

    def _filter(self, question: Question) -> dict[str, Any]:
        """The filter of the request, which may have only one; the page applies the others."""
        if question.genre is not None and "Genre" in self.filters:
            values = {"GENRE": json.dumps(question.genre)}
            return {"filterArn": self.filters["Genre"], "filterValues": values}
        if question.decade is not None and "YearRange" in self.filters:
            values = {"YEAR1": str(question.decade), "YEAR2": str(question.decade + 10)}
            return {"filterArn": self.filters["YearRange"], "filterValues": values}
        for name in ("Unrated", "Unwatched"):
            if name in self.filters:
                return {"filterArn": self.filters[name]}
        return {}


class Similar(Protocol):
    """An engine that finds similar movies."""

    @property
    def about(self) -> Engine:
        """The engine's description."""

    def like(self, movie: Movie, user: User | None, count: int) -> list[Scored]:
        """Find similar movies, most similar first. Raises `EngineFailed`."""


@dataclass(frozen=True, eq=False)
class Neighbours:
    """The retrieval function: the nearest movies in Object2Vec's embedding space."""

    about: Engine
    function: str
    bucket: str
    clients: "Clients"
    catalogue: Catalogue

    def like(self, movie: Movie, user: User | None, count: int) -> list[Scored]:
        """Call the function; scores are distances."""
        event = {"bucket_name": self.bucket, "movie_id_to_examine": movie.id, "top_k": count}
        with _explained(self.function):
            told = _invoked(self.clients, self.function, event)
            neighbours = json.loads(told["body"])["neighbours"]
            return [
                Scored(near, float(one["distance"]))
                for one in neighbours
                if (near := self.catalogue.by_id(str(one["movie_id"]))) is not None
            ]


@dataclass(frozen=True, eq=False)
class RelatedItems:
    """A campaign or recommender of Amazon Personalize that returns similar items."""

    about: Engine
    served: Served
    clients: "Clients"
    catalogue: Catalogue

    def like(self, movie: Movie, user: User | None, count: int) -> list[Scored]:
        """Call it; the domain's recommenders require a user, but accept an unknown one."""
        with _explained(self.about.title):
            answer = self.clients.personalize_runtime.get_recommendations(
                **{self.served.target: self.served.arn},
                itemId=movie.id,
                userId=user.id if user else "a-visitor",
                numResults=count,
            )
            return list(_scored(self.catalogue, answer["itemList"]))


@dataclass(frozen=True, eq=False)
class Lists:
    """The function `Lists`: lists from item-to-item weights, with reasons."""

    about: Engine
    function: str
    clients: "Clients"
    catalogue: Catalogue

    def rank(self, question: Question) -> list[Scored]:
        """Ask for as many as the function answers, filtered as wanted."""
        filters: dict[str, Any] = {}
        if question.genre is not None:
            filters["genres"] = [question.genre]
        if question.decade is not None:
            filters["years"] = [question.decade, question.decade + 9]
        return self._asked({"user": question.user.id, "count": _RESULTS, "filters": filters})

    def like(self, movie: Movie, user: User | None, count: int) -> list[Scored]:
        """Ask what goes best with a movie."""
        return self._asked({"item": movie.id, "count": count, "explain": False})

    def _asked(self, event: dict[str, Any]) -> list[Scored]:
        with _explained(self.function):
            told = _invoked(self.clients, self.function, event)
            return [
                Scored(
                    movie,
                    one["score"],
                    tuple(
                        reason
                        for each in one.get("because", ())
                        if (reason := self.catalogue.by_id(each["item"])) is not None
                    ),
                )
                for one in told["items"]
                if (movie := self.catalogue.by_id(one["item"])) is not None
            ]


# Available engines -------------------------------------------------------------------------------

_OBJECT2VEC: Final = "Object2Vec"
_MACHINES: Final = "Factorization machines"
_RATERS: Final = {
    _OBJECT2VEC: "RatingEndpointName",
    "Deep matrix factorization": "DeepMfEndpointName",
    _MACHINES: "FactorizationMachinesEndpointName",
}
_PERSONAL: Final = {
    "UserPersonalizationV2": "what {users} with a similar history did next",
    "UserPersonalization": "what {users} with a similar history did next",
    "TopPicks": "what {users} with a similar history {event} next",
    "PersonalizedRankingV2": f"the {_RESULTS} best-known new {{items}}, in this {{user}}'s order",
    "PersonalizedRanking": f"the {_RESULTS} best-known new {{items}}, in this {{user}}'s order",
    "PopularityCount": "what most {users} {event}, the same for all {users}",
    "MostPopular": "what most {users} {event}, the same for all {users}",
    "TrendingNow": "what is gaining interest, the same for all {users}",
}
_RELATED: Final = {
    "SimilarItems": "{event} by the same {users}, with similar metadata",
    "Sims": "{event} by the same {users}",
    "MoreLikeX": "more like this",
    "BecauseYouWatchedX": "because you {event} this",
}


def recommenders(
    deployment: Deployment, catalogue: Catalogue, clients: "Clients"
) -> list[Recommender]:
    """The deployed engines that rank movies for a user."""
    nouns = catalogue.nouns
    found: list[Recommender] = [
        *_lists(deployment, catalogue, clients, f"because of what you {nouns.event}")
    ]
    if endpoint := deployment.outputs.get("RecommendationEndpointName"):
        about = Engine(
            key=_key(_OBJECT2VEC),
            title=_OBJECT2VEC,
            about=f"how likely this {nouns.user} is to like something",
            score=f"probability of a rating of {catalogue.scale.liked:g} or more",
            rises=True,
        )
        found.append(PairModel(about, endpoint, clients, catalogue, Tokens(column=1)))
    function = deployment.outputs.get("RecommendationEngineFunctionName")
    if function and "RetrievalEndpointName" in deployment.outputs:
        about = Engine(
            key=_key(f"{_OBJECT2VEC} by who watched what"),
            title=f"{_OBJECT2VEC} by who {nouns.event} what",
            about=f"popular {nouns.items} that suit this {nouns.user} more than others",
            score="",
            rises=False,
        )
        found.append(Watching(about, function, clients, catalogue))
    # Object2Vec has separate models for this
    found += [
        one for one in raters(deployment, catalogue, clients) if one.about.title != _OBJECT2VEC
    ]
    for served in deployment.outputs.served():
        if served.model in _PERSONAL:
            personal = Personalized(
                _personalize(served, _PERSONAL[served.model], "the service's own", nouns),
                served,
                "Ranking" in served.model,
                deployment.filters(served.group),
                clients,
                catalogue,
            )
            found.append(personal)
    return found


def raters(deployment: Deployment, catalogue: Catalogue, clients: "Clients") -> list[PairModel]:
    """The deployed models that predict ratings."""
    return [
        PairModel(
            Engine(
                key=_key(title),
                title=title,
                about=f"the rating that this {catalogue.nouns.user} would give",
                score="predicted rating",
                rises=True,
            ),
            deployment.outputs[output],
            clients,
            catalogue,
            _columns(deployment) if title == _MACHINES else Tokens(),
        )
        for title, output in _RATERS.items()
        if output in deployment.outputs
    ]


def _columns(deployment: Deployment) -> Columns:
    users, items = (
        int(deployment.outputs[f"FactorizationMachines{what}"]) for what in ("Users", "Items")
    )
    return Columns(users, items)


def similar(deployment: Deployment, catalogue: Catalogue, clients: "Clients") -> list[Similar]:
    """The deployed engines that find similar movies."""
    nouns = catalogue.nouns
    found: list[Similar] = [
        *_lists(deployment, catalogue, clients, f"{nouns.event} by the same {nouns.users}")
    ]
    if function := deployment.outputs.get("MovieRetrievalFunctionName"):
        about = Engine(
            key=NEIGHBOURS,
            title="Nearest in the embedding space",
            about="by Object2Vec's embeddings",
            score="distance",
            rises=False,
        )
        found.append(Neighbours(about, function, deployment.bucket, clients, catalogue))
    for served in deployment.outputs.served():
        if served.model in _RELATED:
            about = _personalize(served, _RELATED[served.model], "", nouns)
            found.append(RelatedItems(about, served, clients, catalogue))
    return found


def _lists(
    deployment: Deployment, catalogue: Catalogue, clients: "Clients", words: str
) -> Iterator[Lists]:
    if function := deployment.outputs.get("ListsFunctionName"):
        about = Engine(key="lists", title="Lists", about=words, score="", rises=False)
        yield Lists(about, function, clients, catalogue)


def tell(clients: "Clients", function: str, event: dict[str, Any]) -> None:
    """Send an event to the function `Events`. `EngineFailed` if it was not taken."""
    with _explained(function):
        _invoked(clients, function, {"events": [event]})


def _personalize(served: Served, words: str, score: str, nouns: Nouns) -> Engine:
    title = "".join(f" {c}" if c.isupper() and i else c for i, c in enumerate(served.model))
    return Engine(
        key=_key(f"{served.group} {title}"),
        title=f"Personalize: {' '.join(w if w == 'X' else w.lower() for w in title.split())}",
        about=f"{words.format(**nouns.model_dump())} ({served.group.lower()} group)",
        score=score,
        rises=bool(score),
    )


def _key(title: str) -> str:
    return title.lower().replace(" ", "-")


def _invoked(clients: "Clients", function: str, event: dict[str, Any]) -> Any:
    """Invoke a function. Raises `EngineFailed` with the function's message."""
    answer = clients.functions.invoke(FunctionName=function, Payload=json.dumps(event))
    told = json.load(answer["Payload"])
    if "FunctionError" in answer:
        raise EngineFailed(str(told.get("errorMessage", "The function failed.")))
    return told


def _scored(catalogue: Catalogue, items: Sequence[Any]) -> Iterator[Scored]:
    for item in items:
        movie = catalogue.by_id(item["itemId"])
        if movie is not None:  # items can come from events, or be missing in new data
            yield Scored(movie, item.get("score"))


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Convert an engine's exceptions to `EngineFailed` with a message."""
    try:
        yield
    except ClientError as error:
        told = error.response["Error"]
        code, words = told.get("Code", ""), told.get("Message", "")
        if "Throttl" in code or "TooMany" in code:
            raise EngineFailed(f"{name} is too busy to answer now; try again.") from None
        if "AccessDenied" in code:
            raise EngineFailed(f"These credentials may not call {name}.") from None
        raise EngineFailed(f"{name} did not respond: {code}: {words}") from None
    except BotoCoreError as error:
        raise EngineFailed(f"{name} could not be reached: {error}") from None
    except (ValueError, KeyError, IndexError, TypeError) as error:
        raise EngineFailed(f"{name} returned an unexpected response ({error!r}).") from None
