"""Base class of handlers: create, update and delete a resource through its service's API."""

import random
import string
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, ClassVar

from botocore.exceptions import ClientError

from local_aws.cloudformation.errors import Cancelled, ResourceFailed

Properties = dict[str, Any]
Attributes = dict[str, Any]


@dataclass
class Call:
    """One request to a handler: desired properties, previous properties, and a client.

    `properties` are evaluated and in their schema's types; `old` are those of the last success.
    `physical_id` is None until the handler calls `identify`; `attributes` are those of the last
    success. While the block of `nesting(name, content)` runs, a new stack of this name is within
    this one.
    """

    stack_name: str
    stack_id: str
    region: str
    account_id: str
    logical_id: str
    type: str
    properties: Properties
    old: Properties
    physical_id: str | None
    attributes: Attributes
    client: Callable[[str], Any]
    cancelled: threading.Event
    on_identified: Callable[["Call"], None] = lambda _: None
    nesting: Callable[[str, Any], AbstractContextManager[None]] = lambda *_: nullcontext()
    no_echo: bool = False

    def identify(self, physical_id: str, attributes: Attributes | None = None) -> None:
        """Record the resource's id as soon as it exists, so that a rollback can delete it."""
        self.physical_id = physical_id
        self.attributes = attributes or {}
        self.on_identified(self)

    def pause(self, seconds: float) -> None:
        """Wait for one poll interval.

        Raises:
            Cancelled: the operation was cancelled meanwhile.
        """
        if self.cancelled.wait(seconds):
            raise Cancelled

    def changed(self, *names: str) -> bool:
        """Whether one of these properties has changed."""
        return any(self.properties.get(name) != self.old.get(name) for name in names)

    def generated_name(self, longest: int = 64, *, lower: bool = False) -> str:
        """`{stack}-{logical id}-{RANDOM}`, shortened as CloudFormation does."""
        tail = random_suffix()
        room = longest - len(tail) - 2
        stack, logical = self.stack_name, self.logical_id
        if len(stack) + len(logical) > room:
            stack = stack[: max(room // 2, room - len(logical))]
            logical = logical[: room - len(stack)]
        name = f"{stack}-{logical}-{tail}"
        return name.lower() if lower else name


def random_suffix() -> str:
    """The twelve characters that make a generated name unique."""
    return "".join(random.choices(string.ascii_letters + string.digits, k=12))  # noqa: S311


class Handler:
    """One resource type. Requests are validated by botocore; `supported` lists its properties.

    Every method raises `botocore.exceptions.ClientError` or `ResourceFailed` on failure.
    """

    type: ClassVar[str]
    supported: ClassVar[frozenset[str]]
    gone_codes: ClassVar[frozenset[str]] = frozenset()
    # documented attributes that are missing in the published schema
    further_attributes: ClassVar[frozenset[str]] = frozenset()

    def create(self, call: Call) -> Attributes:
        """Create the resource, call `call.identify`, and return its attributes."""
        raise NotImplementedError

    def update(self, call: Call) -> Attributes:
        """Update the resource in place from `call.old` to `call.properties`."""
        raise NotImplementedError

    def delete(self, call: Call) -> None:
        """Delete the resource `call.physical_id`; `call.properties` are its last properties."""
        raise NotImplementedError

    def has_attribute(self, name: str) -> bool:
        """Whether Fn::GetAtt may ask for an attribute that no schema can name."""
        return False

    def gone(self, error: ClientError) -> bool:
        """Whether a delete's error means that the resource does not exist."""
        return error.response["Error"]["Code"] in self.gone_codes


def pick(properties: Mapping[str, Any], names: Iterable[str]) -> Properties:
    """The given properties that are set."""
    return {name: properties[name] for name in names if name in properties}


def renamed(properties: Mapping[str, Any], names: Mapping[str, str], where: str) -> Properties:
    """Properties under the API's names; one without an entry in `names` is refused.

    Raises:
        ResourceFailed: names the unsupported properties.
    """
    unknown = sorted(set(properties) - set(names))
    if unknown:
        raise ResourceFailed(f"The local AWS does not implement {where}: {', '.join(unknown)}")
    return {names[name]: value for name, value in properties.items()}


def lowered(value: Any, keep: frozenset[str] = frozenset()) -> Any:
    """A structure with camelCase keys, for services whose API spells them so.

    Args:
        keep: the keys whose content is a map of the user's and stays as it is.
    """
    if isinstance(value, list):
        return [lowered(member, keep) for member in value]
    if isinstance(value, dict):
        return {
            k[:1].lower() + k[1:]: v if k in keep else lowered(v, keep) for k, v in value.items()
        }
    return value


def texts(value: Any) -> Any:
    """A structure with every scalar in it as a string, as CloudFormation writes them."""
    if isinstance(value, dict):
        return {name: texts(member) for name, member in value.items()}
    if isinstance(value, list):
        return [texts(member) for member in value]
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if value is None else str(value)


def tag_map(tags: Any) -> dict[str, str]:
    """Tags as a dict, from a list of Key and Value or from a dict."""
    if isinstance(tags, dict):
        return dict(tags)
    return {tag["Key"]: tag["Value"] for tag in tags or []}


def tag_list(tags: Any) -> list[dict[str, str]]:
    """Tags as a list of Key and Value."""
    return [{"Key": key, "Value": value} for key, value in tag_map(tags).items()]


def tag_changes(call: Call) -> tuple[dict[str, str], list[str]]:
    """The tags to set and the keys to remove."""
    old, new = tag_map(call.old.get("Tags")), tag_map(call.properties.get("Tags"))
    return {k: v for k, v in new.items() if old.get(k) != v}, [k for k in old if k not in new]


def retag(
    call: Call,
    client: Any,
    form: Callable[[dict[str, str]], Any] = tag_list,
    **resource: str | None,
) -> None:
    """Change tags in place, by the two operations that most services have.

    Args:
        call: has the old and the new ones.
        client: of the service.
        form: what the service takes tags as.
        resource: the parameter that names what has them, and its value; those of the tags are
            spelt as it is, with a small or a capital letter.
    """
    added, removed = tag_changes(call)
    (parameter,) = resource
    tags, keys = ("tags", "tagKeys") if parameter[0].islower() else ("Tags", "TagKeys")
    if added:
        client.tag_resource(**resource, **{tags: form(added)})
    if removed:
        client.untag_resource(**resource, **{keys: removed})
