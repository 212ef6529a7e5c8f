"""The project's Lambda functions: package, role and logs."""

import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import aws_cdk as cdk
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from constructs import Construct

from stacks import digests
from stacks.config import Config
from stacks.constructs.archive import of_recsys
from stacks.constructs.roles import Permission, ServiceRole, acknowledge, writes_logs

RUNTIME: Final = lambda_.Runtime.PYTHON_3_14
_LAMBDAS: Final = Path(__file__).resolve().parents[2] / "lambdas"
_SHARED: Final = "common"  # the package that is bundled with all functions

_WRITES_TRACES: Final = Permission(
    actions=["xray:PutTraceSegments", "xray:PutTelemetryRecords"],
    resources=["*"],
    wildcard="The actions do not support resources",
)


def architecture(name: str) -> lambda_.Architecture:
    """The CDK's architecture of that name: `arm64` or `x86_64`."""
    return {"arm64": lambda_.Architecture.ARM_64, "x86_64": lambda_.Architecture.X86_64}[name]


def _code(package: str, bundles: Sequence[str]) -> dict[str, Path]:
    """The files of a function's code, by their paths in it."""
    ours = [path for name in (package, _SHARED) for path in (_LAMBDAS / name).rglob("*.py")]
    return {path.relative_to(_LAMBDAS).as_posix(): path for path in ours} | of_recsys(bundles)


class PythonFunction(lambda_.Function):
    """A function from one package under lambdas/ and the shared package, with its own role.

    It logs JSON, with the request id in each line.

    Attributes:
        package: folder under lambdas/.
        given_name: its name; None if CloudFormation generates it.
        code_digest: digest of its code.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,  # noqa: A002
        *,
        package: str,
        handler: str = "handler.handler",
        name: str | None = None,
        description: str,
        config: Config,
        memory_mb: int,
        timeout_seconds: int,
        log_group: logs.LogGroup,
        permissions: Sequence[Permission] = (),
        environment: Mapping[str, str] | None = None,
        layers: Sequence[lambda_.LayerVersion] = (),
        failures: str = "Its caller waits for the response and sees errors",
        bundles: Sequence[str] = (),
        files: Mapping[str, Path] | None = None,
    ) -> None:
        """Create the function.

        Args:
            scope: the parent.
            id: the construct's id.
            package: folder under lambdas/; the code is this and the shared package.
            handler: module and function within the package.
            name: the function's name; None lets CloudFormation generate it.
            description: the function's description.
            config: the deployment's settings; of these, the architecture and the tracing.
            memory_mb: memory in MB.
            timeout_seconds: the timeout of one call.
            log_group: its log group.
            permissions: permissions in addition to logging.
            environment: its environment variables.
            layers: its layers.
            failures: the reason why it has no dead-letter queue.
            bundles: modules of recsys to bundle with its code, as patterns relative to
                packages/recsys/src (decision 0014).
            files: other files to bundle with its code, by their paths in it.
        """
        self.package, self.given_name = package, name
        tracing = config.operations.tracing
        code = {**_code(package, bundles), **(files or {})}
        self.code_digest = digests.of_files(code)
        self._own_role = ServiceRole(
            scope,
            f"{id}Role",
            service="lambda",
            permissions=[
                writes_logs(log_group),
                *permissions,
                *([_WRITES_TRACES] if tracing else []),
            ],
        )
        with TemporaryDirectory() as folder:  # the CDK copies it
            for place, path in code.items():
                target = Path(folder, place)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
            super().__init__(
                scope,
                id,
                function_name=name,
                description=description,
                runtime=RUNTIME,
                architecture=architecture(config.architecture),
                code=lambda_.Code.from_asset(
                    folder, asset_hash=self.code_digest, asset_hash_type=cdk.AssetHashType.CUSTOM
                ),
                handler=f"{package}.{handler}",
                role=self._own_role.without_policy_updates(),
                memory_size=memory_mb,
                timeout=cdk.Duration.seconds(timeout_seconds),
                log_group=log_group,
                logging_format=lambda_.LoggingFormat.JSON,
                tracing=lambda_.Tracing.ACTIVE if tracing else None,
                environment=dict(environment or {}),
                layers=list(layers),
            )
        acknowledge(self, failures, "Serverless-LambdaDLQ")
        if not tracing:
            acknowledge(
                self,
                "operations.tracing turns it on, because it is billed",
                "Serverless-LambdaTracing",
            )

    def allow(self, *permissions: Permission) -> None:
        """Add permissions to the function's role."""
        self._own_role.allow(*permissions)
