"""Amazon Personalize's backend for one account and region."""

import copy

from moto.core.base_backend import BaseBackend

from local_aws.personalize import catalogue
from local_aws.personalize.attribution import Attribution
from local_aws.personalize.batch import Batch
from local_aws.personalize.data_jobs import DataJobs
from local_aws.personalize.datasets import Datasets
from local_aws.personalize.errors import InvalidInput, NotFound, TooManyTags
from local_aws.personalize.events import Events
from local_aws.personalize.resources import KINDS, TAGS, Params, Registry, Resource, paged
from local_aws.personalize.runtime import Runtime
from local_aws.personalize.serving import Serving
from local_aws.personalize.solutions import Solutions
from local_aws.workers import WorkingBackend


class PersonalizeBackend(WorkingBackend, BaseBackend):
    """Control plane, runtime and events.

    The public methods of its parts, and its own, are operations in snake case, from the request's
    parameters to the response, both with AWS's names.
    """

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self.registry = Registry(region_name, account_id)
        self.attribution = Attribution(self.registry)
        self.datasets = Datasets(self.registry, self.attribution)
        self.data_jobs = DataJobs(self.registry)
        self.solutions = Solutions(self.registry)
        self.serving = Serving(self.registry, self.solutions)
        self.runtime = Runtime(self.registry, self.attribution)
        self.events = Events(self.registry, self.attribution)
        self.batch = Batch(self.registry)

    def end_work(self) -> None:
        """End all processes."""
        self.registry.close()

    def describe(self, kind: str, params: Params) -> Params:
        """Any Describe operation."""
        described = KINDS[kind]
        resource = self.registry.find(kind, params[described.arn])
        with self.registry.lock:  # an update's state and its effect are seen together
            answer = copy.deepcopy(resource.attributes)
        if resource.deleting:
            resource.seen.set()
        return {described.name: answer}

    def list_recipes(self, params: Params) -> Params:
        """ListRecipes: of one domain or all, by name.

        For a domain, AWS returns a token after all recipes, so the last page is empty.
        """
        domain = params.get("domain")
        recipes = [r.describe() for r in catalogue.RECIPES.values() if domain in (None, r.domain)]
        recipes.sort(key=lambda recipe: str(recipe["name"]))
        answer = paged("recipes", recipes, params)
        if domain and answer["recipes"] and "nextToken" not in answer:
            answer["nextToken"] = str(len(recipes))
        return answer

    def describe_recipe(self, params: Params) -> Params:
        """DescribeRecipe."""
        if params["recipeArn"] not in catalogue.RECIPES:
            catalogue.find(params["recipeArn"])
        return {"recipe": catalogue.RECIPES[params["recipeArn"]].describe()}

    def describe_algorithm(self, params: Params) -> Params:
        """DescribeAlgorithm: a recipe's hyperparameters."""
        recipe = self._recipe_of(params["algorithmArn"], "algorithm")
        return {
            "algorithm": {
                "name": recipe.name,
                "algorithmArn": params["algorithmArn"],
                "defaultHyperParameters": dict(recipe.hyperparameters),
            }
        }

    def describe_feature_transformation(self, params: Params) -> Params:
        """DescribeFeatureTransformation."""
        arn = params["featureTransformationArn"]
        recipe = self._recipe_of(arn, "feature-transformation")
        transformation = {"name": recipe.name, "featureTransformationArn": arn, "status": "ACTIVE"}
        return {"featureTransformation": {**transformation, "defaultParameters": {}}}

    @staticmethod
    def _recipe_of(arn: str, sort: str) -> catalogue.Recipe:
        recipe = catalogue.RECIPES.get(arn.replace(f":{sort}/", ":recipe/"))
        if recipe is None or f":::{sort}/" not in arn:
            raise NotFound(arn)
        return recipe

    def list_tags_for_resource(self, params: Params) -> Params:
        """ListTagsForResource."""
        tags = self._tagged(params["resourceArn"]).tags
        return {"tags": [{"tagKey": key, "tagValue": value} for key, value in tags.items()]}

    def tag_resource(self, params: Params) -> None:
        """TagResource: at most fifty tags in all."""
        resource = self._tagged(params["resourceArn"])
        tags = {**resource.tags, **{tag["tagKey"]: tag["tagValue"] for tag in params["tags"]}}
        if len(tags) > TAGS:
            raise TooManyTags(f"A resource may have {TAGS} tags, not {len(tags)}.")
        resource.tags = tags

    def untag_resource(self, params: Params) -> None:
        """UntagResource: unknown keys are ignored."""
        resource = self._tagged(params["resourceArn"])
        for key in params["tagKeys"]:
            resource.tags.pop(key, None)

    def _tagged(self, arn: str) -> Resource:
        resource = self.registry.resources.get(arn)
        if resource is None:
            raise NotFound(arn)
        if resource.kind.name == "schema":
            raise InvalidInput(f"{arn} is a schema, which has no tags.")
        return resource
