"""Every change that the local AWS makes to moto, in one place, each with its reason.

`install` applies them to moto in this process, so that moto's server and `mock_aws` both use them.
A patch that waits for a module (`when_imported`) is applied when a request first needs it: these
modules take longer to import than all others together.
"""

import json
import operator
import re
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from functools import cache, partial, wraps
from importlib.util import find_spec, module_from_spec
from types import SimpleNamespace
from typing import Any, Final

import moto
import moto.cloudwatch.models
import moto.core.responses
import moto.events.models
import moto.logs.models
import moto.s3.notifications
import moto.s3.responses
import moto.s3vectors
import moto.sagemakerruntime.models
import moto.sns.models
from botocore.session import Session
from moto.apigatewayv2.models import apigatewayv2_backends
from moto.awslambda.models import lambda_backends
from moto.backend_index import backend_url_patterns
from moto.core import errors
from moto.core.base_backend import BackendDict
from moto.core.config import default_user_config
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.core.responses import BaseResponse
from moto.core.serialize import BaseJSONSerializer
from moto.emrserverless.models import emrserverless_backends
from moto.events.models import EventPattern, events_backends
from moto.events.utils import EventTemplateParser
from moto.iam.access_control import PermissionResult
from moto.iam.models import iam_backends
from moto.kms.models import kms_backends
from moto.logs.models import logs_backends
from moto.logs.responses import LogsResponse
from moto.moto_server import werkzeug_app
from moto.moto_server.utilities import RegexConverter
from moto.personalize.models import personalize_backends
from moto.s3 import models as s3_models
from moto.s3.responses import S3Response
from moto.sagemaker.models import sagemaker_backends
from moto.scheduler.models import scheduler_backends
from moto.servicequotas.models import servicequotas_backends
from moto.sns.models import sns_backends
from moto.sqs.models import sqs_backends
from moto.sts.models import sts_backends
from wrapt import when_imported

from local_aws import wildcards
from local_aws.api import AwsError, NotImplementedByLocalAws
from local_aws.apigatewayv2.models import LocalApiGatewayV2Backend
from local_aws.awslambda.models import LocalLambdaBackend
from local_aws.cloudformation.models import cloudformation_backends
from local_aws.cloudwatch.models import CloudWatchBackend
from local_aws.emrserverless.models import EmrServerlessBackend
from local_aws.eventbridge.models import EventsBackend
from local_aws.eventbridge.patterns import matches_wildcards
from local_aws.eventbridge.responses import update_event_bus, without_logs
from local_aws.eventbridge.rules import Rule, bounded_template
from local_aws.iam import authorization, reading
from local_aws.iam import errors as iam_errors
from local_aws.iam.models import LocalIAMBackend
from local_aws.kms.models import LocalKmsBackend, with_arn
from local_aws.logs.models import LocalLogsBackend
from local_aws.logs.patterns import FilterPattern
from local_aws.logs.responses import (
    associate_kms_key,
    by_prefix,
    disassociate_kms_key,
    no_exports,
    of_known_days,
    parameter,
)
from local_aws.personalize.models import PersonalizeBackend
from local_aws.s3 import notifications, public_access
from local_aws.s3.models import LocalKey, LocalMultipart, LocalS3Backend
from local_aws.s3vectors.models import s3vectors_backends
from local_aws.sagemaker.models import SageMakerBackend
from local_aws.sagemakerruntime.models import SageMakerRuntimeBackend
from local_aws.scheduler.models import SchedulerBackend
from local_aws.servicequotas.models import ServiceQuotasBackend
from local_aws.sns.models import LocalSnsBackend, LocalSubscription
from local_aws.sqs.models import LocalSqsBackend
from local_aws.stepfunctions import limits
from local_aws.sts.models import LocalSTSBackend
from local_aws.workers import WorkingBackend

# moto's backends that only keep records: each class is replaced by one that trains, serves, runs or
# enforces.
_BACKENDS: Final[tuple[tuple[Any, type], ...]] = (
    (apigatewayv2_backends, LocalApiGatewayV2Backend),
    (emrserverless_backends, EmrServerlessBackend),
    (events_backends, EventsBackend),
    (iam_backends, LocalIAMBackend),
    (kms_backends, LocalKmsBackend),
    (lambda_backends, LocalLambdaBackend),
    (logs_backends, LocalLogsBackend),
    (moto.cloudwatch.models.cloudwatch_backends, CloudWatchBackend),
    (moto.sagemakerruntime.models.sagemakerruntime_backends, SageMakerRuntimeBackend),
    (personalize_backends, PersonalizeBackend),
    (s3_models.s3_backends, LocalS3Backend),
    (sagemaker_backends, SageMakerBackend),
    (scheduler_backends, SchedulerBackend),
    (servicequotas_backends, ServiceQuotasBackend),
    (sns_backends, LocalSnsBackend),
    (sqs_backends, LocalSqsBackend),
    (sts_backends, LocalSTSBackend),
)


def install() -> None:
    """Apply every patch to moto in this process. Harmless when called again."""
    for backends, local in _BACKENDS:
        backends.backend = local
    for patch in PATCHES:
        patch()


def _wrapped_once(function: Any, wrap: Callable[[Any], Callable[..., Any]]) -> Any:
    """The function, wrapped unless it is already, because patches may be applied again."""
    if getattr(function, "is_local", False):
        return function
    wrapped: Any = wraps(function)(wrap(function))
    wrapped.is_local = True
    return wrapped


def _patch_accounts() -> None:
    """moto creates another account as soon as an ARN names it, with over a thousand managed
    policies, and looks there for what an account here may not see."""
    BackendDict._create_account_specific_backend = _wrapped_once(  # type: ignore[method-assign]
        BackendDict._create_account_specific_backend, _of_this_account
    )


def _of_this_account(create: Callable[[Any, str], None]) -> Callable[[Any, str], None]:
    def of_this_account(backends: Any, account_id: str) -> None:
        if account_id != DEFAULT_ACCOUNT_ID:
            raise AwsError(
                "AccessDeniedException",
                f"Nothing of account {account_id} is accessible: this AWS has the account "
                f"{DEFAULT_ACCOUNT_ID} only",
            )
        create(backends, account_id)

    return of_this_account


def _patch_resets() -> None:
    """moto holds a lock while it resets backends, and a thread needs it to look up a backend, so
    backends that wait for the end of such a thread would wait forever."""
    reset = _wrapped_once(BackendDict.__dict__["reset"].__func__, _of_ended_work)
    BackendDict.reset = classmethod(reset)  # type: ignore[assignment]


def _of_ended_work(reset: Callable[[Any], None]) -> Callable[[Any], None]:
    def of_ended_work(cls: Any) -> None:
        for backends in [*cls._instances]:
            for backend in [one for _, _, one in backends.iter_backends()]:
                if isinstance(backend, WorkingBackend):
                    backend.end_work()
        reset(cls)

    return of_ended_work


def _patch_application_autoscaling() -> None:
    """moto registers nonexistent scalable targets, and its module imports ECS and EC2."""

    def replace(module: Any) -> None:
        from local_aws.applicationautoscaling.models import ApplicationAutoScalingBackend

        module.applicationautoscaling_backends.backend = ApplicationAutoScalingBackend

    when_imported("moto.applicationautoscaling.models")(replace)


def _patch_glue() -> None:
    """moto's module imports a validator of JSON schemas."""

    def replace(module: Any) -> None:
        from local_aws.glue.models import GlueBackend

        module.glue_backends.backend = GlueBackend

    when_imported("moto.glue.models")(replace)


def _patch_kms_answers() -> None:
    """moto names a key that is to be deleted, or no longer, as its caller did."""

    def replace(module: Any) -> None:
        for name in ("cancel_key_deletion", "schedule_key_deletion"):
            method = getattr(module.KmsResponse, name)
            setattr(module.KmsResponse, name, _wrapped_once(method, with_arn))

    when_imported("moto.kms.responses")(replace)


def _patch_ssm() -> None:
    """moto's parameters have any value, whatever their patterns say; and its module imports EC2."""

    def replace(module: Any) -> None:
        from local_aws.ssm.models import LocalSsmBackend

        module.ssm_backends.backend = LocalSsmBackend

    when_imported("moto.ssm.models")(replace)


def _patch_api_gateway_paths() -> None:
    """moto answers both API Gateway services at one host, the second by its own responses; and the
    first one's validators take a second to import."""

    def add(module: Any) -> None:
        from local_aws.apigatewayv2 import urls

        module.url_paths.update(urls.url_paths)

    when_imported("moto.apigateway.urls")(add)


def _patch_api_gateway_documents() -> None:
    """moto reads YAML, whose aliases multiply, where a REST API's settings are JSON."""

    def replace(module: Any) -> None:
        module.deserialize_body = lambda _: None

    when_imported("moto.apigateway.utils")(replace)


def _patch_api_gateway_validation() -> None:
    """moto's validation of an OpenAPI document reads the files and addresses that its references
    name, and tells their content in its errors."""

    def replace(module: Any) -> None:
        def validate(_: Any) -> None:
            raise NotImplementedByLocalAws("the validation of OpenAPI documents (failOnWarnings)")

        module.validate = validate

    when_imported("moto.apigateway.models")(replace)


def _patch_cloudformation() -> None:
    """moto's stacks are created at once, without order, replacement or rollback. Its package is
    never run, for it imports every service that a template may name; an empty package takes its
    place, for submodules such as its exceptions."""
    name = "moto.cloudformation"
    if name not in sys.modules:
        spec = find_spec(name)
        assert spec is not None
        sys.modules[name] = moto.cloudformation = module_from_spec(spec)  # type: ignore[attr-defined]
    moto.cloudformation.cloudformation_backends = cloudformation_backends  # type: ignore[attr-defined]


def _patch_regions_of_ec2() -> None:
    """moto, whose SSM needs its EC2, asks three sessions for EC2's regions, each of which reads a
    model of over ten megabytes to learn that its endpoints are called ec2."""
    Session.get_available_regions = _wrapped_once(  # type: ignore[method-assign]
        Session.get_available_regions, _regions
    )


def _regions(find: Callable[..., Any]) -> Callable[..., Any]:
    def regions(session: Any, service_name: str, *arguments: Any, **named: Any) -> Any:
        if service_name != "ec2":
            return find(session, service_name, *arguments, **named)
        endpoints = session._get_internal_component("endpoint_resolver")
        return endpoints.get_available_endpoints("ec2", *arguments, **named)

    return regions


def _patch_managed_policies() -> None:
    """moto leaves AWS's managed policies out unless told; the roles of templates attach them."""
    default_user_config["iam"] = {"load_aws_managed_policies": True}


def _patch_decompression() -> None:
    """moto unpacks a compressed body of any size into memory."""
    BaseResponse.decompress_request_body = reading.unpack  # type: ignore[method-assign,assignment]


def _patch_dynamodb_queries() -> None:
    """moto sorts every item of a table to find those of one partition, and converts each item of
    these several times: some 20 ms for 150 items."""

    def replace(module: Any) -> None:
        from local_aws.dynamodb import queries

        module.Table.query = _wrapped_once(module.Table.query, queries.of_one_partition)
        module.Item.__deepcopy__ = queries.copied
        value = module.DynamoType
        for name, quick in (
            ("__eq__", operator.eq),
            ("__lt__", operator.lt),
            ("size", lambda text: len(text.encode())),
        ):
            method = getattr(value, name)
            setattr(value, name, _wrapped_once(method, partial(queries.of_text, quick=quick)))
        serialize = BaseJSONSerializer._serialize_type_map
        BaseJSONSerializer._serialize_type_map = _wrapped_once(  # type: ignore[method-assign]
            serialize, queries.serializing_scalars
        )

    def expand(module: Any) -> None:
        from local_aws.dynamodb import queries

        module.dynamo_to_dict = _wrapped_once(module.dynamo_to_dict, queries.expanding_scalars)

    when_imported("moto.dynamodb.models.table")(replace)
    when_imported("moto.dynamodb.responses")(expand)


def _patch_dynamodb_checks() -> None:
    """moto finds nothing by a key of another type, takes reserved words for names in queries and
    ignores unused values, and tells the key of a new item among an update's changes."""

    def check_keys(module: Any) -> None:
        from local_aws.dynamodb import checks

        backend = module.DynamoDBBackend
        backend.get_keys_value = _wrapped_once(backend.get_keys_value, checks.of_the_keys_types)

    def check_words(module: Any) -> None:
        from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

        from local_aws.dynamodb import checks

        reserved = ReservedKeywords.get_reserved_keywords
        module.parse_expression = _wrapped_once(
            module.parse_expression, partial(checks.without_reserved_words, reserved=reserved)
        )
        handler = module.DynamoHandler
        used = partial(
            checks.with_used_values,
            parser=module.create_condition_expression_parser,
            check=module.validate_attributes_used,
        )
        handler.put_item = _wrapped_once(handler.put_item, used)
        handler.update_item = _wrapped_once(handler.update_item, checks.without_the_key)

    when_imported("moto.dynamodb.models")(check_keys)
    when_imported("moto.dynamodb.responses")(check_words)


def _patch_dynamodb_numbers() -> None:
    """moto adds numbers with 28 digits, of any size, and none with an exponent."""

    def replace(module: Any) -> None:
        from local_aws.dynamodb import numbers

        for name, wrap in (("__add__", numbers.added), ("__sub__", numbers.subtracted)):
            method = getattr(module.DynamoType, name)
            setattr(module.DynamoType, name, _wrapped_once(method, wrap))

    when_imported("moto.dynamodb.models.dynamo_type")(replace)


def _patch_dynamodb_imports() -> None:
    """moto reads imported JSON by a parser that leaves escapes, such as `\\u00fc`, in its texts."""

    def replace(module: Any) -> None:
        def lines(original: str) -> Iterator[Any]:
            return (json.loads(line) for line in original.split("\n") if line.strip())

        # the import alone takes the parser from here; PartiQL has its own name for it
        module.JsonParser = SimpleNamespace(parse=lines)

    when_imported("py_partiql_parser")(replace)


def _patch_dynamodb_unpacking() -> None:
    """moto unpacks an imported object of any size into memory."""

    def replace(module: Any) -> None:
        from local_aws.dynamodb.imports import unpack

        module.gzip_decompress = unpack

    when_imported("moto.dynamodb.models.table_import")(replace)


def _patch_names_of_methods() -> None:
    """moto looks a class's methods up for every request, among all that the class has."""
    responses: Any = moto.core.responses
    responses.method_names_from_class = _wrapped_once(responses.method_names_from_class, cache)


def _patch_creations() -> None:
    """moto looks whether a name is free and takes it in two steps, between which another request
    may take it; and it changes a DynamoDB item in several."""
    BaseResponse.call_action = _wrapped_once(  # type: ignore[method-assign]
        BaseResponse.call_action, _changing_in_turn
    )


# DynamoDB's operations that change items
_OF_ITEMS: Final = frozenset(
    {
        *("BatchExecuteStatement", "BatchWriteItem", "DeleteItem", "ExecuteStatement"),
        *("ExecuteTransaction", "PutItem", "TransactWriteItems", "UpdateItem"),
    }
)


def _changing_in_turn(answer: Callable[[BaseResponse], Any]) -> Callable[[BaseResponse], Any]:
    turns: defaultdict[str, Any] = defaultdict(threading.RLock)

    def call_action(response: BaseResponse) -> Any:
        action = str(response._get_action())
        if not action.startswith("Create") and action not in _OF_ITEMS:
            return answer(response)
        with turns[response.boto3_service_name]:
            return answer(response)

    return call_action


def _patch_error_codes() -> None:
    """moto warns of errors that a service's model lacks, but that any service may answer."""
    known = errors.COMMON_ERROR_CODES
    known += [code for code in iam_errors.CODES if code not in known]


def _patch_authorization() -> None:
    """moto has no signatures and enforces policies only as an option, for some
    services; and may execute another operation than the one that a router found."""
    if hasattr(BaseResponse.setup_class, "__wrapped__"):
        return
    own: Any = S3Response.setup_class  # reads the region and the bucket after its base class
    S3Response.setup_class = authorization.checked(own)  # type: ignore[method-assign]
    BaseResponse.setup_class = authorization.checked(  # type: ignore[method-assign]
        BaseResponse.setup_class, but=(S3Response,)
    )
    get_action: Any = authorization.judged(BaseResponse._get_action)
    BaseResponse._get_action = get_action  # type: ignore[method-assign]


def _patch_event_buses() -> None:
    """moto's event buses cannot be changed, and are said to log what they do."""

    def replace(module: Any) -> None:
        handler = module.EventsHandler
        handler.create_event_bus = _wrapped_once(handler.create_event_bus, without_logs)
        handler.update_event_bus = without_logs(update_event_bus)

    when_imported("moto.events.responses")(replace)


def _patch_event_rules() -> None:
    """moto's rules send to no function and no topic, and send although they are disabled."""
    moto.events.models.Rule = Rule  # type: ignore[misc]


def _patch_event_wildcards() -> None:
    """moto matches wildcards of patterns by a regular expression that may never end."""
    EventPattern._wildcard_match = staticmethod(matches_wildcards)  # type: ignore[method-assign]


def _patch_event_templates() -> None:
    """moto fills templates of any number of places, each with as much as a whole event."""
    EventTemplateParser.parse = staticmethod(  # type: ignore[method-assign]
        _wrapped_once(EventTemplateParser.parse, bounded_template)
    )


def _patch_names_as_expressions() -> None:
    """moto takes origins of CORS rules and filters of ECR's repositories for regular expressions,
    which may never end."""

    def allows(origin_header: str, allowed_origins: list[str]) -> bool:
        return any(wildcards.matches(one.split("*"), origin_header) for one in allowed_origins)

    moto.s3.responses.cors_matches_origin = allows  # type: ignore[attr-defined]

    def replace(module: Any) -> None:
        module.ECRBackend._match_repository_filter = lambda _, wanted, name: (
            wanted in name or wildcards.matches(wanted.split("*"), name)
        )

    when_imported("moto.ecr.models")(replace)


def _patch_log_exports() -> None:
    """moto exports logs to any bucket, whether its policy lets CloudWatch Logs write or not."""
    LogsResponse.create_export_task = no_exports  # type: ignore[method-assign,assignment]


def _patch_log_filter_patterns() -> None:
    """For moto's filter, every pattern that it cannot read matches each event."""
    moto.logs.models.EventMessageFilter = FilterPattern  # type: ignore[attr-defined,assignment]


def _patch_log_retention() -> None:
    """moto keeps events for any number of days."""
    LogsResponse.put_retention_policy = _wrapped_once(  # type: ignore[method-assign]
        LogsResponse.put_retention_policy, of_known_days
    )


def _patch_log_keys() -> None:
    """moto knows the key of a new log group only, and no other."""
    LogsResponse.associate_kms_key = associate_kms_key  # type: ignore[attr-defined]
    LogsResponse.disassociate_kms_key = disassociate_kms_key  # type: ignore[attr-defined]


def _patch_log_stream_prefixes() -> None:
    """moto's FilterLogEvents ignores `logStreamNamePrefix`."""
    LogsResponse.filter_log_events = _wrapped_once(  # type: ignore[method-assign]
        LogsResponse.filter_log_events, by_prefix
    )


def _patch_log_group_identifiers() -> None:
    """moto finds log groups by name only, not by identifier."""
    LogsResponse._get_param = parameter  # type: ignore[method-assign,assignment]


def _patch_personalize_hosts() -> None:
    """moto does not know the hosts of Personalize's two data planes."""
    planes = (
        "personalize",
        re.compile(r"https?://personalize-(runtime|events)\.(.+)\.amazonaws\.com"),
    )
    if planes not in backend_url_patterns:
        backend_url_patterns.append(planes)


def _patch_s3_objects() -> None:
    """moto keeps objects and uploads in memory; its backend creates them by these names."""
    s3_models.FakeKey = LocalKey  # type: ignore[misc]
    s3_models.FakeMultipart = LocalMultipart  # type: ignore[misc]


def _patch_s3_notifications() -> None:
    """moto sends notifications to functions, queues and topics whose policies do not permit it."""
    module = moto.s3.notifications
    for name, service in (
        ("_invoke_awslambda", "lambda"),
        ("_send_sns_message", "sns"),
        ("_send_sqs_message", "sqs"),
    ):
        wrap = partial(notifications.permitted, service=service)
        setattr(module, name, _wrapped_once(getattr(module, name), wrap))


def _patch_s3_permissions() -> None:
    """moto would evaluate a bucket's policy again, without principal and conditions."""

    def permitted(*_: Any) -> PermissionResult:
        return PermissionResult.PERMITTED

    s3_models.FakeBucket.get_permission = permitted  # type: ignore[method-assign,assignment]


def _patch_s3_new_buckets() -> None:
    """moto's new buckets have neither Block Public Access nor disabled ACLs, as AWS's have."""
    s3_models.FakeBucket.__init__ = _wrapped_once(  # type: ignore[method-assign]
        s3_models.FakeBucket.__init__, _protected
    )


def _protected(create: Callable[..., None]) -> Callable[..., None]:
    def protected(bucket: s3_models.FakeBucket, *arguments: Any, **named: Any) -> None:
        create(bucket, *arguments, **named)
        public_access.protect(bucket)

    return protected


def _patch_s3_vectors() -> None:
    """moto's vector buckets are shared by all regions and store no vectors."""
    moto.s3vectors.s3vectors_backends = s3vectors_backends  # type: ignore[attr-defined,assignment]


def _patch_server_routes() -> None:
    """moto's routes do not match an S3 key that has a line break."""
    werkzeug_app.RegexConverter = _AnyCharacter  # type: ignore[attr-defined]


def _patch_server_cors() -> None:
    """moto's responses allow any web page to read them."""
    werkzeug_app.DISABLE_GLOBAL_CORS = True  # type: ignore[attr-defined]


def _patch_sns_functions() -> None:
    """moto's topics call functions without asking their policies."""
    moto.sns.models.Subscription = LocalSubscription  # type: ignore[misc]


def _patch_step_functions() -> None:
    """moto remembers executions and runs none, unless told; and its interpreter imports Batch and
    EC2, names two executions alike, lets them outlive their state machine, and makes each task's
    calls without credentials."""
    default_user_config["stepfunctions"] = {"execute_state_machine": True}

    def replace(_: object) -> None:
        from moto.stepfunctions.parser.asl.utils import boto_client
        from moto.stepfunctions.parser.models import stepfunctions_parser_backends

        from local_aws.stepfunctions.models import LocalStepFunctionsBackend, boto_client_for

        stepfunctions_parser_backends.backend = LocalStepFunctionsBackend
        theirs = boto_client.boto_client_for
        for name, module in list(sys.modules.items()):  # some modules imported it by name
            if name.startswith("moto.stepfunctions.") and (
                getattr(module, "boto_client_for", None) is theirs
            ):
                module.boto_client_for = boto_client_for  # type: ignore[attr-defined]

    when_imported("moto.stepfunctions.parser.models")(replace)


def _patch_step_functions_ranges() -> None:
    """moto makes the whole array of States.ArrayRange before it refuses more than 1,000 items."""

    def replace(module: Any) -> None:
        module.range = lambda *bounds: range(*bounds)[: _MOST_ITEMS + 1]

    parent = "moto.stepfunctions.parser.asl.component.intrinsic.function.statesfunction.array"
    when_imported(f"{parent}.array_range")(replace)


def _patch_step_functions_limits() -> None:
    """moto's interpreter has Python's formats and JSONPath's extensions, writes texts before it
    refuses their size, and has no limit of threads and histories; and a state may act as any role
    that trusts Step Functions."""
    asl = "moto.stepfunctions.parser.asl"
    functions = f"{asl}.component.intrinsic"
    places: tuple[tuple[str, str, str, Callable[[Any], Any]], ...] = (
        ("moto.stepfunctions.parser.quotas", "", "is_within_size_quota", lambda _: limits.fits),
        (f"{functions}.argument.argument", "ArgumentList", "_eval_argument", limits.bounded),
        (
            f"{asl}.component.common.payload.payloadvalue.payloadtmpl.payload_tmpl",
            "PayloadTmpl",
            "_eval_body",
            limits.bounded,
        ),
        (
            f"{functions}.function.statesfunction.generic.string_format",
            "StringFormat",
            "_eval_body",
            lambda _: limits.formatted,
        ),
        (
            f"{asl}.component.state.exec.state_map.max_concurrency",
            "MaxConcurrencyDecl",
            "_eval_body",
            lambda _: limits.concurrency,
        ),
        (
            f"{asl}.component.state.exec.state_task.credentials",
            "Credentials",
            "_eval_body",
            lambda _: limits.no_credentials,
        ),
        (
            f"{asl}.component.state.exec.state_map.iteration.inline_iteration_component",
            "InlineIterationComponent",
            "_eval_body",
            limits.spread,
        ),
        (
            f"{asl}.component.state.exec.state_parallel.branches_decl",
            "BranchesDecl",
            "_eval_body",
            limits.spread,
        ),
        (f"{asl}.eval.event.event_manager", "EventManager", "add_event", limits.recorded),
        ("jsonpath_ng.ext", "", "parse", limits.parser),
    )
    for name, owner, function, wrap in places:

        def replace(
            module: Any, owner: str = owner, name: str = function, wrap: Any = wrap
        ) -> None:
            holder = getattr(module, owner) if owner else module
            setattr(holder, name, _wrapped_once(getattr(holder, name), wrap))

        when_imported(name)(replace)


_MOST_ITEMS: Final = 1000  # of an array that States.ArrayRange makes


class _AnyCharacter(RegexConverter):
    """A part of a URL pattern, in which a dot also matches a line break."""

    def __init__(self, url_map: Any, *patterns: str) -> None:
        super().__init__(url_map, *patterns)
        self.regex = f"(?s:{self.regex})"


PATCHES: Final[tuple[Callable[[], None], ...]] = (
    _patch_accounts,
    _patch_resets,
    _patch_application_autoscaling,
    _patch_api_gateway_paths,
    _patch_api_gateway_documents,
    _patch_api_gateway_validation,
    _patch_cloudformation,
    _patch_regions_of_ec2,
    _patch_managed_policies,
    _patch_names_of_methods,
    _patch_decompression,
    _patch_dynamodb_checks,
    _patch_dynamodb_imports,
    _patch_dynamodb_numbers,
    _patch_dynamodb_queries,
    _patch_dynamodb_unpacking,
    _patch_creations,
    _patch_error_codes,
    _patch_authorization,
    _patch_event_buses,
    _patch_event_rules,
    _patch_event_wildcards,
    _patch_event_templates,
    _patch_glue,
    _patch_kms_answers,
    _patch_ssm,
    _patch_names_as_expressions,
    _patch_log_exports,
    _patch_log_filter_patterns,
    _patch_log_keys,
    _patch_log_retention,
    _patch_log_stream_prefixes,
    _patch_log_group_identifiers,
    _patch_personalize_hosts,
    _patch_s3_objects,
    _patch_s3_notifications,
    _patch_s3_permissions,
    _patch_s3_new_buckets,
    _patch_s3_vectors,
    _patch_server_routes,
    _patch_server_cors,
    _patch_sns_functions,
    _patch_step_functions,
    _patch_step_functions_ranges,
    _patch_step_functions_limits,
)
