"""What the functions share: which of AWS's errors are transient, and how errors are reported."""

import sys
from typing import Any

import pytest
from botocore import exceptions
from botocore.retries.standard import ThrottledRetryableChecker, TransientRetryableChecker
from common.custom_resource import failing
from common.errors import (
    BusyError,
    FunctionError,
    failure,
    is_throttled,
    is_transient,
    reported,
)
from common.text import decoded, listed, shown

from tests.lambdas.fakes import client_error

# private, so that functions cannot use them
THROTTLED = vars(ThrottledRetryableChecker)["_THROTTLED_ERROR_CODES"]
TRANSIENT = vars(TransientRetryableChecker)["_TRANSIENT_ERROR_CODES"]
STATUSES = vars(TransientRetryableChecker)["_TRANSIENT_STATUS_CODES"]
QUOTA = "LimitExceededException"  # of SageMaker and Personalize: a limit, not a rate


class OurError(FunctionError):
    """A function's own."""


class NarrowError(OurError):
    """One kind of it."""


@pytest.mark.parametrize("code", sorted(set(THROTTLED) - {QUOTA}))
def test_is_throttled_with_each_code_that_botocore_retries_is_true(code: str) -> None:
    assert is_throttled(client_error(code, "m"))
    assert is_transient(client_error(code, "m"))


@pytest.mark.parametrize("code", TRANSIENT)
def test_is_transient_with_each_code_that_botocore_retries_is_true(code: str) -> None:
    assert is_transient(client_error(code, "m"))


@pytest.mark.parametrize(
    ("code", "throttled"),
    [
        ("ModelNotReadyException", True),  # SageMaker runtime, 429
        ("ServiceUnavailable", True),  # SageMaker runtime and S3, 503
        ("TooManyRequestsException", True),  # Lambda and S3 Vectors, 429
        ("InternalFailure", False),  # SageMaker runtime, 500
        ("InternalDependencyException", False),  # SageMaker runtime, 530
        ("InternalServerException", False),  # S3 Vectors, 500
        ("InternalError", False),  # S3, 500
        ("OperationAborted", False),  # S3, 409: "Try again."
        ("RequestTimeout", False),  # S3, 400
    ],
)
def test_is_transient_with_a_code_that_a_service_documents_is_true(
    code: str, throttled: bool
) -> None:
    error = client_error(code, "m")
    assert is_transient(error)
    assert is_throttled(error) is throttled


@pytest.mark.parametrize(
    ("status", "transient"),
    [
        *((status, True) for status in STATUSES),
        (429, True),
        (400, False),
        (403, False),
        (404, False),
        (501, False),  # the service has no such operation, and never will have
    ],
)
def test_is_transient_with_an_unknown_code_goes_by_the_status(status: int, transient: bool) -> None:
    error = client_error("Unheard", "m", ResponseMetadata={"HTTPStatusCode": status})
    assert is_transient(error) is transient


@pytest.mark.parametrize(
    "code", [QUOTA, "AccessDenied", "ValidationException", "ModelError", "ResourceInUse", ""]
)
def test_is_transient_with_a_lasting_error_is_false(code: str) -> None:
    assert not is_transient(client_error(code, "m"))


@pytest.mark.parametrize(
    ("error", "transient"),
    [
        (exceptions.EndpointConnectionError(endpoint_url="u"), True),
        (exceptions.ReadTimeoutError(endpoint_url="u"), True),
        (exceptions.ConnectionClosedError(endpoint_url="u"), True),
        (exceptions.NoCredentialsError(), False),
        (exceptions.ParamValidationError(report="r"), False),
    ],
)
def test_is_transient_of_botocores_own_errors_tells_the_networks(
    error: Any, transient: bool
) -> None:
    assert is_transient(error) is transient
    assert isinstance(failure(error, "m"), BusyError) is transient


def test_reported_shared_error_becomes_the_functions_own_without_a_trace() -> None:
    with pytest.raises(OurError, match=r"^no bucket$") as caught, reported(OurError):
        raise BusyError("no bucket")
    assert type(caught.value) is OurError
    assert sys.tracebacklimit == 0


def test_reported_narrower_error_stays_and_a_bug_keeps_its_trace() -> None:
    with pytest.raises(NarrowError), reported(OurError):
        raise NarrowError("no such movie")
    with pytest.raises(ZeroDivisionError), reported(OurError):
        1 // 0  # noqa: B018
    assert sys.tracebacklimit == 1000


def test_failing_resource_is_named_with_the_log_and_fits_an_answer() -> None:
    class Context:
        log_stream_name = "the stream"

    event = {"RequestType": "Create", "LogicalResourceId": "Movies"}
    with pytest.raises(OurError) as caught, failing(OurError, event, Context()):
        raise BusyError("é" * 5_000)
    told = str(caught.value)
    assert told.startswith("Movies: é")
    assert told.endswith("é (log stream the stream)")
    assert len(told.encode()) < 1_600  # CloudFormation limits the whole response to 4 KB


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "Expecting property name enclosed in double quotes at line 1, column 2"),
        ("[NaN]", "NaN is no JSON number"),
        ("[-Infinity]", "-Infinity is no JSON number"),
        ("[" * 100_000, "it is nested too deeply"),
        ("9" * 5_000, "a number has too many digits"),
        (b'"\xff"', "it is not UTF-8 text"),
    ],
)
def test_decoded_what_is_no_json_is_refused(text: str | bytes, words: str) -> None:
    with pytest.raises(ValueError, match="^" + words):
        decoded(text)


def test_listed_many_problems_are_cut_and_shown_values_are_short() -> None:
    assert listed(["a", "b"]) == "a; b"
    assert listed(map(str, range(12))).endswith("8; 9; and 2 more")
    assert shown("x" * 100) == '"' + "x" * 56 + "..."
    assert shown("\ud800") == '"\\ud800"'
