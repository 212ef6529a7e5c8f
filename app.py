"""The CDK app: creates the deployment's stacks from its settings."""

import os
import sys
from pathlib import Path
from typing import Final

import aws_cdk as cdk

import sources
from cost.estimate import of_assembly
from cost.report import summary
from stacks.config import Config, ConfigError
from stacks.data import DataStack
from stacks.deep_mf import DeepMfStack
from stacks.factorization_machines import FactorizationMachinesStack
from stacks.functions import FunctionsStack
from stacks.lists import ListsStack
from stacks.notebook import NotebookStack
from stacks.object2vec import Object2VecStack
from stacks.operations import OperationsStack
from stacks.personalize import PersonalizeStack
from stacks.preparation import PreparationStack

# The optional engines, by their names in the setting `engines`.
ENGINES: Final = {"deep_mf": DeepMfStack, "factorization_machines": FactorizationMachinesStack}
_SCORES: Final = "its transform job scores the pairs that Lists writes"
# Every stack that settings can deploy, and those that it can depend on.
_FEATURES: Final = (
    *("Lists", "Object2Vec", "Functions", "DeepMf", "FactorizationMachines"),
    *("Personalize", "Notebook", "Preparation"),
)
STACKS: Final = {
    "Data": (),
    **dict.fromkeys(_FEATURES, ("Data",)),
    **dict.fromkeys(("Object2Vec", "DeepMf", "FactorizationMachines"), ("Data", "Lists")),
    "Functions": ("Data", "Object2Vec", "Lists"),
    "Lists": ("Data", "Preparation"),
    "Operations": ("Data", *_FEATURES),
}


def build(app: cdk.App, config: Config) -> None:
    """Add the deployment's stacks to the app, in the order of their deployment."""
    env = cdk.Environment(account=config.account, region=config.region)
    data = DataStack(app, config.name("Data"), config=config, env=env)
    prepared = lists = None
    if config.source:
        prepared = PreparationStack(
            app, config.name("Preparation"), config=config, store=data.store, env=env
        )
        prepared.add_stack_dependency(data, "the job writes to the bucket")
    if config.lists:
        lists = ListsStack(
            app,
            config.name("Lists"),
            config=config,
            store=data.store,
            prepared=prepared,
            env=env,
        )
        lists.add_stack_dependency(data, "training and import read what Data uploads")
        if prepared:
            lists.add_stack_dependency(prepared, "training and import read what its job writes")
    pairs = lists.pairs if lists else None
    if config.object2vec:
        object2vec = Object2VecStack(
            app, config.name("Object2Vec"), config=config, store=data.store, pairs=pairs, env=env
        )
        functions = FunctionsStack(
            app, config.name("Functions"), config=config, store=data.store, env=env
        )
        object2vec.add_stack_dependency(data, "training reads what Data uploads")
        if lists and pairs and pairs.of("object2vec"):
            object2vec.add_stack_dependency(lists, _SCORES)
        functions.add_stack_dependency(object2vec, "the functions call its endpoints")
        if lists and config.api:
            functions.add_stack_dependency(lists, "the API calls its functions")
    for name in config.engines:
        stack = ENGINES[name]
        title = stack.__name__.removesuffix("Stack")
        engine = stack(
            app, config.name(title), config=config, store=data.store, pairs=pairs, env=env
        )
        engine.add_stack_dependency(data, "training reads what Data uploads")
        if lists and pairs and pairs.of(name):
            engine.add_stack_dependency(lists, _SCORES)
    if config.personalize.groups:
        personalize = PersonalizeStack(
            app, config.name("Personalize"), config=config, store=data.store, env=env
        )
        personalize.add_stack_dependency(data, "imports read what Data uploads")
    if config.notebook:
        notebook = NotebookStack(
            app,
            config.name("Notebook"),
            config=config,
            notebook=config.notebook,
            store=data.store,
            env=env,
        )
        notebook.add_stack_dependency(data, "its role names the bucket")
    if config.operations.any:
        watched = list(app.node.children)
        operations = OperationsStack(
            app, config.name("Operations"), config=config, store=data.store, env=env
        )
        operations.node.add_dependency(*watched)
    # Delete everything with the stacks, including what the CDK retains by default.
    cdk.RemovalPolicies.of(app).destroy()


def complete(app: cdk.App, config: Config) -> None:
    """Add the stacks that only other settings deploy, empty, so that they can be destroyed."""
    env = cdk.Environment(account=config.account, region=config.region)
    chosen = {child.stack_name for child in app.node.children if isinstance(child, cdk.Stack)}
    stacks = {
        part: app.node.try_find_child(config.name(part))
        or cdk.Stack(app, config.name(part), description="Not part of these settings", env=env)
        for part in STACKS
    }
    for part, others in STACKS.items():
        for other in others:
            if not {config.name(part), config.name(other)} <= chosen:
                stacks[part].node.add_dependency(stacks[other])


def synthesize(app: cdk.App) -> None:
    """Write the cloud assembly that the app's context asks for, and print its cost.

    Raises:
        ConfigError: settings in the context are invalid.
    """
    # By this the CLI says that its command does not deploy: `destroy`, for one. A deployment would
    # delete what an empty stack's template no longer contains.
    deploys = app.node.try_get_context("aws:cdk:bundling-stacks") != []
    config = Config.from_context(
        app.node.get_all_context(),
        default_region=os.environ.get("CDK_DEFAULT_REGION"),
        look=sources.look if deploys else None,
        deploys=deploys,
    )
    if config.files or config.source:  # else there are no data, and every stack stays empty
        build(app, config)
    if not deploys:
        complete(app, config)
    assembly = Path(app.synth().directory)
    if deploys:
        print(summary(of_assembly(assembly), config.region), file=sys.stderr)


def main() -> None:
    """Write the cloud assembly for the CDK CLI, or report invalid settings."""
    # The tests check CloudFormation's rules, for every kind of configuration: here they would
    # double the time of each command.
    app = cdk.App(analytics_reporting=False, builtin_cloud_formation_validation=False)
    try:
        synthesize(app)
    except ConfigError as error:
        sys.exit("\n".join(["Invalid settings:", *(f"  {e}" for e in error.errors)]))


if __name__ == "__main__":
    main()
