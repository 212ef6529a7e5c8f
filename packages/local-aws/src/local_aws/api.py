"""HTTP handling shared by the local services: parse, validate, call, respond, refuse the rest."""

import re
from collections.abc import Callable
from typing import Any, ClassVar

from botocore.model import Shape, StructureShape
from moto.core.common_types import TYPE_RESPONSE
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import camelcase_to_underscores, get_service_model

from local_aws import validation


class AwsError(ServiceException):
    """An AWS error with a code and a message; moto cannot send its own base class directly."""


class NotImplementedByLocalAws(ServiceException):
    """The error for everything that AWS supports and the local AWS does not implement."""

    code = "NotImplementedByLocalAws"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The local AWS does not implement {what}. See differences.md "
            "in the documentation of local-aws for what it does."
        )


class LocalResponse(BaseResponse):
    """One AWS service, with a method in snake case for each operation.

    A method reads `self.params` (keys as in AWS's model) and returns the answer as a dict, or
    raises `AwsError(code, message)`. The request was validated by botocore's model before.
    An operation without a method is refused by name. A subclass names its boto3 service in
    `service` and its code for a malformed request in `validation_code`.
    """

    PROTOCOL_PARSER_MAP_TYPE = dict
    service: ClassVar[str]
    validation_code: ClassVar[str] = "ValidationException"

    def __init__(self) -> None:
        super().__init__(service_name=self.service)
        self.automated_parameter_parsing = True

    def call_action(self) -> TYPE_RESPONSE:
        """Answer the request that `setup_class` parsed."""
        action = self._get_action()
        if not action:
            return 404, self.response_headers, ""
        try:
            result: object = self._answer(action)
        except ServiceException as error:
            result = error
        status, headers, body = self.serialized(ActionResult(result))
        headers, body = self._enrich_response(headers, body)
        return status, headers, body

    def _answer(self, action: str) -> dict[str, Any]:
        method = getattr(self, camelcase_to_underscores(action), None)
        if method is None:
            raise NotImplementedByLocalAws(f"{self.service}:{action}")
        operation = get_service_model(self.service).operation_model(action)
        for name in _in_query(operation.input_shape):
            if self.params.get(name) == []:  # moto's parser makes it of none
                del self.params[name]
        broken = validation.violations(self.params, operation.input_shape)
        if broken:
            raise AwsError(self.validation_code, validation.message(broken))
        return method() or {}


def _in_query(shape: Shape | None) -> list[str]:
    members = shape.members if isinstance(shape, StructureShape) else {}
    return [
        name for name, one in members.items() if one.serialization.get("location") == "querystring"
    ]


class CheckedResponse(BaseResponse):
    """Base class that checks each request of a moto service before moto answers it.

    List it before moto's class in a class's bases. A subclass raises in `check` the problems of a
    request, which are answered as AWS errors.
    """

    def call_action(self) -> TYPE_RESPONSE:
        """Answer the request that `setup_class` parsed."""
        action = self._get_action()
        if not action:
            return 404, self.response_headers, ""
        try:
            self.check(action)
            status, headers, body = super().call_action()
        except ServiceException as error:
            status, headers, body = self.serialized(ActionResult(error))
            headers, body = self._enrich_response(headers, body)
        return status, headers, body

    def check(self, action: str) -> None:
        """Raise an error if the request is invalid.

        Raises:
            ServiceException: the error to answer.
        """
        raise NotImplementedError


def rest_paths(response: type[LocalResponse]) -> dict[str, Callable[..., TYPE_RESPONSE]]:
    """The URLs of a service whose operations are methods and paths, from botocore's model.

    Args:
        response: implements the service.
    """
    model = get_service_model(response.service)

    def pattern(name: re.Match[str]) -> str:
        """A path's parameter; tags belong to an ARN, which has slashes."""
        return f"(?P<{name[1]}>{'.+' if name[1].lower() == 'resourcearn' else '[^/]+'})"

    paths = (model.operation_model(name).http["requestUri"] for name in model.operation_names)
    return {f"{{0}}{re.sub(r'{(.+?)}', pattern, path)}$": response.dispatch for path in paths}
