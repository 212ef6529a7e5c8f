"""What the page shows and the API answers: the same objects, as HTML and as JSON."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

WORDS = 200
"""Characters that a search or a name in a question may have."""
NUMBER = 2**31 - 1
"""The largest number by which a user, a movie or a year may be asked for."""


class Answer(BaseModel):
    """Anything that is shown or answered; it does not change."""

    model_config = ConfigDict(frozen=True)


class Movie(Answer):
    """A movie of the catalogue."""

    number: int = Field(description="by which the models know it")
    id: str = Field(description="its id in your data; the same unless that is a word")
    title: str = Field(description="as in your data: `Terminator, The (1984)`")
    name: str = Field(description="as a person would say it: `The Terminator`")
    year: int | None
    genres: tuple[str, ...]
    ratings: int = Field(description="how many there are of it")
    mean: float | None = Field(description="of these ratings; null where there are none")

    @property
    def decade(self) -> int | None:
        """The decade it is of, as its first year."""
        return None if self.year is None else self.year // 10 * 10


class User(Answer):
    """A user who has rated."""

    number: int = Field(description="by which the models know them")
    id: str = Field(description="their id in your data; the same unless that is a word")
    ratings: int = Field(description="how many they gave")


class Scale(Answer):
    """The scale of the ratings."""

    least: float
    most: float
    step: float | None = Field(description="between neighbouring ratings; null if there is none")
    liked: float = Field(description="a rating of this or more is a liked movie")


class Rated(Answer):
    """A movie that a user rated."""

    movie: Movie
    rating: float
    time: datetime


class Watched(Answer):
    """A movie that a user watched on this page."""

    movie: Movie
    time: datetime


class Choices(Answer):
    """What lists can be filtered by."""

    genres: tuple[str, ...]
    decades: tuple[int, ...]


class History(Answer):
    """What a user has seen: rated according to the data, newest first, or watched on this page."""

    user: User
    scale: Scale
    mean: float = Field(description="of their ratings")
    favourites: tuple[str, ...] = Field(description="the genres that they rated most often")
    watched: tuple[Watched, ...]
    rated: tuple[Rated, ...]


class Engine(Answer):
    """Something deployed that answers."""

    key: str
    title: str
    about: str = Field(description="how it finds its movies")
    score: str = Field(description="what its score means; empty if it has none")
    rises: bool = Field(description="whether a higher score is a better one")


class Suggestion(Answer):
    """A movie in a list."""

    movie: Movie
    score: float | None = Field(description="the engine's own; null if it has none")
    share: float | None = Field(
        description="the score beside the list's best, from 0 to 1; null where that says nothing"
    )
    also: tuple[str, ...] = Field(description="the other engines that list it too, by title")
    because: tuple[Movie, ...] = Field(
        (), description="what the user has seen that speaks most for it, the strongest first"
    )


class Suggestions(Answer):
    """What one engine suggests, best first; or why it does not."""

    engine: Engine
    movies: tuple[Suggestion, ...]
    problem: str | None


class Recommendations(Answer):
    """What every deployed engine suggests to a user; nothing that they have seen."""

    user: User
    genre: str | None
    decade: int | None
    lists: tuple[Suggestions, ...]


class Prediction(Answer):
    """What a model expects a user to rate a movie."""

    engine: str
    rating: float | None
    problem: str | None


class About(Answer):
    """A movie, and what is like it."""

    movie: Movie
    scale: Scale
    user: User | None
    rating: float | None = Field(description="the user's own, if they rated it")
    watched: bool = Field(description="whether they watched it on this page")
    predictions: tuple[Prediction, ...] = Field(description="of the user's rating")
    similar: tuple[Suggestions, ...]


class Point(Answer):
    """A movie's place on the map."""

    movie: Movie
    x: float = Field(description="from 0 to 1")
    y: float = Field(description="from 0 to 1")


class Map(Answer):
    """The best-known movies of the embedding space, laid flat (its two principal components)."""

    points: tuple[Point, ...]
    explained: float = Field(description="the share of the variance that the two components keep")
    problem: str | None


class Taken(Answer):
    """An event that was sent."""

    user: User
    movie: Movie
    sent_to: tuple[str, ...] = Field(
        description="`Lists`, and the dataset groups of Amazon Personalize, that got it"
    )


class Users(Answer):
    """Some of the users, the busiest first."""

    found: int = Field(description="how many there are in all")
    users: tuple[User, ...]


class Movies(Answer):
    """Some of the movies, the best known first."""

    found: int = Field(description="how many there are in all")
    movies: tuple[Movie, ...]


class Engines(Answer):
    """Everything deployed that recommends."""

    engines: tuple[Engine, ...]


class Problem(Answer):
    """Why there is no answer."""

    status: int
    message: str
