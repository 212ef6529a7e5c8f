"""Every kind of deployment, synthesized once a session."""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import aws_cdk as cdk
import pytest

from app import build
from stacks.config import Config
from tests.stacks.deployments import FLAGS, VARIANTS, Deployment, Synthesize, write_data


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_data(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="session")
def synthesize(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Synthesize:
    """Synthesizes settings, without building layers; `validate` checks CloudFormation's rules."""

    def run(settings: Mapping[str, Any], *, validate: bool = False) -> Deployment:
        folder = tmp_path_factory.mktemp("cdk.out")
        files = {} if "source" in settings else {"data": str(data)}
        context = {**files, **settings}
        app = cdk.App(
            outdir=str(folder),
            analytics_reporting=False,
            builtin_cloud_formation_validation=validate,
            context={**FLAGS, "aws:cdk:bundling-stacks": []},
        )
        config = Config.from_context(
            context, look=lambda uri: (f"{len(uri):064}", {"csv": 25_000_000_000})
        )
        build(app, config)
        app.synth()
        stacks = [child for child in app.node.children if isinstance(child, cdk.Stack)]
        names = [stack.stack_name.removeprefix(f"{config.prefix}-") for stack in stacks]
        return Deployment(
            app=app,
            prefix=config.prefix,
            folder=folder,
            templates={
                name: json.loads((folder / f"{config.prefix}-{name}.template.json").read_text())
                for name in names
            },
        )

    return run


@pytest.fixture(scope="session")
def variant(synthesize: Synthesize) -> Callable[[str], Deployment]:
    """One of `VARIANTS` by name, synthesized at its first use."""
    return cache(lambda name: synthesize(VARIANTS[name]))


@pytest.fixture(params=VARIANTS)
def any_variant(request: pytest.FixtureRequest, variant: Callable[[str], Deployment]) -> Deployment:
    """Each of `VARIANTS` in turn."""
    return variant(request.param)


@pytest.fixture(scope="session")
def default(variant: Callable[[str], Deployment]) -> Deployment:
    """The default settings."""
    return variant("default")
