"""What an account has and uses, read by AWS's own APIs; nothing here changes anything."""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from preflight import needs
from preflight.needs import LAMBDA, PERSONALIZE, SAGEMAKER, Use


@dataclass(frozen=True, kw_only=True)
class Quota:
    """A quota as it applies to the account.

    Attributes:
        code: Service Quotas' code of it.
        value: how much the account may have.
        adjustable: whether more can be requested.
        requested: of an open request for more: the value and since when; "" without one.
    """

    code: str
    value: float
    adjustable: bool
    requested: str


# SageMaker has thousands of quotas, of which Service Quotas tells a hundred at a time
_PATIENT: Final = Config(retries={"mode": "standard", "max_attempts": 10})


class Account:
    """An account in one region.

    Args:
        session: whose credentials read it.
        region: where.

    Raises from every member: botocore's ClientError and BotoCoreError.
    """

    def __init__(self, session: boto3.Session, region: str) -> None:
        self._session, self.region = session, region
        self._clients: dict[str, Any] = {}

    def client(self, service: str) -> Any:
        """boto3's client of a service in the region."""
        if service not in self._clients:
            self._clients[service] = self._session.client(  # type: ignore[call-overload]
                service, region_name=self.region, config=_PATIENT
            )
        return self._clients[service]

    @cached_property
    def caller(self) -> dict[str, str]:
        """GetCallerIdentity's answer."""
        answer: dict[str, str] = self.client("sts").get_caller_identity()
        return answer

    @property
    def number(self) -> str:
        """The account's number."""
        return self.caller["Account"]

    @cached_property
    def stacks(self) -> dict[str, str]:
        """The status of every stack that is not deleted, by name."""
        pages = self.client("cloudformation").get_paginator("describe_stacks").paginate()
        return {one["StackName"]: one["StackStatus"] for page in pages for one in page["Stacks"]}

    def quotas(self, service: str) -> dict[str, Quota]:
        """A service's quotas by name: what applies, else the default."""
        api = self.client("service-quotas")
        open_requests = {
            asked["QuotaCode"]: f"{asked['DesiredValue']:g}, requested {asked['Created']:%Y-%m-%d}"
            for status in ("PENDING", "CASE_OPENED")
            for page in api.get_paginator("list_requested_service_quota_change_history").paginate(
                ServiceCode=service, Status=status
            )
            for asked in page["RequestedQuotas"]
        }
        found: dict[str, Quota] = {}
        for operation in ("list_aws_default_service_quotas", "list_service_quotas"):
            for page in api.get_paginator(operation).paginate(ServiceCode=service):
                for one in page["Quotas"]:
                    if "Value" in one:
                        found[one["QuotaName"]] = Quota(
                            code=one["QuotaCode"],
                            value=one["Value"],
                            adjustable=one["Adjustable"],
                            requested=open_requests.get(one["QuotaCode"], ""),
                        )
        return found

    @cached_property
    def training(self) -> Use:
        """What the training jobs that run now take of the quotas."""
        return self._running("training", needs.of_training)

    @cached_property
    def transforms(self) -> Use:
        """What the transform jobs that run now take of the quotas."""
        return self._running("transform", needs.of_transform)

    def _running(self, kind: str, of: Callable[[Mapping[str, Any]], Use]) -> Use:
        """What the jobs of a kind that run now take of the quotas, by their descriptions."""
        api, use, title = self.client(SAGEMAKER), Counter[str](), kind.capitalize()
        describe = getattr(api, f"describe_{kind}_job")
        for status in ("InProgress", "Stopping"):
            pages = api.get_paginator(f"list_{kind}_jobs").paginate(StatusEquals=status)
            for page in pages:
                for job in page[f"{title}JobSummaries"]:
                    use += of(describe(**{f"{title}JobName": job[f"{title}JobName"]}))
        return use

    @cached_property
    def standing(self) -> dict[str, Use]:
        """What endpoints and notebook instances take of the quotas, by name."""
        api, found = self.client(SAGEMAKER), dict[str, Use]()
        for page in api.get_paginator("list_endpoints").paginate():
            for endpoint in page["Endpoints"]:
                if endpoint["EndpointStatus"] != "Failed":
                    name = endpoint["EndpointName"]
                    found[name] = self._endpoint(api.describe_endpoint(EndpointName=name))
        for page in api.get_paginator("list_notebook_instances").paginate():
            for notebook in page["NotebookInstances"]:
                use = needs.of_notebook(notebook["InstanceType"])
                if notebook["NotebookInstanceStatus"] in ("Stopped", "Failed"):
                    del use[f"{notebook['InstanceType']} for notebook instance usage"]
                found[notebook["NotebookInstanceName"]] = use
        return found

    def _endpoint(self, endpoint: dict[str, Any]) -> Use:
        config = self.client(SAGEMAKER).describe_endpoint_config(
            EndpointConfigName=endpoint["EndpointConfigName"]
        )
        counts = {
            variant["VariantName"]: variant["CurrentInstanceCount"]
            for variant in endpoint.get("ProductionVariants", [])
            if "CurrentInstanceCount" in variant
        }
        use: Use = Counter()
        for variant in config["ProductionVariants"]:
            use += needs.of_variants([variant], counts.get(variant["VariantName"]))
        return use

    @cached_property
    def groups(self) -> set[str]:
        """Names of Amazon Personalize's dataset groups."""
        pages = self.client(PERSONALIZE).get_paginator("list_dataset_groups").paginate()
        return {one["name"] for page in pages for one in page["datasetGroups"]}

    @property
    def concurrency(self) -> int:
        """How many functions may run at a time that reserve nothing."""
        limits = self.client(LAMBDA).get_account_settings()["AccountLimit"]
        return int(limits["UnreservedConcurrentExecutions"])

    def bootstrap_version(self, parameter: str) -> int | None:
        """The version of the CDK's bootstrap stack; None if there is none."""
        try:
            found = self.client("ssm").get_parameter(Name=parameter)
        except ClientError as error:
            if error.response["Error"]["Code"] == "ParameterNotFound":
                return None
            raise
        return int(found["Parameter"]["Value"])

    def denied(self, action: str, resources: list[str]) -> list[str]:
        """The resources on which the caller's policies do not allow an action.

        Raises:
            LookupError: IAM cannot simulate who calls.
        """
        arn = self._policy_source()
        answer = self.client("iam").simulate_principal_policy(
            PolicySourceArn=arn, ActionNames=[action], ResourceArns=resources
        )
        return [
            one["EvalResourceName"]
            for one in answer["EvaluationResults"]
            if one["EvalDecision"] != "allowed"
        ]

    def _policy_source(self) -> str:
        arn = self.caller["Arn"]
        kind, _, name = arn.rpartition(":")[2].partition("/")
        if kind == "assumed-role":
            role = self.client("iam").get_role(RoleName=name.partition("/")[0])
            return str(role["Role"]["Arn"])
        if kind == "user" and ":iam:" in arn:
            return arn
        raise LookupError(f"{arn} is neither an IAM user nor a role")

    def existing(self, kind: str, names: list[str]) -> Iterator[str]:
        """Those of the names that resources of a CloudFormation type have already."""
        taken = _NAMED[kind][1](self, names)
        yield from (name for name in names if name in taken)


def property_of(kind: str) -> str | None:
    """The property that holds the name of a CloudFormation type whose names can be taken."""
    return _NAMED[kind][0] if kind in _NAMED else None


def _functions(account: Account, names: list[str]) -> set[str]:
    found = set()
    for name in names:
        try:
            account.client(LAMBDA).get_function_configuration(FunctionName=name)
            found.add(name)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ResourceNotFoundException":
                raise
    return found


def _log_groups(account: Account, names: list[str]) -> set[str]:
    logs = account.client("logs")
    return {
        group["logGroupName"]
        for name in names
        for group in logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
    }


def _schemas(account: Account, _: list[str]) -> set[str]:
    pages = account.client(PERSONALIZE).get_paginator("list_schemas").paginate()
    return {one["name"] for page in pages for one in page["schemas"]}


_NAMED = {
    "AWS::Lambda::Function": ("FunctionName", _functions),
    "AWS::Logs::LogGroup": ("LogGroupName", _log_groups),
    "AWS::Personalize::DatasetGroup": ("Name", lambda account, _: account.groups),
    "AWS::Personalize::Schema": ("Name", _schemas),
    "AWS::SageMaker::Endpoint": ("EndpointName", lambda account, _: set(account.standing)),
    "AWS::SageMaker::NotebookInstance": (
        "NotebookInstanceName",
        lambda account, _: set(account.standing),
    ),
}

Refused = (ClientError, BotoCoreError)
"""What every question to an account may raise."""
