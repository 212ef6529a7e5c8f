"""The models of the page's and the API's answers, rendered as HTML and as JSON."""

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

WORDS = 200
"""The maximum length of a search or name in a request."""
LONGEST_ID = 256
"""The maximum length of a user's or an item's id."""
NUMBER = 2**31 - 1
"""The maximum number of a page or a year in a request."""


class Answer(BaseModel):
    """Base class of answers, which are immutable."""

    model_config = ConfigDict(frozen=True)


class Attribute(Answer):
    """What the data tell of a movie beyond genres and year, such as its author."""

    name: str
    values: tuple[str, ...]


class Movie(Answer):
    """A movie of the catalogue."""

    number: int = Field(description="the integer that the models use")
    id: str = Field(description="its id in your data; the same if that is an integer")
    title: str = Field(description="as in your data: `Terminator, The (1984)`")
    name: str = Field(description="in natural word order: `The Terminator`")
    year: int | None
    genres: tuple[str, ...]
    attributes: tuple[Attribute, ...] = Field(
        default=(), description="what else your data tell of it"
    )
    ratings: int = Field(description="its number of ratings")
    mean: float | None = Field(description="the mean rating; null without ratings")

    @property
    def decade(self) -> int | None:
        """The movie's decade, as its first year."""
        return None if self.year is None else self.year // 10 * 10


class User(Answer):
    """A user who has rated."""

    number: int = Field(description="the integer that the models use")
    id: str = Field(description="their id in your data; the same if that is an integer")
    ratings: int = Field(description="their number of ratings")


class Nouns(Answer):
    """The words for items, users and what users do, from the data."""

    item: str = "movie"
    items: str = "movies"
    user: str = "user"
    users: str = "users"
    event: str = Field(default="watched", description="the participle: watched, read, bought")


class Scale(Answer):
    """The scale of the ratings."""

    least: float
    most: float
    step: float | None = Field(description="between neighbouring ratings; null if there is none")
    liked: float = Field(description="the minimum rating of a liked movie")
    events: bool = Field(
        default=False, description="whether ratings are counts or amounts of events"
    )


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
    """The choices for filtering lists."""

    genres: tuple[str, ...]
    decades: tuple[int, ...]


class History(Answer):
    """A user's history: ratings in the data, newest first, and movies watched on this page."""

    user: User
    scale: Scale
    mean: float = Field(description="the mean of their ratings")
    favourites: tuple[str, ...] = Field(description="the genres that they rated most often")
    watched: tuple[Watched, ...]
    rated: tuple[Rated, ...]


class Engine(Answer):
    """A deployed engine."""

    key: str
    title: str
    about: str = Field(description="how it finds its movies")
    score: str = Field(description="what its score means; empty if it has none")
    rises: bool = Field(description="whether a higher score is a better one")


class Suggestion(Answer):
    """A movie in a list."""

    movie: Movie
    score: float | None = Field(description="the engine's score; null if it has none")
    share: float | None = Field(
        description="score relative to the list's best, from 0 to 1; null if that is meaningless"
    )
    also: tuple[str, ...] = Field(description="titles of the other engines that also list it")
    because: tuple[Movie, ...] = Field(
        (), description="the items of the user's history that contribute most, strongest first"
    )


class Suggestions(Answer):
    """The suggestions of one engine, best first, or its error."""

    engine: Engine
    movies: tuple[Suggestion, ...]
    problem: str | None
    more: bool = Field(description="whether there are more on the next page")


class Recommendations(Answer):
    """The suggestions of every deployed engine for a user, without movies they have seen."""

    user: User
    genre: str | None
    decade: int | None
    page: int = Field(description="which of the pages, from 1")
    lists: tuple[Suggestions, ...]


class Prediction(Answer):
    """A model's predicted rating of a movie for a user."""

    engine: str
    rating: float | None
    problem: str | None


class About(Answer):
    """A movie with its similar movies."""

    movie: Movie
    scale: Scale
    user: User | None
    rating: float | None = Field(description="the user's own, if they rated it")
    watched: bool = Field(description="whether they watched it on this page")
    predictions: tuple[Prediction, ...] = Field(description="of the user's rating")
    similar: tuple[Suggestions, ...]


class Point(Answer):
    """A movie's position on the map."""

    movie: Movie
    x: float = Field(description="from 0 to 1")
    y: float = Field(description="from 0 to 1")


class Map(Answer):
    """The best-known movies' embeddings in two dimensions, by t-SNE: neighbours stay neighbours."""

    points: tuple[Point, ...]
    problem: str | None


class Stack(Answer):
    """A CloudFormation stack."""

    name: str
    status: str
    since: datetime = Field(description="of the last update, or of its creation")
    reason: str = Field(description="of a failure")

    @property
    def busy(self) -> bool:
        """Whether it is being changed."""
        return self.status.endswith("IN_PROGRESS")


class Job(Answer):
    """A training: a job of SageMaker, or a solution version of Amazon Personalize."""

    name: str
    status: str
    step: str = Field(description="SageMaker's secondary status, such as `Downloading`")
    epochs: str = Field(description="at most")
    evaluates: bool = Field(description="whether it is evaluated on held-out data")
    seconds: int | None = Field(description="that it has trained; null before it begins")
    metrics: dict[str, float] = Field(description="the newest")

    @property
    def busy(self) -> bool:
        """Whether it runs."""
        return self.status in ("InProgress", "Stopping") or is_passing(self.status)


class Endpoint(Answer):
    """An endpoint of SageMaker, or a campaign or a recommender of Amazon Personalize."""

    name: str
    status: str

    @property
    def busy(self) -> bool:
        """Whether it is being changed."""
        return self.status in _ENDPOINT_CHANGES or is_passing(self.status)


_ENDPOINT_CHANGES = ("Creating", "Updating", "SystemUpdating", "RollingBack", "Deleting")


def is_passing(status: str) -> bool:
    """Whether a status of Amazon Personalize is one that passes."""
    return status.endswith(("PENDING", "IN_PROGRESS"))


class Operations(Answer):
    """The state of the deployment."""

    stacks: tuple[Stack, ...]
    jobs: tuple[Job, ...] = Field(description="SageMaker's, newest first, and Personalize's")
    endpoints: tuple[Endpoint, ...]
    hourly: float = Field(description="dollars, by list prices, as long as it stands")
    monthly: float
    leftovers: tuple[str, ...] = Field(description="what of them no stack names")
    busy: bool = Field(description="whether anything is being changed or trained")


class Generation(Answer):
    """Data that the lists were retrained on, and what became of the model."""

    number: int
    begun: datetime
    state: str = Field(description="in service, replaced, refused, in progress or failed")
    events: int = Field(description="that were gathered, of known items")
    users: int
    unknown: int = Field(description="events of items that the catalogue does not have")
    candidate: float | None = Field(description="nDCG@10 of the new model; null if not compared")
    current: float | None = Field(description="nDCG@10 of the model in service at that time")
    low: float | None = Field(description="of the 95 % interval of the difference")
    high: float | None
    judges: int = Field(description="users by whom both were judged")
    refused: tuple[str, ...] = Field(description="why the gate refused the model")
    report: str | None = Field(description="its key in the bucket")


class Look(Answer):
    """A confidence sequence at a number of users."""

    users: int
    change: float = Field(description="the lift, or the preference")
    low: float | None = Field(description="null: unlimited")
    high: float | None


class Chart(Answer):
    """A drawn confidence sequence, 640 wide and 200 high."""

    band: str = Field(description="the points of the intervals' polygon")
    line: str = Field(description="the points of the estimates")
    zero: float = Field(description="how far down no change is")
    bottom: float = Field(description="of the scale")
    top: float
    users: int = Field(description="at the right end")


class Arm(Answer):
    """An arm of an experiment against its control."""

    name: str
    users: int
    chart: Chart | None = Field(description="null: too few users")


class Trial(Answer):
    """An experiment, with what its last report says."""

    name: str
    kind: str
    arms: str = Field(description="with their shares")
    at: datetime | None = Field(description="of the report; null: there is none")
    verdict: tuple[str, ...]
    unit: str = Field(description="what is assigned to an arm: user or session")
    waiting: int = Field(description="users or sessions whose window had not ended")
    against: tuple[Arm, ...]


class Freshness(Answer):
    """How fresh the lists are, and what they are compared with."""

    trained: datetime
    generation: int | None = Field(description="0 for the deployed data; null: not retrained")
    learned: int = Field(description="events from which the model has learned")
    since: int = Field(description="about how many events came since, by DynamoDB's count")
    generations: tuple[Generation, ...] = Field(description="newest first")
    experiments: tuple[Trial, ...]
    bucket: str
    busy: bool = Field(description="whether the stack is being changed")


class Taken(Answer):
    """A sent event."""

    user: User
    movie: Movie
    sent_to: tuple[str, ...] = Field(
        description="`Lists`, and the dataset groups of Amazon Personalize, that received it"
    )


class Users(Answer):
    """A page of users, most active first."""

    found: int = Field(description="the total number")
    users: tuple[User, ...]


class Movies(Answer):
    """A page of movies, most rated first."""

    found: int = Field(description="the total number")
    movies: tuple[Movie, ...]


class Engines(Answer):
    """All deployed engines."""

    engines: tuple[Engine, ...]


class Problem(Answer):
    """An error message."""

    status: int
    message: str
