"""The checks of a preflight: each reports what it found, and how to fix what is missing."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError, EndpointConnectionError

from cost.assembly import stacks, templates
from outputs import is_ours
from preflight import account as accounts
from preflight import needs
from preflight.account import Account, Quota
from preflight.needs import (
    CONCURRENT,
    GROUPS,
    LAMBDA,
    LEAST_VCPUS,
    PERSONALIZE,
    SAGEMAKER,
    SPARK,
    VCPUS,
)


class Verdict(Enum):
    """What a check came to."""

    OK = "ok"
    NOTE = "note"
    UNKNOWN = "not checked"
    MISSING = "MISSING"


@dataclass(frozen=True)
class Finding:
    """One line of the report.

    Attributes:
        verdict: `MISSING` is what the deployment would fail for.
        text: what was found.
        command: the command that fixes it; "" if there is none.
    """

    verdict: Verdict
    text: str
    command: str = ""


Findings = Iterator[Finding]
# A harmless question to each service, by the part of CloudFormation's type that names it
_QUESTIONS: Final[Mapping[str, tuple[str, str, dict[str, Any]]]] = {
    "ApiGatewayV2": ("apigatewayv2", "get_apis", {"MaxResults": "1"}),
    "EMRServerless": ("emr-serverless", "list_applications", {"maxResults": 1}),
    "Lambda": ("lambda", "get_account_settings", {}),
    "Personalize": ("personalize", "list_recipes", {"maxResults": 1}),
    "S3Vectors": ("s3vectors", "list_vector_buckets", {"maxResults": 1}),
    "SageMaker": ("sagemaker", "list_training_jobs", {"MaxResults": 1}),
    "StepFunctions": ("stepfunctions", "list_state_machines", {"maxResults": 1}),
}
_DENIED: Final = ("AccessDenied", "AccessDeniedException", "AuthorizationError")
# A stack that CloudFormation can neither create nor update
_STUCK: Final = re.compile(r"ROLLBACK_COMPLETE|.*_FAILED")


class Preflight:
    """All checks of one cloud assembly against one account.

    Args:
        folder: the assembly.
        account: where it is to be deployed.
    """

    def __init__(self, folder: Path, account: Account) -> None:
        self._account = account
        self._artifacts, self._templates = stacks(folder), templates(folder)
        self._needs = needs.of_templates(self._templates)
        self._quotas: dict[str, dict[str, Quota]] = {}

    def findings(self) -> Findings:
        """What every check found, one check after the other."""
        for check in (
            self._place,
            self._bootstrap,
            self._services,
            self._rights,
            self._machines,
            self._training,
            self._spark,
            self._personalize,
            self._functions,
            self._names,
            self._left,
        ):
            yield from self._guarded(check)

    def _guarded(self, check: Callable[[], Findings]) -> Findings:
        """A check's findings, and what it could not ask."""
        try:
            yield from check()
        except accounts.Refused as error:
            words = (check.__doc__ or "").partition("\n")[0].rstrip(".")
            yield Finding(Verdict.UNKNOWN, f"{words}: {error}")

    def _place(self) -> Findings:
        """The account and the region of the settings."""
        for name, artifact in self._artifacts.items():
            wanted, region = artifact["environment"].removeprefix("aws://").split("/")
            if wanted not in ("unknown-account", self._account.number):
                yield Finding(
                    Verdict.MISSING,
                    f"{name} is for account {wanted}; the credentials are {self._account.number}'s",
                )
                return
            if region not in ("unknown-region", self._account.region):
                yield Finding(
                    Verdict.MISSING, f"{name} is for {region}, not for {self._account.region}"
                )
                return
        where = f"account {self._account.number}, {self._account.region}"
        yield Finding(Verdict.OK, f"{where}, as {self._account.caller['Arn']}")

    def _bootstrap(self) -> Findings:
        """The CDK's bootstrap stack."""
        wanted: dict[str, int] = {}
        for artifact in self._artifacts.values():
            properties = artifact["properties"]
            parameter = properties.get("bootstrapStackVersionSsmParameter")
            if parameter:
                least = int(properties.get("requiresBootstrapStackVersion", 1))
                wanted[parameter] = max(wanted.get(parameter, 0), least)
        command = f"npx cdk bootstrap aws://{self._account.number}/{self._account.region}"
        for parameter, least in wanted.items():
            version = self._account.bootstrap_version(parameter)
            if version is None:
                yield Finding(Verdict.MISSING, "the CDK's bootstrap stack", command)
            elif version < least:
                text = f"the bootstrap stack has version {version}; {least} is needed"
                yield Finding(Verdict.MISSING, text, command)
            else:
                yield Finding(Verdict.OK, f"bootstrap stack of version {version}")

    def _services(self) -> Findings:
        """The services that the templates use."""
        used = {
            resource["Type"].split("::")[1]
            for template in self._templates.values()
            for resource in template["Resources"].values()
            if resource["Type"].startswith("AWS::")
        }
        answering = []
        for name in sorted(used & _QUESTIONS.keys()):
            service, operation, parameters = _QUESTIONS[name]
            try:
                getattr(self._account.client(service), operation)(**parameters)
                answering.append(name)
            except EndpointConnectionError:
                text = f"{name} cannot be reached in {self._account.region}"
                yield Finding(Verdict.MISSING, f"{text}: it may not be offered there")
            except ClientError as error:
                denied = error.response["Error"]["Code"] in _DENIED
                verdict = Verdict.UNKNOWN if denied else Verdict.MISSING
                yield Finding(verdict, f"{name}: {error}")
        if answering:
            yield Finding(Verdict.OK, f"{', '.join(answering)} answer")

    def _rights(self) -> Findings:
        """The permissions of who calls: to assume the roles that the CDK CLI deploys with."""
        roles = sorted(
            {
                self._filled(role)
                for artifact in self._artifacts.values()
                if (role := artifact["properties"].get("assumeRoleArn"))
            }
        )
        if self._account.caller["Arn"].endswith(":root"):
            yield Finding(Verdict.OK, "the root user may do everything")
            return
        try:
            denied = self._account.denied("sts:AssumeRole", roles) if roles else []
        except LookupError as error:
            yield Finding(Verdict.UNKNOWN, f"permissions: {error}")
            return
        for role in denied:
            text = f"permission: sts:AssumeRole on {role}, with which the CDK CLI deploys"
            yield Finding(Verdict.MISSING, text)
        if not denied:
            yield Finding(Verdict.OK, f"{len(roles)} role(s) of the CDK CLI may be assumed")

    def _filled(self, arn: str) -> str:
        partition = self._account.caller["Arn"].split(":")[1]
        for variable, value in (
            ("Partition", partition),
            ("AccountId", self._account.number),
            ("Region", self._account.region),
        ):
            arn = arn.replace(f"${{AWS::{variable}}}", value)
        return arn

    def _machines(self) -> Findings:
        """Quotas of endpoints and notebook instances, all of which stand at the same time."""
        ours = {one.name for one in self._needs.standing if one.name}
        there: needs.Use = needs.Use()
        for name, use in self._account.standing.items():
            if name not in ours:
                there += use
        wanted = sum((one.use for one in self._needs.standing), needs.Use())
        for name, count in sorted(wanted.items()):
            yield self._standing(name, count, there[name], self._needs.update[name])

    def _standing(self, name: str, count: int, used: int, update: int) -> Finding:
        quota = self._quota(SAGEMAKER, name)
        if quota is None:
            return self._unlisted(name)
        needed = f"{count} needed" + (f", {used} used by others" if used else "")
        desired = count + used + update
        if count + used > quota.value:
            return self._missing(SAGEMAKER, name, quota, needed, desired)
        if desired > quota.value:
            more = f"an update of a stack's endpoints needs {update} more"
            text = f"{name}: {quota.value:g}, {needed}; {more}"
            return Finding(Verdict.NOTE, text, self._request(SAGEMAKER, quota, desired))
        return Finding(Verdict.OK, f"{name}: {quota.value:g}, {needed}")

    def _training(self) -> Findings:
        """Quotas of training and transform jobs."""
        for name, count in sorted(self._needs.at_once.items()):
            quota = self._quota(SAGEMAKER, name)
            transforms = "transform job" in name
            used = (self._account.transforms if transforms else self._account.training)[name]
            if quota is None:
                yield self._unlisted(name)
                continue
            needed = f"{count} at a time" + (f", {used} used now" if used else "")
            if quota.value == 0:
                yield self._missing(SAGEMAKER, name, quota, needed, count + used)
            elif quota.value < count + used:
                text = f"{name}: {quota.value:g}, {needed}; jobs wait for each other"
                command = self._request(SAGEMAKER, quota, count + used)
                yield Finding(Verdict.NOTE, text, command)
            else:
                yield Finding(Verdict.OK, f"{name}: {quota.value:g}, {needed}")

    def _personalize(self) -> Findings:
        """Quotas of Amazon Personalize."""
        if not self._needs.groups:
            return
        others = self._account.groups - {*self._needs.groups}
        counts = {GROUPS: (len(self._needs.groups), len(others))}
        counts |= {name: (count, 0) for name, count in sorted(self._needs.per_group.items())}
        for name, (count, used) in counts.items():
            quota = self._quota(PERSONALIZE, name)
            needed = f"{count} needed" + (f", {used} used by others" if used else "")
            if quota is None:  # Service Quotas has only those that can be raised
                yield Finding(Verdict.NOTE, f"{name}: {needed}; Service Quotas does not list it")
            elif count + used > quota.value:
                yield self._missing(PERSONALIZE, name, quota, needed, count + used)
            else:
                yield Finding(Verdict.OK, f"{name}: {quota.value:g}, {needed}")

    def _spark(self) -> Findings:
        """The vCPUs of Spark jobs: with fewer than they may have, they take longer."""
        if not self._needs.vcpus:
            return
        quota = self._quota(SPARK, VCPUS)
        if quota is None:
            yield self._unlisted(VCPUS)
            return
        needed = f"{self._needs.vcpus} at most, {LEAST_VCPUS} at least"
        if quota.value < LEAST_VCPUS:
            yield self._missing(SPARK, VCPUS, quota, needed, self._needs.vcpus)
        elif quota.value < self._needs.vcpus:
            text = f"{VCPUS}: {quota.value:g}, {needed}; jobs take longer"
            yield Finding(Verdict.NOTE, text, self._request(SPARK, quota, self._needs.vcpus))
        else:
            yield Finding(Verdict.OK, f"{VCPUS}: {quota.value:g}, {needed}")

    def _functions(self) -> Findings:
        """The concurrency of Lambda functions."""
        most, needed = self._account.concurrency, self._needs.functions
        text = f"Lambda's unreserved concurrency: {most}, {needed} needed while deploying"
        if most >= needed:
            yield Finding(Verdict.OK, text)
            return
        quota = self._quota(LAMBDA, CONCURRENT)
        command = self._request(LAMBDA, quota, max(1000, needed)) if quota else ""
        yield Finding(Verdict.NOTE, f"{text}; throttled calls are repeated", command)

    def _names(self) -> Findings:
        """Names that other resources of the account have already."""
        wanted: dict[str, list[str]] = {}
        for stack, template in self._templates.items():
            if stack in self._account.stacks:  # whose resources have these names themselves
                continue
            for resource in template["Resources"].values():
                member = accounts.property_of(resource["Type"])
                name = resource.get("Properties", {}).get(member) if member else None
                if isinstance(name, str):
                    wanted.setdefault(resource["Type"], []).append(name)
        taken = 0
        for kind, names in sorted(wanted.items()):
            for name in self._account.existing(kind, names):
                taken += 1
                text = f"the name {name}: another {kind} has it; delete that, or set a suffix"
                yield Finding(Verdict.MISSING, text)
        if not taken:
            yield Finding(Verdict.OK, "no name is taken")

    def _left(self) -> Findings:
        """Stacks of this prefix that an earlier deployment left."""
        prefix = next(iter(self._templates)).rpartition("-")[0]
        found = False
        for name, status in sorted(self._account.stacks.items()):
            if not is_ours(name, prefix):
                continue
            command = f"aws cloudformation delete-stack --stack-name {name} {self._in_region}"
            if _STUCK.fullmatch(status):
                found = True
                text = f"a usable stack {name}: it is in status {status}; delete it first"
                yield Finding(Verdict.MISSING, text, command)
            elif name not in self._templates:
                found = True
                text = f"{name} stands, and these settings do not have it: it stays, and is billed"
                yield Finding(Verdict.NOTE, text, command)
        if not found:
            yield Finding(Verdict.OK, f"no stack of the prefix {prefix} is left over")

    def _quota(self, service: str, name: str) -> Quota | None:
        if service not in self._quotas:
            self._quotas[service] = self._account.quotas(service)
        return self._quotas[service].get(name)

    def _unlisted(self, name: str) -> Finding:
        text = f"{name}: Service Quotas of {self._account.region} has no such quota"
        return Finding(Verdict.MISSING, f"{text}; the instance type may not be offered there")

    def _missing(self, service: str, name: str, quota: Quota, needed: str, desired: int) -> Finding:
        text = f"{name}: {quota.value:g}, {needed}"
        if quota.requested:
            return Finding(Verdict.MISSING, f"{text}; an increase to {quota.requested} is open")
        return Finding(Verdict.MISSING, text, self._request(service, quota, desired))

    def _request(self, service: str, quota: Quota, desired: int) -> str:
        if not quota.adjustable:
            return ""
        return (
            f"aws service-quotas request-service-quota-increase --service-code {service} "
            f"--quota-code {quota.code} --desired-value {desired} {self._in_region}"
        )

    @property
    def _in_region(self) -> str:
        return f"--region {self._account.region}"
