"""Each resource type made, changed and deleted, and looked at through its own service."""

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError

from local_aws.cloudformation import resources as known
from local_aws.cloudformation import schemas
from local_aws.cloudformation.resources.base import Call
from local_aws_tests.cloudformation.conftest import REGION, Stacks, role

ACCOUNT = "123456789012"
PASS = {
    "StartAt": "P",
    "States": {"P": {"Type": "Pass", "Result": "${word}", "End": True}},
}


def test_supported_properties_exist_in_awss_schemas() -> None:
    for name, handler in known._HANDLERS.items():
        if name == "AWS::CloudFormation::CustomResource":
            continue
        schema = schemas.schema(name, REGION)
        assert handler.supported <= schema.settable, name
        assert schema.required <= handler.supported, name


def test_bucket_settings(stacks: Stacks) -> None:
    def bucket(**properties: Any) -> dict[str, Any]:
        return {"B": {"Type": "AWS::S3::Bucket", "Properties": properties}}

    access = dict.fromkeys(
        ("BlockPublicAcls", "BlockPublicPolicy", "IgnorePublicAcls", "RestrictPublicBuckets"), True
    )
    rules = [
        {"Id": "old", "Status": "Enabled", "NoncurrentVersionExpirationInDays": 30},
        {
            "Id": "all",
            "Status": "Enabled",
            "Prefix": "tmp/",
            "ExpirationInDays": "7",
            "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
            "Transitions": [{"StorageClass": "GLACIER", "TransitionInDays": 3}],
        },
    ]
    default = {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    stack = stacks.create(
        bucket(
            AccessControl="Private",
            BucketEncryption={
                "ServerSideEncryptionConfiguration": [{**default, "BucketKeyEnabled": "true"}]
            },
            CorsConfiguration={
                "CorsRules": [
                    {
                        "AllowedMethods": ["GET"],
                        "AllowedOrigins": ["*"],
                        "ExposedHeaders": ["ETag"],
                        "MaxAge": 60,
                    }
                ]
            },
            LifecycleConfiguration={"Rules": rules},
            OwnershipControls={"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            PublicAccessBlockConfiguration=access,
            Tags=[{"Key": "a", "Value": "1"}],
            VersioningConfiguration={"Status": "Enabled"},
        ),
        Outputs={
            name: {"Value": {"Fn::GetAtt": ["B", name]}}
            for name in ("Arn", "DomainName", "RegionalDomainName")
        },
    )
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    s3, name = stacks.client("s3"), stacks.physical_id(stack, "B")
    assert name.startswith(f"{stack['StackName']}-b-") and len(name) <= 63
    assert stacks.outputs(stack) == {
        "Arn": f"arn:aws:s3:::{name}",
        "DomainName": f"{name}.s3.amazonaws.com",
        "RegionalDomainName": f"{name}.s3.{REGION}.amazonaws.com",
    }
    encryption = s3.get_bucket_encryption(Bucket=name)["ServerSideEncryptionConfiguration"]
    assert encryption["Rules"][0]["ApplyServerSideEncryptionByDefault"] == {
        "SSEAlgorithm": "AES256"
    }
    assert encryption["Rules"][0]["BucketKeyEnabled"] is True
    assert s3.get_public_access_block(Bucket=name)["PublicAccessBlockConfiguration"] == access
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Enabled"
    assert s3.get_bucket_tagging(Bucket=name)["TagSet"] == [{"Key": "a", "Value": "1"}]
    cors = s3.get_bucket_cors(Bucket=name)["CORSRules"][0]
    assert (cors["ExposeHeaders"], cors["MaxAgeSeconds"]) == (["ETag"], 60)
    stored = {r["ID"]: r for r in s3.get_bucket_lifecycle_configuration(Bucket=name)["Rules"]}
    assert stored["old"]["NoncurrentVersionExpiration"] == {"NoncurrentDays": 30}
    assert stored["all"]["Expiration"]["Days"] == 7
    assert stored["all"]["Filter"]["Prefix"] == "tmp/"
    assert stored["all"]["Transitions"] == [{"Days": 3, "StorageClass": "GLACIER"}]
    updated = stacks.update(stack["StackName"], bucket(PublicAccessBlockConfiguration=access))
    assert updated["StackStatus"] == "UPDATE_COMPLETE", stacks.failures(stack)
    assert stacks.physical_id(stack, "B") == name
    assert s3.get_bucket_versioning(Bucket=name)["Status"] == "Suspended"
    for read in (s3.get_bucket_tagging, s3.get_bucket_lifecycle_configuration, s3.get_bucket_cors):
        with pytest.raises(ClientError):
            read(Bucket=name)
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"


def test_existing_bucket_is_not_adopted(stacks: Stacks) -> None:
    stacks.client("s3").create_bucket(Bucket="taken")
    stack = stacks.create({"B": {"Type": "AWS::S3::Bucket", "Properties": {"BucketName": "taken"}}})
    assert stack["StackStatus"] == "ROLLBACK_COMPLETE"
    assert stacks.reason(stack, "B", "CREATE_FAILED") == "taken already exists"
    stacks.client("s3").head_bucket(Bucket="taken")


def test_roles_and_policies(stacks: Stacks) -> None:
    def policy(action: str) -> dict[str, Any]:
        statement = {"Effect": "Allow", "Action": action, "Resource": "*"}
        return {"Version": "2012-10-17", "Statement": [statement]}

    def resources(action: str, managed: list[str], session: int) -> dict[str, Any]:
        inline = [{"PolicyName": "own", "PolicyDocument": policy(action)}]
        return {
            "R": role(Policies=inline, ManagedPolicyArns=managed, MaxSessionDuration=session),
            "Other": role(),
            "P": {
                "Type": "AWS::IAM::Policy",
                "Properties": {
                    "PolicyName": "shared",
                    "PolicyDocument": policy(action),
                    "Roles": [{"Ref": "R"}, {"Ref": "Other"}],
                },
            },
            "M": {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {"PolicyDocument": policy(action), "Roles": [{"Ref": "Other"}]},
            },
        }

    basic = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"
    stack = stacks.create(
        resources("s3:GetObject", [basic], 3600),
        Outputs={"Arn": {"Value": {"Fn::GetAtt": "R.Arn"}}, "M": {"Value": {"Ref": "M"}}},
    )
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    iam = stacks.client("iam")
    name, other = stacks.physical_id(stack, "R"), stacks.physical_id(stack, "Other")
    assert stacks.outputs(stack)["Arn"] == f"arn:aws:iam::{ACCOUNT}:role/{name}"
    attached = iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"]
    assert [p["PolicyArn"] for p in attached] == [basic]
    assert sorted(iam.list_role_policies(RoleName=name)["PolicyNames"]) == ["own", "shared"]
    stacks.update(stack["StackName"], resources("s3:PutObject", [], 7200))
    assert iam.get_role(RoleName=name)["Role"]["MaxSessionDuration"] == 7200
    assert iam.list_attached_role_policies(RoleName=name)["AttachedPolicies"] == []
    for holder, inline in ((name, "own"), (name, "shared"), (other, "shared")):
        document = iam.get_role_policy(RoleName=holder, PolicyName=inline)["PolicyDocument"]
        assert document["Statement"][0]["Action"] == "s3:PutObject"
    arn = stacks.outputs(stack)["M"]
    version = iam.get_policy(PolicyArn=arn)["Policy"]["DefaultVersionId"]
    shown = iam.get_policy_version(PolicyArn=arn, VersionId=version)["PolicyVersion"]["Document"]
    assert shown["Statement"][0]["Action"] == "s3:PutObject"
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"
    for gone in (name, other):
        with pytest.raises(ClientError, match="NoSuchEntity"):
            iam.get_role(RoleName=gone)


def test_functions_layers_versions_aliases_permissions(stacks: Stacks) -> None:
    def resources(source: str, **settings: Any) -> dict[str, Any]:
        return {
            "Role": role(),
            "F": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "Runtime": "python3.14",
                    "Handler": "index.handler",
                    "Code": {"ZipFile": source},
                    "Role": {"Fn::GetAtt": "Role.Arn"},
                    **settings,
                },
            },
            "P": {
                "Type": "AWS::Lambda::Permission",
                "Properties": {
                    "FunctionName": {"Ref": "F"},
                    "Action": "lambda:InvokeFunction",
                    "Principal": "s3.amazonaws.com",
                },
            },
            "E": {
                "Type": "AWS::Lambda::EventInvokeConfig",
                "Properties": {
                    "FunctionName": {"Ref": "F"},
                    "Qualifier": "$LATEST",
                    "MaximumRetryAttempts": 0,
                },
            },
            "V": {"Type": "AWS::Lambda::Version", "Properties": {"FunctionName": {"Ref": "F"}}},
            "A": {
                "Type": "AWS::Lambda::Alias",
                "Properties": {
                    "FunctionName": {"Ref": "F"},
                    "FunctionVersion": {"Fn::GetAtt": "V.Version"},
                    "Name": "live",
                },
            },
        }

    first = "def handler(event, context):\n    return 'one'\n"
    stack = stacks.create(
        resources(
            first, Timeout=9, MemorySize=256, Environment={"Variables": {"AB": 1, "CD": True}}
        ),
        Outputs={"Arn": {"Value": {"Fn::GetAtt": "F.Arn"}}},
    )
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    client, name = stacks.client("lambda"), stacks.physical_id(stack, "F")
    assert stacks.outputs(stack)["Arn"] == f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:{name}"
    configuration = client.get_function_configuration(FunctionName=name)
    assert (configuration["Timeout"], configuration["MemorySize"]) == (9, 256)
    assert configuration["Environment"]["Variables"] == {"AB": "1", "CD": "true"}
    assert client.get_alias(FunctionName=name, Name="live")["FunctionVersion"] == "1"
    policy = json.loads(client.get_policy(FunctionName=name)["Policy"])
    assert policy["Statement"][0]["Principal"] == {"Service": "s3.amazonaws.com"}
    event = client.get_function_event_invoke_config(FunctionName=name)
    assert event["MaximumRetryAttempts"] == 0
    second = first.replace("one", "two")
    updated = stacks.update(stack["StackName"], resources(second, Timeout=10))
    assert updated["StackStatus"] == "UPDATE_COMPLETE", stacks.failures(stack)
    assert stacks.physical_id(stack, "F") == name
    configuration = client.get_function_configuration(FunctionName=name)
    assert (configuration["Timeout"], configuration["MemorySize"]) == (10, 128)
    assert configuration.get("Environment", {}).get("Variables", {}) == {}
    answer = client.invoke(FunctionName=name)["Payload"].read()
    assert json.loads(answer) == "two"
    old = client.invoke(FunctionName=name, Qualifier="live")["Payload"].read()
    assert json.loads(old) == "one"
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE", stacks.failures(stack)
    with pytest.raises(ClientError, match="ResourceNotFound"):
        client.get_function(FunctionName=name)


def test_log_groups(stacks: Stacks) -> None:
    def group(**properties: Any) -> dict[str, Any]:
        return {"L": {"Type": "AWS::Logs::LogGroup", "Properties": properties}}

    stack = stacks.create(
        group(LogGroupName="/mine", RetentionInDays="7", Tags=[{"Key": "a", "Value": "1"}]),
        Outputs={"Arn": {"Value": {"Fn::GetAtt": "L.Arn"}}},
    )
    logs = stacks.client("logs")
    assert stacks.outputs(stack)["Arn"] == f"arn:aws:logs:{REGION}:{ACCOUNT}:log-group:/mine:*"
    shown = logs.describe_log_groups(logGroupNamePrefix="/mine")["logGroups"][0]
    assert shown["retentionInDays"] == 7
    stacks.update(
        stack["StackName"], group(LogGroupName="/mine", Tags=[{"Key": "b", "Value": "2"}])
    )
    shown = logs.describe_log_groups(logGroupNamePrefix="/mine")["logGroups"][0]
    assert "retentionInDays" not in shown
    arn = shown["arn"].removesuffix(":*")
    assert logs.list_tags_for_resource(resourceArn=arn)["tags"] == {"b": "2"}
    again = stacks.create(group(LogGroupName="/mine"))
    assert "already exists" in stacks.reason(again, "L", "CREATE_FAILED")
    # the failed one was not ours to delete
    assert logs.describe_log_groups(logGroupNamePrefix="/mine")["logGroups"]
    stacks.delete(stack)
    assert logs.describe_log_groups(logGroupNamePrefix="/mine")["logGroups"] == []


def test_state_machines(stacks: Stacks) -> None:
    def resources(word: str) -> dict[str, Any]:
        return {
            "Role": role(),
            "S": {
                "Type": "AWS::StepFunctions::StateMachine",
                "Properties": {
                    "RoleArn": {"Fn::GetAtt": "Role.Arn"},
                    "DefinitionString": json.dumps(PASS),
                    "DefinitionSubstitutions": {"word": word},
                },
            },
        }

    stack = stacks.create(resources("one"), Outputs={"Name": {"Value": {"Fn::GetAtt": "S.Name"}}})
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    machine, arn = stacks.client("stepfunctions"), stacks.physical_id(stack, "S")
    shown = machine.describe_state_machine(stateMachineArn=arn)
    assert stacks.outputs(stack)["Name"] == shown["name"]
    assert json.loads(shown["definition"])["States"]["P"]["Result"] == "one"
    stacks.update(stack["StackName"], resources("two"))
    shown = machine.describe_state_machine(stateMachineArn=arn)
    assert json.loads(shown["definition"])["States"]["P"]["Result"] == "two"
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"
    assert machine.list_state_machines()["stateMachines"] == []


def test_repositories(stacks: Stacks) -> None:
    def resources(mutability: str, **more: Any) -> dict[str, Any]:
        properties = {"RepositoryName": "images", "ImageTagMutability": mutability, **more}
        return {"R": {"Type": "AWS::ECR::Repository", "Properties": properties}}

    untagged = {
        "tagStatus": "untagged",
        "countType": "sinceImagePushed",
        "countUnit": "days",
        "countNumber": 30,
    }
    rule = {"rulePriority": 1, "selection": untagged, "action": {"type": "expire"}}
    text = json.dumps({"rules": [rule]})
    stack = stacks.create(
        resources("IMMUTABLE", LifecyclePolicy={"LifecyclePolicyText": text}),
        Outputs={"Uri": {"Value": {"Fn::GetAtt": "R.RepositoryUri"}}},
    )
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    ecr = stacks.client("ecr")
    shown = ecr.describe_repositories()["repositories"][0]
    assert shown["repositoryUri"] == stacks.outputs(stack)["Uri"]
    assert shown["imageTagMutability"] == "IMMUTABLE"
    assert ecr.get_lifecycle_policy(repositoryName="images")["lifecyclePolicyText"] == text
    stacks.update(stack["StackName"], resources("MUTABLE"))
    assert ecr.describe_repositories()["repositories"][0]["imageTagMutability"] == "MUTABLE"
    with pytest.raises(ClientError, match="LifecyclePolicyNotFound"):
        ecr.get_lifecycle_policy(repositoryName="images")
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"


def test_keys(stacks: Stacks) -> None:
    def resources(text: str) -> dict[str, Any]:
        properties = {"Description": text, "EnableKeyRotation": True, "PendingWindowInDays": 7}
        return {
            "K": {"Type": "AWS::KMS::Key", "Properties": properties},
            "A": {
                "Type": "AWS::KMS::Alias",
                "Properties": {"AliasName": "alias/mine", "TargetKeyId": {"Ref": "K"}},
            },
        }

    stack = stacks.create(resources("one"), Outputs={"Arn": {"Value": {"Fn::GetAtt": "K.Arn"}}})
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    kms, key = stacks.client("kms"), stacks.physical_id(stack, "K")
    shown = kms.describe_key(KeyId="alias/mine")["KeyMetadata"]
    assert (shown["KeyId"], shown["Arn"]) == (key, stacks.outputs(stack)["Arn"])
    assert kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"] is True
    stacks.update(stack["StackName"], resources("two"))
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["Description"] == "two"
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"
    assert kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"] == "PendingDeletion"


def test_generated_names_are_shortened_and_keep_their_end() -> None:
    def name(stack: str, logical_id: str, longest: int) -> str:
        call = Call(
            stack_name=stack,
            stack_id="",
            region=REGION,
            account_id=ACCOUNT,
            logical_id=logical_id,
            type="",
            properties={},
            old={},
            physical_id=None,
            attributes={},
            client=lambda _: None,
            cancelled=None,  # type: ignore[arg-type]
        )
        return call.generated_name(longest)

    assert name("stack", "Logical", 64)[:14] == "stack-Logical-"
    long = name("s" * 100, "Logical", 64)
    assert len(long) == 64 and long[43:51] == "-Logical"[:8]
    both = name("s" * 100, "L" * 100, 63)
    assert len(both) == 63 and both.split("-")[0] == "s" * 24 and both.split("-")[1] == "L" * 25
    assert name("a", "b", 64) != name("a", "b", 64)


def test_queues_with_their_policies_and_a_topic_with_its_key(stacks: Stacks) -> None:
    def resources(days: int, key: str, tag: str | None) -> dict[str, Any]:
        deny = {
            "Effect": "Deny",
            "Principal": {"AWS": "*"},
            "Action": "sqs:*",
            "Resource": {"Fn::GetAtt": ["Q", "Arn"]},
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }
        settings: dict[str, Any] = {"MessageRetentionPeriod": days * 86_400}
        if tag:
            settings |= {"SqsManagedSseEnabled": True, "Tags": [{"Key": "a", "Value": tag}]}
        return {
            "Q": {"Type": "AWS::SQS::Queue", "Properties": settings},
            "P": {
                "Type": "AWS::SQS::QueuePolicy",
                "Properties": {
                    "Queues": [{"Ref": "Q"}],
                    "PolicyDocument": {"Version": "2012-10-17", "Statement": [deny]},
                },
            },
            "T": {"Type": "AWS::SNS::Topic", "Properties": {"KmsMasterKeyId": key}},
        }

    sqs, sns = stacks.client("sqs"), stacks.client("sns")

    def seen() -> tuple[Any, ...]:
        (url,) = sqs.list_queues()["QueueUrls"]
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])["Attributes"]
        assert json.loads(found["Policy"])["Statement"][0]["Resource"] == found["QueueArn"]
        (topic,) = sns.list_topics()["Topics"]
        key = sns.get_topic_attributes(**topic)["Attributes"]["KmsMasterKeyId"]
        tags = sqs.list_queue_tags(QueueUrl=url).get("Tags", {})
        return found["MessageRetentionPeriod"], key, tags.get("a")

    stack = stacks.create(resources(14, "alias/one", "b"))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    assert seen() == ("1209600", "alias/one", "b")
    updated = stacks.update(stack["StackName"], resources(7, "alias/two", None))
    assert updated["StackStatus"] == "UPDATE_COMPLETE", stacks.failures(stack)
    assert seen() == ("604800", "alias/two", None)
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE", stacks.failures(stack)
    assert "QueueUrls" not in sqs.list_queues() and not sns.list_topics()["Topics"]


def test_alarms_dashboards_and_budgets_are_created(stacks: Stacks) -> None:
    def resources(threshold: int, seconds: int) -> dict[str, Any]:
        topic = {"Ref": "T"}
        allow = {
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Action": "sns:Publish",
            "Resource": topic,
        }
        told = {"SubscriptionType": "EMAIL", "Address": "a@example.com"}
        notification = {
            "NotificationType": "ACTUAL",
            "ComparisonOperator": "GREATER_THAN",
            "Threshold": 80,
        }
        return {
            "T": {"Type": "AWS::SNS::Topic", "Properties": {"TopicName": "watch"}},
            "P": {
                "Type": "AWS::SNS::TopicPolicy",
                "Properties": {
                    "Topics": [topic],
                    "PolicyDocument": {"Version": "2012-10-17", "Statement": [allow]},
                },
            },
            "S": {
                "Type": "AWS::SNS::Subscription",
                "Properties": {"TopicArn": topic, "Protocol": "email", "Endpoint": "a@example.com"},
            },
            "A": {
                "Type": "AWS::CloudWatch::Alarm",
                "Properties": {
                    "AlarmName": "errors",
                    "AlarmActions": [topic],
                    "Namespace": "N",
                    "MetricName": "M",
                    "Statistic": "Sum",
                    "Period": seconds,
                    "EvaluationPeriods": 1,
                    "Threshold": threshold,
                    "ComparisonOperator": "GreaterThanThreshold",
                },
            },
            "D": {
                "Type": "AWS::CloudWatch::Dashboard",
                "Properties": {"DashboardBody": json.dumps({"widgets": [threshold]})},
            },
            "B": {
                "Type": "AWS::Budgets::Budget",
                "Properties": {
                    "Budget": {
                        "BudgetType": "COST",
                        "TimeUnit": "MONTHLY",
                        "BudgetLimit": {"Amount": threshold, "Unit": "USD"},
                    },
                    "NotificationsWithSubscribers": [
                        {"Notification": notification, "Subscribers": [told]}
                    ],
                },
            },
            "R": {
                "Type": "AWS::Events::Rule",
                "Properties": {
                    "ScheduleExpression": f"rate({threshold} hours)",
                    "Targets": [
                        {"Id": "f", "Arn": f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:f"}
                    ],
                },
            },
        }

    cloudwatch, sns = stacks.client("cloudwatch"), stacks.client("sns")
    events, budgets = stacks.client("events"), stacks.client("budgets")

    def seen() -> tuple[Any, ...]:
        (alarm,) = cloudwatch.describe_alarms()["MetricAlarms"]
        (dashboard,) = cloudwatch.list_dashboards()["DashboardEntries"]
        body = cloudwatch.get_dashboard(DashboardName=dashboard["DashboardName"])["DashboardBody"]
        (rule,) = events.list_rules()["Rules"]
        (target,) = events.list_targets_by_rule(Rule=rule["Name"])["Targets"]
        assert target["Arn"].endswith(":function:f")
        (budget,) = budgets.describe_budgets(AccountId=ACCOUNT)["Budgets"]
        assert budgets.describe_notifications_for_budget(
            AccountId=ACCOUNT, BudgetName=budget["BudgetName"]
        )["Notifications"]
        (topic,) = sns.list_topics()["Topics"]
        assert alarm["AlarmActions"] == [topic["TopicArn"]]
        policy = sns.get_topic_attributes(**topic)["Attributes"]["Policy"]
        assert "cloudwatch.amazonaws.com" in policy
        (told,) = sns.list_subscriptions_by_topic(**topic)["Subscriptions"]
        assert told["Endpoint"] == "a@example.com"
        limit = float(budget["BudgetLimit"]["Amount"])
        return alarm["Threshold"], json.loads(body), rule["ScheduleExpression"], limit

    stack = stacks.create(resources(2, 60))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    assert seen() == (2, {"widgets": [2]}, "rate(2 hours)", 2)
    budget = stacks.physical_id(stack, "B")
    updated = stacks.update(stack["StackName"], resources(3, 300))
    assert updated["StackStatus"] == "UPDATE_COMPLETE", stacks.failures(stack)
    assert seen() == (3, {"widgets": [3]}, "rate(3 hours)", 3)
    assert stacks.physical_id(stack, "B") == budget  # only another name would be another budget
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE", stacks.failures(stack)
    assert not cloudwatch.describe_alarms()["MetricAlarms"]
    assert not cloudwatch.list_dashboards()["DashboardEntries"]
    assert not events.list_rules()["Rules"] and not sns.list_topics()["Topics"]
    assert not sns.list_subscriptions()["Subscriptions"]
    assert not budgets.describe_budgets(AccountId=ACCOUNT)["Budgets"]


def test_pattern_rules_are_created_and_unfireable_ones_refused(
    stacks: Stacks,
) -> None:
    def rule(**properties: Any) -> dict[str, Any]:
        return {"R": {"Type": "AWS::Events::Rule", "Properties": properties}}

    statement = {
        "Effect": "Allow",
        "Principal": {"Service": "events.amazonaws.com"},
        "Action": "sqs:SendMessage",
        "Resource": {"Fn::GetAtt": "Q.Arn"},
    }
    policy = {
        "Queues": [{"Ref": "Q"}],
        "PolicyDocument": {"Version": "2012-10-17", "Statement": statement},
    }
    queue = {
        "Q": {"Type": "AWS::SQS::Queue", "Properties": {}},
        "P": {"Type": "AWS::SQS::QueuePolicy", "Properties": policy},
    }
    targets = [{"Id": "q", "Arn": {"Fn::GetAtt": "Q.Arn"}}]
    stack = stacks.create(queue | rule(EventPattern={"source": ["mine"]}, Targets=targets))
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    stacks.client("events").put_events(
        Entries=[{"Source": "mine", "DetailType": "x", "Detail": "{}"}]
    )
    url = stacks.physical_id(stack, "Q")
    [message] = stacks.client("sqs").receive_message(QueueUrl=url)["Messages"]
    assert json.loads(message["Body"])["source"] == "mine"
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"
    stack = stacks.create(rule(EventPattern={"source": ["aws.sagemaker"]}))
    assert "events of AWS's own services" in stacks.reason(stack, "R", "CREATE_FAILED")
    stack = stacks.create(rule(ScheduleExpression="cron(0 8 * * ? *)"))
    assert "schedules other than rate" in stacks.reason(stack, "R", "CREATE_FAILED")


def test_vector_index_with_another_dimension_is_replaced(
    stacks: Stacks,
) -> None:
    def resources(dimension: int, **more: Any) -> dict[str, Any]:
        return {
            "B": {"Type": "AWS::S3Vectors::VectorBucket", "Properties": more},
            "I": {
                "Type": "AWS::S3Vectors::Index",
                "Properties": {
                    "VectorBucketArn": {"Ref": "B"},
                    "IndexName": f"movies-{dimension}",
                    "DataType": "float32",
                    "Dimension": dimension,
                    "DistanceMetric": "euclidean",
                    "MetadataConfiguration": {"NonFilterableMetadataKeys": ["title"]},
                },
            },
        }

    stack = stacks.create(resources(2), Outputs={"A": {"Value": {"Fn::GetAtt": ["I", "IndexArn"]}}})
    assert stack["StackStatus"] == "CREATE_COMPLETE", stacks.failures(stack)
    api, bucket = stacks.client("s3vectors"), stacks.physical_id(stack, "B")
    arn = stacks.outputs(stack)["A"]
    assert arn == stacks.physical_id(stack, "I") == f"{bucket}/index/movies-2"
    api.put_vectors(indexArn=arn, vectors=[{"key": "1", "data": {"float32": [1, 2]}}])

    tags = [{"Key": "a", "Value": "1"}]
    stack = stacks.update(stack["StackId"], resources(3, Tags=tags))
    assert stack["StackStatus"] == "UPDATE_COMPLETE", stacks.failures(stack)
    assert stacks.physical_id(stack, "B") == bucket
    assert api.list_tags_for_resource(resourceArn=bucket)["tags"] == {"a": "1"}
    (index,) = api.list_indexes(vectorBucketArn=bucket)["indexes"]
    assert index["indexName"] == "movies-3"
    assert api.list_vectors(indexArn=index["indexArn"])["vectors"] == []

    stray = api.create_index(
        vectorBucketArn=bucket,
        indexName="stray",
        dataType="float32",
        dimension=1,
        distanceMetric="cosine",
    )["indexArn"]
    stack = stacks.delete(stack)
    assert stack["StackStatus"] == "DELETE_FAILED"
    assert "is not empty" in stacks.reason(stack, "B", "DELETE_FAILED")
    api.delete_index(indexArn=stray)
    assert stacks.delete(stack)["StackStatus"] == "DELETE_COMPLETE"
    assert api.list_vector_buckets()["vectorBuckets"] == []
