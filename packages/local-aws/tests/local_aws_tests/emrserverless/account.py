"""An account's roles, buckets, applications and job runs, as these tests need them."""

import itertools
import json
import time
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws import clients
from local_aws.emrserverless import spark

REGION, ACCOUNT = "us-east-1", "123456789012"
BUCKET = "ratings"
ENDED = ("SUCCESS", "FAILED", "CANCELLED")
CHEAP = (
    "--conf spark.driver.memory=1g --conf spark.driver.cores=1 --conf spark.executor.cores=2 "
    "--conf spark.executor.memory=2g --conf spark.executor.instances=2 "
    "--conf spark.sql.shuffle.partitions=1 "
    "--conf spark.driver.extraJavaOptions=-XX:TieredStopAtLevel=1"
)
_numbers = itertools.count()


def application_of(api: Any, **settings: Any) -> str:
    request = {"type": "SPARK", "releaseLabel": spark.RELEASE, **settings}
    name: str = api.create_application(**request)["applicationId"]
    return name


def put(key: str, body: str | bytes) -> str:
    body = body if isinstance(body, bytes) else body.encode()
    clients.client("s3", REGION).put_object(Bucket=BUCKET, Key=key, Body=body)
    return f"s3://{BUCKET}/{key}"


def keys(prefix: str) -> list[str]:
    found = clients.client("s3", REGION).list_objects_v2(Bucket=BUCKET, Prefix=prefix)
    return [one["Key"] for one in found.get("Contents", [])]


def allow(actions: str, *resources: str) -> dict[str, Any]:
    return {"Effect": "Allow", "Action": actions.split(), "Resource": list(resources)}


def role(*statements: dict[str, Any], service: str = "emr-serverless") -> str:
    """The ARN of a new role that the service may assume."""
    iam, name = clients.client("iam", REGION), f"job-{next(_numbers)}"
    trust = {"Effect": "Allow", "Principal": {"Service": f"{service}.amazonaws.com"}}
    trust["Action"] = "sts:AssumeRole"
    arn: str = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
    )["Role"]["Arn"]
    if statements:
        policy = json.dumps({"Version": "2012-10-17", "Statement": statements})
        iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy)
    return arn


def of_bucket(*prefixes: str) -> list[dict[str, Any]]:
    objects = [f"arn:aws:s3:::{BUCKET}/{prefix}*" for prefix in prefixes]
    return [
        allow("s3:ListBucket", f"arn:aws:s3:::{BUCKET}"),
        allow("s3:GetObject s3:PutObject s3:DeleteObject", *objects),
    ]


def request(application: str, entry: str, arn: str, *arguments: str, **more: Any) -> dict[str, Any]:
    parameters = f"{CHEAP} {more.pop('parameters', '')}"
    return {
        "applicationId": application,
        "executionRoleArn": arn,
        "jobDriver": {
            "sparkSubmit": {
                "entryPoint": entry,
                "entryPointArguments": list(arguments),
                "sparkSubmitParameters": parameters,
            }
        },
        **more,
    }


def shown(api: Any, run: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = api.get_job_run(
        applicationId=run["applicationId"], jobRunId=run["jobRunId"]
    )["jobRun"]
    return found


def ended(api: Any, run: dict[str, Any]) -> dict[str, Any]:
    while (found := shown(api, run))["state"] not in ENDED:
        time.sleep(0.1)
    return found


def refused(call: Any, **parameters: Any) -> tuple[str, str]:
    with pytest.raises(ClientError) as told:
        call(**parameters)
    return told.value.response["Error"]["Code"], told.value.response["Error"]["Message"]
