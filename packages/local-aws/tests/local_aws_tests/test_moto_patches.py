"""Each change to moto: what moto does without it, and what it does with it."""

import json
import subprocess
import sys
from typing import Any

import pytest

from local_aws import moto_patches
from local_aws.moto_patches import PATCHES, install

LAZY = """
import sys
from local_aws.moto_patches import install
install()
import local_aws.server
print(*(name for name in sys.argv[1:] if name in sys.modules))
"""

_RANGES = (
    "moto.stepfunctions.parser.asl.component.intrinsic.function.statesfunction.array.array_range"
)

# For each patch, code that sets `told`: false with moto as it is, true with moto as patched.
# For a lazy patch, it imports the module that the patch waits for.
EFFECTS = {
    "_patch_accounts": """
from moto.iam.models import iam_backends
try:
    iam_backends["999999999999"]
except Exception as error:
    told = error.code == "AccessDeniedException"
""",
    "_patch_resets": """
import threading
from local_aws.workers import WorkingBackend
from moto.core.base_backend import BackendDict, backend_lock
class Backend(WorkingBackend):
    free = []
    def end_work(self):
        def look_up():
            self.free.append(backend_lock.acquire(blocking=False))
            if self.free[-1]:
                backend_lock.release()
        thread = threading.Thread(target=look_up)
        thread.start()
        thread.join()
BackendDict(Backend, "ec2")["123456789012"]["us-east-1"]
BackendDict.reset()
told = Backend.free[0]
""",
    "_patch_application_autoscaling": """
import moto.applicationautoscaling.models as m
told = m.applicationautoscaling_backends.backend.__module__.startswith("local_aws.")
""",
    "_patch_glue": """
import moto.glue.models as m
told = m.glue_backends.backend.__module__.startswith("local_aws.")
""",
    "_patch_kms_answers": """
import boto3
from moto import mock_aws
with mock_aws():
    kms = boto3.client("kms", "us-east-1")
    key = kms.create_key()["KeyMetadata"]
    told = kms.schedule_key_deletion(KeyId=key["KeyId"])["KeyId"] == key["Arn"]
""",
    "_patch_log_keys": """
from moto.logs.responses import LogsResponse
told = hasattr(LogsResponse, "associate_kms_key")
""",
    "_patch_event_buses": """
from moto.events.responses import EventsHandler
told = hasattr(EventsHandler, "update_event_bus")
""",
    "_patch_ssm": """
import moto.ssm.models as m
told = m.ssm_backends.backend.__module__.startswith("local_aws.")
""",
    "_patch_api_gateway_paths": """
import moto.apigateway.urls as m
from local_aws.apigatewayv2 import urls
told = bool(urls.url_paths) and urls.url_paths.items() <= m.url_paths.items()
""",
    "_patch_api_gateway_documents": """
import moto.apigateway.utils as m
told = m.deserialize_body("openapi: 3.0.0") is None
""",
    "_patch_api_gateway_validation": """
import moto.apigateway.models as m
try:
    m.validate({})
except Exception as error:
    told = getattr(error, "code", "") == "NotImplementedByLocalAws"
""",
    "_patch_cloudformation": """
import moto.cloudformation
told = "moto.cloudformation.parsing" not in sys.modules
""",
    "_patch_regions_of_ec2": """
from botocore.loaders import Loader
from botocore.session import Session
load, read = Loader.load_service_model, []
Loader.load_service_model = lambda *told, **more: read.append(told) or load(*told, **more)
found = Session().get_available_regions("ec2", partition_name="aws-cn")
told = found == ["cn-north-1", "cn-northwest-1"] and read == []
""",
    "_patch_managed_policies": """
import boto3
from moto.iam.models import iam_backends
told = "arn:aws:iam::aws:policy/AmazonS3ReadOnlyAccess" in (
    iam_backends["123456789012"]["aws"].managed_policies)
""",
    "_patch_names_of_methods": """
import inspect
from moto.core import responses
from moto.sns.responses import SNSResponse
look, looked = inspect.getmembers, []
inspect.getmembers = lambda *told, **more: looked.append(told) or look(*told, **more)
found = [responses.method_names_from_class(SNSResponse) for _ in range(3)]
told = "publish" in found[2] and len(looked) == 1
""",
    "_patch_decompression": """
import gzip
from moto.core.request import Request
from moto.core.responses import BaseResponse
packed = gzip.compress(b"0" * 17 * 1024**2)
request = Request({"REQUEST_METHOD": "POST", "wsgi.input": io.BytesIO(packed),
    "CONTENT_LENGTH": str(len(packed)), "HTTP_CONTENT_ENCODING": "gzip", "wsgi.url_scheme": "http",
    "SERVER_NAME": "monitoring.us-east-1.amazonaws.com", "SERVER_PORT": "80", "PATH_INFO": "/"})
response = BaseResponse(service_name="cloudwatch")
response.allow_request_decompression = True
try:
    response.decompress_request_body(request)
except Exception as error:
    told = "larger than" in error.get_body()
""",
    "_patch_creations": """
import threading
from moto.core.responses import BaseResponse
class Slow(BaseResponse):
    inside, most, action = 0, 0, ""
    response_headers, boto3_service_name = {}, "slow"
    def _get_action(self):
        return self.action
    def _authenticate_and_authorize_normal_action(self, resource):
        pass
    def create_thing(self):
        Slow.inside += 1
        Slow.most = max(Slow.most, Slow.inside)
        threading.Event().wait(0.2)
        Slow.inside -= 1
        return ""
    update_item = create_thing
for Slow.action in ("CreateThing", "UpdateItem"):
    threads = [threading.Thread(target=Slow("slow").call_action) for _ in range(2)]
    [one.start() for one in threads]
    [one.join() for one in threads]
told = Slow.most == 1
""",
    "_patch_dynamodb_checks": """
with moto.mock_aws():
    dynamodb = boto3.client("dynamodb", region_name="us-east-1")
    dynamodb.create_table(
        TableName="table",
        BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}],
    )
    try:
        dynamodb.get_item(TableName="table", Key={"k": {"N": "1"}})
    except Exception as error:
        told = "does not match the schema" in str(error)
""",
    "_patch_dynamodb_numbers": """
from moto.dynamodb.models.dynamo_type import DynamoType
try:
    told = (DynamoType({"N": "1E2"}) + DynamoType({"N": "1"})).value == "101"
except ValueError:
    pass
""",
    "_patch_dynamodb_queries": """
from moto.dynamodb.models.table import Table
seen, all_items = [], Table.all_items
Table.all_items = lambda table: seen.append(list(table.items)) or all_items(table)
with moto.mock_aws():
    api = boto3.client("dynamodb", region_name="us-east-1")
    api.create_table(TableName="t", BillingMode="PAY_PER_REQUEST",
        AttributeDefinitions=[{"AttributeName": "k", "AttributeType": "S"}],
        KeySchema=[{"AttributeName": "k", "KeyType": "HASH"}])
    for key in "ab":
        api.put_item(TableName="t", Item={"k": {"S": key}})
    seen.clear()
    found = [api.query(TableName="t", KeyConditionExpression="k = :k",
        ExpressionAttributeValues={":k": {"S": key}})["Count"] for key in "ac"]
told = found == [1, 0] and max(map(len, seen), default=0) < 2
""",
    "_patch_dynamodb_imports": """
from py_partiql_parser import JsonParser
read = JsonParser.parse('{"title": "M' + chr(92) + 'u00fcller"}')
told = list(read) == [{"title": "M" + chr(252) + "ller"}]
""",
    "_patch_dynamodb_unpacking": """
import gzip
import moto.dynamodb.models.table_import as m
try:
    m.gzip_decompress(gzip.compress(b" " * (128 * 1024**2 + 1), 1))
except Exception as error:
    told = error.code == "NotImplementedByLocalAws"
""",
    "_patch_error_codes": """
from moto.core import errors
told = "SignatureDoesNotMatch" in errors.COMMON_ERROR_CODES
""",
    "_patch_authorization": """
import requests
with moto.mock_aws():
    address = "https://sqs.us-east-1.amazonaws.com/"
    answer = requests.post(address, data={"Action": "ListQueues", "Version": "2012-11-05"})
told = "MissingAuthenticationToken" in answer.text
""",
    "_patch_event_rules": """
with moto.mock_aws():
    events, sqs = (boto3.client(name, region_name="us-east-1") for name in ("events", "sqs"))
    url = sqs.create_queue(QueueName="q")["QueueUrl"]
    events.put_rule(Name="r", EventPattern='{"source": ["mine"]}', State="DISABLED")
    queue = "arn:aws:sqs:us-east-1:123456789012:q"
    events.put_targets(Rule="r", Targets=[{"Id": "1", "Arn": queue}])
    events.put_events(Entries=[{"Source": "mine", "DetailType": "x", "Detail": "{}"}])
    told = "Messages" not in sqs.receive_message(QueueUrl=url)
""",
    "_patch_event_wildcards": """
from moto.events.models import EventPattern
told = EventPattern._wildcard_match.__module__.startswith("local_aws.")
""",
    "_patch_log_exports": """
with moto.mock_aws():
    boto3.client("s3", region_name="us-east-1").create_bucket(Bucket="exports")
    logs = boto3.client("logs", region_name="us-east-1")
    logs.create_log_group(logGroupName="g")
    try:
        logs.create_export_task(logGroupName="g", fromTime=0, to=1, destination="exports")
    except Exception as error:
        told = "FilterLogEvents" in str(error)
""",
    "_patch_log_filter_patterns": """
told = matched("{ $.level = 9 }", '{"level": 1}') == []
""",
    "_patch_log_retention": """
with moto.mock_aws():
    logs = boto3.client("logs", region_name="us-east-1")
    logs.create_log_group(logGroupName="g")
    try:
        logs.put_retention_policy(logGroupName="g", retentionInDays=2)
    except Exception as error:
        told = "Invalid retention value 2" in str(error)
""",
    "_patch_log_stream_prefixes": """
told = matched("", "a line", logStreamNamePrefix="other") == []
""",
    "_patch_log_group_identifiers": """
try:
    told = matched("", "a line", group="logGroupIdentifier") == ["a line"]
except Exception:
    told = False
""",
    "_patch_personalize_hosts": """
from moto.backend_index import backend_url_patterns
host = "https://personalize-events.us-east-1.amazonaws.com"
told = any(pattern.match(host) for _, pattern in backend_url_patterns)
""",
    "_patch_s3_notifications": """
from moto.s3 import notifications
told = "local_aws" in notifications._invoke_awslambda.__code__.co_filename
""",
    "_patch_sns_functions": """
import moto.sns.models as m
told = m.Subscription.__module__.startswith("local_aws.")
""",
    "_patch_s3_objects": """
from moto.s3 import models
told = models.FakeKey.__module__.startswith("local_aws.")
""",
    "_patch_s3_permissions": """
from moto.s3.models import FakeBucket
bucket = FakeBucket("b", "123456789012", "us-east-1")
bucket.policy = json.dumps({"Statement": [{"Effect": "Deny", "Principal": "*",
    "Action": "s3:GetObject", "Resource": "*"}]}).encode()
told = bucket.get_permission("s3:GetObject", "arn:aws:s3:::b/k").name == "PERMITTED"
""",
    "_patch_s3_new_buckets": """
from moto.s3.models import FakeBucket
told = FakeBucket("b", "123456789012", "us-east-1").public_access_block is not None
""",
    "_patch_s3_vectors": """
import moto.s3vectors
told = "eu-west-1" in moto.s3vectors.s3vectors_backends["123456789012"].regions
""",
    "_patch_server_routes": """
from moto.moto_server import werkzeug_app
from werkzeug.routing import Map, Rule
routes = Map([Rule("/<regex('.+'):key>", endpoint="key")],
    converters={"regex": werkzeug_app.RegexConverter})
try:
    told = routes.bind("localhost").match("/a\\nb") == ("key", {"key": "a\\nb"})
except Exception:
    pass
""",
    "_patch_server_cors": """
from moto.moto_server import werkzeug_app
client = werkzeug_app.create_backend_app("sqs").test_client()
told = "Access-Control-Allow-Origin" not in client.get("/none").headers
""",
    "_patch_step_functions": """
import moto.stepfunctions.parser.models as m
told = m.stepfunctions_parser_backends.backend.__module__.startswith("local_aws.")
""",
    "_patch_step_functions_ranges": f"""
import {_RANGES} as m
told = len(list(getattr(m, "range", range)(1, 10**6, 1))) == 1001
""",
    "_patch_step_functions_limits": """
import jsonpath_ng.ext
try:
    jsonpath_ng.ext.parse("$.text * 1000000000")
except Exception as error:
    told = getattr(error, "code", "") == "NotImplementedByLocalAws"
""",
    "_patch_event_templates": """
from moto.events.utils import EventTemplateParser
event = {"detail": "x" * 2**20, "ingestion-time": 0}
try:
    EventTemplateParser.parse('{"a": "' + "<a>" * 20 + '"}', {"a": "$.detail"}, event)
except Exception as error:
    told = getattr(error, "code", "") == "NotImplementedByLocalAws"
""",
    "_patch_names_as_expressions": """
import moto.s3.responses as s3
from moto.ecr.models import ecr_backends
ecr = ecr_backends["123456789012"]["us-east-1"]
told = not s3.cors_matches_origin("http://aa", ["http://a+"]) and (
    not ecr._match_repository_filter("a+x", "aax"))
""",
}
PROGRAM = """
import io, json, sys, boto3, moto
def matched(pattern, line, group="logGroupName", **asked):
    with moto.mock_aws():
        logs = boto3.client("logs", region_name="us-east-1")
        logs.create_log_group(logGroupName="g")
        logs.create_log_stream(logGroupName="g", logStreamName="s")
        logs.put_log_events(logGroupName="g", logStreamName="s",
            logEvents=[{"timestamp": int(__import__("time").time() * 1000), "message": line}])
        asked[group] = "g"
        return [one["message"] for one in
            logs.filter_log_events(filterPattern=pattern, **asked)["events"]]
def effect(code):
    names = {**globals(), "told": False}
    exec(code, names)
    return names["told"]
all = json.loads(sys.stdin.read())
"""


def effects(*, installed: bool) -> dict[str, bool]:
    """What each patch's code tells, in a process with moto as it is or as patched."""
    program = PROGRAM + ("from local_aws.moto_patches import install; install()\n" * installed)
    done = subprocess.run(
        [sys.executable, "-c", program + "print(json.dumps({p: effect(c) for p, c in all}))"],
        input=json.dumps(list(EFFECTS.items())),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    told: dict[str, bool] = json.loads(done.stdout)
    return told


def test_install_leaves_the_slowest_of_motos_services_to_their_first_request() -> None:
    slow = ["moto.ec2", "moto.ecs", "moto.batch", "moto.stepfunctions.parser.models"]
    slow += ["moto.apigateway.models", "moto.cloudformation.models"]
    command = [sys.executable, "-c", LAZY, "moto.s3", *slow]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["moto.s3"]


def test_every_patch_has_a_reason_and_a_test() -> None:
    assert sorted(EFFECTS) == sorted(patch.__name__ for patch in PATCHES)
    assert [patch.__name__ for patch in PATCHES if "moto" not in (patch.__doc__ or "")] == []


def test_backends_after_install_are_the_local_ones() -> None:
    install()
    for backends, local in moto_patches._BACKENDS:
        place: Any = "aws" if "aws" in backends["123456789012"].regions else "us-east-1"
        assert type(backends["123456789012"][place]) is local


@pytest.mark.slow
def test_each_patch_changes_what_moto_does() -> None:
    assert effects(installed=False) == dict.fromkeys(EFFECTS, False)
    assert effects(installed=True) == dict.fromkeys(EFFECTS, True)
