import re

from recsys import plugins
from recsys.container import algorithms
from recsys.recipes.registry import RECIPES


def test_personalize_recipes_equal_the_registry() -> None:
    assert set(plugins.PERSONALIZE["recipes"]) == set(RECIPES)


def test_images_are_algorithms_of_the_container() -> None:
    images = (plugins.OBJECT2VEC, plugins.FACTORIZATION_MACHINES)
    assert {image["algorithm"] for image in images} <= set(algorithms.names())


def test_image_metrics_match_a_log_line_of_the_container() -> None:
    (definition,) = (
        each for each in plugins.OBJECT2VEC["metrics"] if each["Name"] == "validation:accuracy"
    )
    line = "#quality_metric: host=algo-1, epoch=3, validation accuracy <score>=0.715"
    found = re.search(definition["Regex"], line)
    assert found and found[1] == "0.715"
