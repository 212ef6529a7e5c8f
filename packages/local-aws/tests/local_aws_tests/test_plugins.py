from collections.abc import Iterator
from importlib.metadata import EntryPoint, EntryPoints
from typing import Any

import pytest

from local_aws import plugins


@pytest.fixture(autouse=True)
def forgotten() -> Iterator[None]:
    """Plug-ins are looked up once a process; each test looks again."""
    plugins.sagemaker_images.cache_clear()
    plugins.personalize_models.cache_clear()
    yield
    plugins.sagemaker_images.cache_clear()
    plugins.personalize_models.cache_clear()


def register(monkeypatch: pytest.MonkeyPatch, group: str, **values: Any) -> None:
    """Let mappings be all that is registered in a group."""
    module = "local_aws_tests_plugin"

    class Entry(EntryPoint):
        def load(self) -> Any:
            return values[self.name]

    found = EntryPoints(Entry(name, f"{module}:{name}", group) for name in values)
    monkeypatch.setattr(plugins, "entry_points", lambda group: found.select(group=group))


IMAGE: dict[str, Any] = {"command": ("-m", "program"), "algorithm": "one", "metrics": ()}


def test_sagemaker_images_registered_mapping_is_found_by_repository(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    register(monkeypatch, plugins.IMAGES, one=IMAGE)
    assert dict(plugins.sagemaker_images()) == {"one": IMAGE}


def test_personalize_models_registered_program_is_found_by_each_recipe(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    program = {"command": ("-m", "program"), "recipes": ("aws-sims", "aws-trending-now")}
    register(monkeypatch, plugins.MODELS, one=program)
    assert plugins.personalize_models() == {"aws-sims": program, "aws-trending-now": program}


@pytest.mark.parametrize(
    ("plugin", "message"),
    [
        ({**IMAGE, "colour": "red"}, "missing: -; unknown: colour"),
        ({"command": ()}, "missing: algorithm, metrics; unknown: -"),
        (["-m", "program"], "missing: algorithm, command, metrics; unknown: -"),
    ],
)
def test_sagemaker_images_unfit_mapping_is_refused_with_its_entry_point(
    monkeypatch: pytest.MonkeyPatch, plugin: Any, message: str
) -> None:
    register(monkeypatch, plugins.IMAGES, one=plugin)
    with pytest.raises(plugins.PluginError) as refused:
        plugins.sagemaker_images()
    assert "one = local_aws_tests_plugin:one" in str(refused.value)
    assert message in str(refused.value)


def test_create_solution_recipe_without_model_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from local_aws.api import NotImplementedByLocalAws
    from local_aws.personalize import catalogue

    register(monkeypatch, plugins.MODELS)
    with pytest.raises(NotImplementedByLocalAws) as refused:
        catalogue.require_model(catalogue.find("arn:aws:personalize:::recipe/aws-sims"))
    assert "recipe aws-sims without a model: install a distribution" in refused.value.message


def test_find_image_without_plugin_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from local_aws.sagemaker import images
    from local_aws.sagemaker.errors import ValidationException

    monkeypatch.delitem(images.PROGRAMS, "object2vec", raising=False)
    uri = "382416733822.dkr.ecr.us-east-1.amazonaws.com/object2vec:1"
    with pytest.raises(ValidationException) as refused:
        images.find(uri, "us-east-1")
    assert "Install a distribution that provides object2vec" in refused.value.message
