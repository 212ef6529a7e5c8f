"""Answers the page's and the API's requests by querying the deployment, with a cache."""

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Final, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt
from botocore.exceptions import BotoCoreError, ClientError
from cachetools import LRUCache, TTLCache, cached
from cachetools.keys import hashkey

from web import engines, freshness, operations, projection
from web.answers import (
    About,
    Engine,
    Freshness,
    History,
    Map,
    Movie,
    Nouns,
    Operations,
    Prediction,
    Recommendations,
    Suggestion,
    Suggestions,
    Taken,
    User,
    Watched,
)
from web.catalogue import Catalogue, favourites, fits
from web.deployment import Deployment
from web.engines import EngineFailed, PairModel, Question, Recommender, Scored, Similar

if TYPE_CHECKING:
    from web.clients import Clients

P = ParamSpec("P")
T = TypeVar("T")

_FRESH: Final = 60.0  # lifetime of cached answers in seconds
_SETTLES: Final = 10.0  # seconds after an event in which Amazon Personalize may change its answers


class Unknown(LookupError):
    """The user, movie or engine does not exist."""


class NoSuchChoice(ValueError):
    """No movie has this genre or decade; the message lists the existing ones."""


@dataclass(frozen=True)
class _Deployed:
    """The current deployment and its data."""

    deployment: Deployment
    catalogue: Catalogue
    recommenders: list[Recommender]
    raters: list[PairModel]
    similar: list[Similar]


@dataclass(frozen=True)
class _Found:
    """The answer of one engine.

    Attributes:
        best: the score of the first movie, which is on the first page.
        more: whether there are movies after these.
    """

    engine: Engine
    scored: list[Scored] = field(default_factory=list)
    problem: str | None = None
    best: float | None = None
    more: bool = False


class Service:
    """Queries the deployment with a prefix.

    Args:
        clients: AWS clients.
        prefix: the prefix of the stacks' names.
    """

    def __init__(self, clients: "Clients", prefix: str) -> None:
        self._clients, self._prefix = clients, prefix
        self._session = str(uuid.uuid4())
        self._pool = ThreadPoolExecutor(64, thread_name_prefix="engine")
        self._watched: LRUCache[int, tuple[Watched, ...]] = LRUCache(10_000)
        self._watching = threading.Lock()
        self._now = remembered(self._look, seconds=30, size=1)
        self._read = remembered(self._read_catalogue, seconds=24 * 3600, size=1)
        self._ranked = remembered(self._rank, size=2_048)
        self._alike = remembered(self._like, size=4_096)
        self._predicted = remembered(self._predict, size=65_536)
        self._laid = remembered(self._lay, size=1)
        self._looked = remembered(lambda: operations.look(clients, prefix), seconds=5, size=1)
        self._fresh = remembered(lambda: freshness.look(clients, prefix), seconds=5, size=1)

    # The deployment ------------------------------------------------------------------------------

    def catalogue(self) -> Catalogue:
        """Movies and ratings.

        Raises:
            web.deployment.NothingDeployed: there is no deployment.
            botocore.exceptions.ClientError: AWS refused the request.
        """
        return self._now().catalogue

    def engines(self) -> list[Engine]:
        """What recommends."""
        return [one.about for one in self._now().recommenders]

    def nouns(self) -> Nouns:
        """The words for items, users and events; the usual ones without a catalogue."""
        try:
            return self.catalogue().nouns
        except Exception:  # the page that reports it needs words, too
            return Nouns()

    def takes_events(self) -> bool:
        """Whether watched movies can be sent to any engine."""
        deployment = self._now().deployment
        return bool(deployment.trackers()) or "EventsFunctionName" in deployment.outputs

    def user(self, id: str) -> User:  # noqa: A002
        """Get a user by original id. Raises `Unknown`."""
        found = self.catalogue().user(id)
        if found is None:
            raise Unknown(f"There is no {self.catalogue().nouns.user} {id} in the data.")
        return found

    def movie(self, id: str) -> Movie:  # noqa: A002
        """Get a movie by original id. Raises `Unknown`."""
        found = self.catalogue().by_id(id)
        if found is None:
            raise Unknown(f"There is no {self.catalogue().nouns.item} {id} in the data.")
        return found

    def find_movies(self, words: str, genre: str | None, decade: int | None) -> list[Movie]:
        """Find movies by words of the title, genre and decade. Raises `NoSuchChoice`."""
        catalogue = self.catalogue()
        _check_choices(catalogue, genre, decade)
        return catalogue.find_movies(words, genre, decade)

    # Answers -------------------------------------------------------------------------------------

    def history(self, id: str) -> History:  # noqa: A002
        """Get the history of the user with this original id."""
        user = self.user(id)
        rated = self.catalogue().rated(user.number)
        mean = sum(one.rating for one in rated) / len(rated) if rated else 0.0
        return History(
            user=user,
            scale=self.catalogue().scale,
            mean=round(mean, 2),
            favourites=favourites(rated),
            watched=self._watched_by(user.number),
            rated=rated,
        )

    def recommendations(
        self,
        id: str,  # noqa: A002
        *,
        genre: str | None = None,
        decade: int | None = None,
        engine: str | None = None,
        count: int = 10,
        page: int = 1,
    ) -> Recommendations:
        """Get the suggestions of all deployed engines, or of one.

        Args:
            id: the user's original id.
            genre, decade: of the movies; None for all.
            engine: its key; None for all.
            count: movies per list and page.
            page: which of the pages, from 1.

        Raises:
            Unknown: the user or engine does not exist.
            NoSuchChoice: the genre or decade does not exist.
        """
        user, now = self.user(id), self._now()
        _check_choices(now.catalogue, genre, decade)
        asked = [one for one in now.recommenders if engine in (None, one.about.key)]
        if engine is not None and not asked:
            keys = ", ".join(one.about.key for one in now.recommenders) or "none"
            raise Unknown(f"There is no engine {engine}; deployed: {keys}.")
        watched = self._watched_by(user.number)
        happened = len(watched), _unsettled(watched)
        question = Question(user, genre, decade, happened)
        seen = now.catalogue.seen(user.number) | {one.movie.number for one in watched}
        on_page = slice((page - 1) * count, page * count)
        futures = [self._pool.submit(self._suggest, one, question, seen, on_page) for one in asked]
        lists = _side_by_side([future.result() for future in futures])
        return Recommendations(user=user, genre=genre, decade=decade, page=page, lists=lists)

    def about(self, id: str, user_id: str | None, count: int = 10) -> About:  # noqa: A002
        """Get a movie, its similar movies, and a user's predicted ratings of it, by their ids."""
        movie, now = self.movie(id), self._now()
        user = None if user_id is None else self.user(user_id)
        alike = [self._pool.submit(self._find_like, one, movie, user, count) for one in now.similar]
        ratings, watched = {}, set()
        predictions = []
        if user is not None:
            predictions = [
                self._pool.submit(self._predicted, one, user.number, movie.number)
                for one in now.raters
            ]
            ratings = {one.movie.number: one.rating for one in now.catalogue.rated(user.number)}
            watched = {one.movie.number for one in self._watched_by(user.number)}
        return About(
            movie=movie,
            scale=now.catalogue.scale,
            user=user,
            rating=ratings.get(movie.number),
            watched=movie.number in watched,
            predictions=tuple(future.result() for future in predictions),
            similar=_side_by_side([future.result() for future in alike]),
        )

    def operations(self) -> Operations:
        """Get the state of the deployment, also before it is complete.

        Raises:
            botocore.exceptions.ClientError: AWS refused a request.
        """
        return self._looked()

    def freshness(self) -> Freshness | None:
        """Get the age of the lists and their generations; None without lists.

        Raises:
            web.deployment.NothingDeployed: there is no deployment.
            botocore.exceptions.ClientError: AWS refused a request.
        """
        return self._fresh()

    def map(self) -> Map:
        """Get a 2-D projection of the embeddings."""
        return self._laid()

    def watch(self, user_id: str, movie_id: str) -> Taken:
        """Send the engines an event of a user and a movie, by their original ids.

        Lists exclude the movie from now on.

        The function `Events` also sends it to Amazon Personalize, if that is deployed.

        Raises:
            Unknown: the user or movie does not exist.
            EngineFailed: the event was rejected.
        """
        user, movie = self.user(user_id), self.movie(movie_id)
        time_now, liked = datetime.now(UTC), self.catalogue().scale.liked
        sent, deployment = [], self._now().deployment
        trackers = deployment.trackers()
        if function := deployment.outputs.get("EventsFunctionName"):
            told = {"user": user.id, "item": movie.id, "timestamp": int(time_now.timestamp())}
            engines.tell(self._clients, function, {**told, "value": liked})
            sent += ["Lists", *trackers]
            trackers = {}
        for group, tracking_id in trackers.items():
            event = {**_event(group, liked), "itemId": movie.id, "sentAt": time_now}
            try:
                self._clients.personalize_events.put_events(
                    trackingId=tracking_id,
                    userId=user.id,
                    sessionId=f"{self._session}-{user.number}",
                    eventList=[event],
                )
            except (ClientError, BotoCoreError) as error:
                raise EngineFailed(f"Amazon Personalize rejected the event: {error}") from None
            sent.append(group)
        with self._watching:
            before = [one for one in self._watched.get(user.number, ()) if one.movie != movie]
            self._watched[user.number] = (Watched(movie=movie, time=time_now), *before)
        return Taken(user=user, movie=movie, sent_to=tuple(sent))

    # Cached queries ------------------------------------------------------------------------------

    def _look(self) -> _Deployed:
        deployment = Deployment.find(self._clients.cloudformation, self._prefix)
        bucket, outputs = deployment.bucket, deployment.outputs
        keys = tuple(
            outputs[name] for name in ("CatalogueKey", "RatingsKey", "HeldOutKey", "IdsKey")
        )
        head = self._clients.s3.head_object
        etags = tuple(head(Bucket=bucket, Key=key)["ETag"] for key in keys[:3])
        catalogue = self._read(bucket, keys, etags)
        known = (deployment, catalogue, self._clients)
        return _Deployed(
            deployment,
            catalogue,
            engines.recommenders(*known),
            engines.raters(*known),
            engines.similar(*known),
        )

    def _read_catalogue(
        self, bucket: str, keys: tuple[str, ...], etags: tuple[str, ...]
    ) -> Catalogue:
        with self._watching:
            self._watched.clear()  # numbers of other data are of other movies
        return Catalogue.read(self._clients.s3, bucket, *keys)

    def _rank(
        self, engine: Recommender, question: Question
    ) -> "tuple[npt.NDArray[np.int32], npt.NDArray[np.float32], dict[int, tuple[Movie, ...]]]":
        scored = engine.rank(question)
        numbers = np.array([one.movie.number for one in scored], np.int32)
        scores = [np.nan if one.score is None else one.score for one in scored]
        because = {one.movie.number: one.because for one in scored if one.because}
        return numbers, np.array(scores, np.float32), because

    def _like(self, engine: Similar, movie: Movie, user: User | None, count: int) -> list[Scored]:
        return engine.like(movie, user, count)

    def _predict(self, model: PairModel, user: int, movie: int) -> Prediction:
        try:
            (score,) = model.scores(user, [movie])
        except EngineFailed as error:
            return Prediction(engine=model.about.title, rating=None, problem=str(error))
        return Prediction(engine=model.about.title, rating=round(score, 2), problem=None)

    def _lay(self) -> Map:
        now = self._now()
        try:
            return projection.lay(self._clients, now.deployment, now.catalogue)
        except (ClientError, BotoCoreError) as error:
            return Map(points=(), problem=f"The embeddings were not found: {error}")

    def _suggest(
        self, engine: Recommender, question: Question, seen: set[int], on_page: slice
    ) -> "_Found":
        movies = self.catalogue().movies
        try:
            numbers, scores, because = self._ranked(engine, question)
        except EngineFailed as error:
            return _Found(engine.about, problem=str(error))
        wanted = (
            Scored(movie, None if np.isnan(score) else score, because.get(number, ()))
            for number, score in zip(numbers.tolist(), scores.tolist(), strict=True)
            if number not in seen
            and (movie := movies.get(number))
            and fits(movie, question.genre, question.decade)
        )
        found = list(islice(wanted, on_page.stop + 1))
        return _Found(
            engine.about,
            found[on_page],
            best=found[0].score if found else None,
            more=len(found) > on_page.stop,
        )

    def _find_like(self, engine: Similar, movie: Movie, user: User | None, count: int) -> "_Found":
        try:
            found = self._alike(engine, movie, user, count)
            return _Found(engine.about, found, best=found[0].score if found else None)
        except EngineFailed as error:
            return _Found(engine.about, problem=str(error))

    def _watched_by(self, user: int) -> tuple[Watched, ...]:
        with self._watching:
            return self._watched.get(user, ())


def _event(group: str, liked: float) -> dict[str, Any]:
    """The event of a watched movie for a dataset group: the custom one has ratings only."""
    if group == "Domain":
        return {"eventType": "Watch"}
    return {"eventType": "Rating", "eventValue": liked}


def _check_choices(catalogue: Catalogue, genre: str | None, decade: int | None) -> None:
    """Refuse invalid choices before the engines are called, because calls are billed."""
    choices = catalogue.choices
    if genre is not None and genre not in choices.genres:
        raise NoSuchChoice(f"genre: {genre!r} is none of {', '.join(choices.genres)}")
    if decade is not None and decade not in choices.decades:
        raise NoSuchChoice(f"decade: {decade} is none of {', '.join(map(str, choices.decades))}")


def remembered(function: Callable[P, T], *, size: int, seconds: float = _FRESH) -> Callable[P, T]:
    """Cache a function's results for a while; concurrent equal calls run once."""
    kept: TTLCache[Any, T] = TTLCache(size, seconds)
    return cached(kept, key=_key, condition=threading.Condition())(function)


def _key(*arguments: Any) -> Any:
    """The cache key; engine objects are replaced at each refresh, so use their descriptions."""
    return hashkey(*(getattr(one, "about", one) for one in arguments))


def _unsettled(watched: tuple[Watched, ...]) -> int:
    """A value that changes each second while a recent event may still change answers."""
    age = time.time() - watched[0].time.timestamp() if watched else _SETTLES
    return int(age) if age < _SETTLES else -1


def _side_by_side(results: list[_Found]) -> tuple[Suggestions, ...]:
    """Combine the lists, and mark movies that other lists contain too."""
    holders: dict[int, list[str]] = {}
    for one in results:
        for movie, *_ in one.scored:
            holders.setdefault(movie.number, []).append(one.engine.title)
    lists = []
    for one in results:
        best = one.best
        movies = tuple(
            Suggestion(
                movie=movie,
                score=score,
                share=score / best if one.engine.rises and score and best and best > 0 else None,
                also=tuple(title for title in holders[movie.number] if title != one.engine.title),
                because=because,
            )
            for movie, score, because in one.scored
        )
        lists.append(
            Suggestions(engine=one.engine, movies=movies, problem=one.problem, more=one.more)
        )
    return tuple(lists)
