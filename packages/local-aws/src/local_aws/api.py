"""The HTTP side that our own services share: parse, validate, call, answer; refuse the rest."""

from typing import Any, ClassVar

from moto.core.common_types import TYPE_RESPONSE
from moto.core.exceptions import ServiceException
from moto.core.responses import ActionResult, BaseResponse
from moto.core.utils import camelcase_to_underscores, get_service_model

from local_aws import validation


class AwsError(ServiceException):
    """An AWS error by its code and words; moto cannot send its own base class as it is."""


class NotImplementedByLocalAws(ServiceException):
    """The honest answer where AWS would work and this local AWS would have to pretend."""

    code = "NotImplementedByLocalAws"

    def __init__(self, what: str) -> None:
        super().__init__(
            f"The local AWS does not implement {what}. See differences.md "
            "in the documentation of local-aws for what it does."
        )


class LocalResponse(BaseResponse):
    """One AWS service: a method for each operation, named in snake case, from params to answer.

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
        broken = validation.violations(self.params, operation.input_shape)
        if broken:
            raise AwsError(self.validation_code, validation.message(broken))
        return method() or {}


class CheckedResponse(BaseResponse):
    """One of moto's services, where each request is checked before moto answers it.

    To stand before moto's class among a class's bases. A subclass says in `check` what is wrong
    with a request; that is answered as AWS answers errors.
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
        """Raise what is wrong with the request.

        Raises:
            ServiceException: what AWS, or we, say of it.
        """
        raise NotImplementedError
