"""Batch inference and batch segment jobs: JSON Lines from S3, JSON Lines to S3."""

import io
import json
import tempfile
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from local_aws.api import NotImplementedByLocalAws
from local_aws.documents import read_json
from local_aws.personalize import catalogue
from local_aws.personalize.access import AccessDenied, JobStorage, Place, check_role
from local_aws.personalize.catalogue import Recipe
from local_aws.personalize.data import GroupData
from local_aws.personalize.engine import ModelFailed, Served, array, bits
from local_aws.personalize.errors import InvalidInput
from local_aws.personalize.filters import Filter
from local_aws.personalize.resources import KINDS, Failed, Params, Registry, Resource, given
from local_aws.personalize.runtime import Asking
from local_aws.personalize.solutions import check_influence

_QUOTAS = {
    "batchInferenceJob": "Pending or In Progress batch inference jobs",
    "batchSegmentJob": "Pending or In Progress batch segment jobs",
}
_RESULTS, _MOST = 25, 500
_USERS, _MOST_USERS = 100, 5_000_000
_NO_BATCH = ("aws-trending-now",)
_NEEDS = {
    "USER_PERSONALIZATION": "userId",
    "POPULAR_ITEMS": "userId",
    "PERSONALIZED_RANKING": "userId",
    "RELATED_ITEMS": "itemId",
}


class BadLine(Exception):
    """An invalid line of the input."""


class Batch:
    """Operations of batch jobs."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def create_batch_inference_job(self, params: Params) -> Params:
        """CreateBatchInferenceJob: recommendations for every line of the input."""
        if params.get("batchInferenceJobMode", "BATCH_INFERENCE") != "BATCH_INFERENCE":
            raise NotImplementedByLocalAws("batch inference with themes (THEME_GENERATION)")
        if params.get("themeGenerationConfig"):
            raise NotImplementedByLocalAws("themeGenerationConfig of a batch inference job")
        version = self._registry.find("solutionVersion", params["solutionVersionArn"], ready=True)
        recipe = catalogue.find(version["recipeArn"])
        if recipe.type not in _NEEDS or recipe.name in _NO_BATCH:
            raise InvalidInput(f"{recipe.name} does not support batch inference jobs.")
        config = params.get("batchInferenceJobConfig") or {}
        check_influence(config, recipe, self._registry.data(version.group))
        count = _limited(params, _RESULTS, _MOST)
        filtered = self._filter(params, version, "ITEMID")
        return self._job(
            "batchInferenceJob", params, version, count, _recommend(recipe, count, filtered, config)
        )

    def create_batch_segment_job(self, params: Params) -> Params:
        """CreateBatchSegmentJob: the users who are most likely to take an item."""
        version = self._registry.find("solutionVersion", params["solutionVersionArn"], ready=True)
        recipe = catalogue.find(version["recipeArn"])
        if recipe.type != "USER_SEGMENTATION":
            raise InvalidInput(f"{recipe.name} makes no user segments; use aws-item-affinity.")
        count = _limited(params, _USERS, _MOST_USERS)
        filtered = self._filter(params, version, "USERID")
        return self._job(
            "batchSegmentJob", params, version, count, _segment(recipe, count, filtered)
        )

    def _filter(self, params: Params, version: Resource, target: str) -> Filter | None:
        if not params.get("filterArn"):
            return None
        resource = self._registry.find("filter", params["filterArn"], ready=True)
        compiled: Filter = resource.inner
        if resource.group != version.group or compiled.target != target:
            raise InvalidInput(f"{resource.arn} cannot filter what {version.arn} recommends.")
        return compiled

    def _job(
        self,
        kind: str,
        params: Params,
        version: Resource,
        count: int,
        answer: Callable[[GroupData, Served, Params], Params],
    ) -> Params:
        source = Place.of(params["jobInput"]["s3DataSource"]["path"])
        told = params["jobOutput"]["s3DataDestination"]
        target, key_arn = Place.of(told["path"]), told.get("kmsKeyArn")
        role = params["roleArn"]
        arn = self._registry.arn_of(kind, params["jobName"])
        check_role(role, arn, self._registry.region_name)
        names = ("jobName", "solutionVersionArn", "filterArn", "jobInput", "jobOutput", "roleArn")
        attributes = given(params, (*names, "batchInferenceJobConfig")) | {"numResults": count}
        if kind == "batchInferenceJob":
            attributes["batchInferenceJobMode"] = "BATCH_INFERENCE"
        storage = JobStorage(role, arn, self._registry.account_id, self._registry.region_name)
        with self._registry.lock:
            running = [job for job in self._registry.all(kind) if job.busy]
            self._registry.quota(len(running), _QUOTAS[kind])
            job = self._registry.add(kind, arn, version.group, attributes, params)
            data = self._registry.data(version.group)

            def task() -> None:
                trained = version.inner
                try:
                    served = Served(trained.folder, trained.codes)
                    self._registry.closing.append(served.close)
                    try:
                        for name, content in storage.read(source):
                            with tempfile.TemporaryFile() as output:
                                output.writelines(
                                    _lines(content, lambda line: answer(data, served, line))
                                )
                                output.seek(0)
                                file = f"{name.rpartition('/')[2]}.out"
                                storage.write(target, file, output, key_arn)
                    finally:
                        self._registry.closing.remove(served.close)
                        served.close()
                except (AccessDenied, ModelFailed) as error:
                    raise Failed(str(error)) from None

            self._registry.work(job, "CREATE", "ACTIVE", task)
        return {KINDS[kind].arn: arn}


def _limited(params: Params, default: int, most: int) -> int:
    count: int = params.get("numResults") or default
    if count > most:
        raise InvalidInput(f"numResults may be {most}, not {count}.")
    return count


def _lines(content: bytes, answer: Callable[[Params], Params]) -> Iterator[bytes]:
    """Answer each line, one by one; invalid lines get an error in their place.

    Raises:
        Failed: the content is not JSON Lines.
    """
    empty = True
    try:
        text = io.StringIO(content.decode("utf-8"), newline="\n")
    except UnicodeDecodeError:
        raise Failed("The input is not UTF-8.") from None
    for number, line in enumerate(text, 1):
        if not line.strip():
            continue
        try:
            given = read_json(line)
        except ValueError as error:
            raise Failed(f"Line {number} of the input is not JSON: {error}.") from None
        try:
            result = {"input": given, "output": answer(given), "error": None}
        except BadLine as error:
            result = {"input": given, "output": None, "error": str(error)}
        yield json.dumps(result).encode() + b"\n"
        empty = False
    if empty:
        raise Failed("The input has no lines.")


def _check(line: Any, need: str) -> None:
    """Raise BadLine if a line's members are invalid."""
    if not isinstance(line, dict) or not isinstance(line.get(need), str):
        raise BadLine(f"'{need}' is missing, or is not a string")
    for name in ("userId", "itemId"):
        if not isinstance(line.get(name, ""), str):
            raise BadLine(f"'{name}' is not a string")
    for name in ("filterValues", "context"):
        given = line.get(name) or {}
        if not isinstance(given, dict) or not all(isinstance(v, str) for v in given.values()):
            raise BadLine(f"'{name}' is not an object of strings")


def _recommend(
    recipe: Recipe, count: int, filtered: Filter | None, config: Params
) -> Callable[[GroupData, Served, Params], Params]:
    need = _NEEDS[recipe.type]

    def answer(data: GroupData, served: Served, line: Params) -> Params:
        _check(line, need)
        ranking = recipe.type == "PERSONALIZED_RANKING"
        if ranking and not (
            isinstance(line.get("itemList"), list)
            and all(isinstance(item, str) for item in line["itemList"])
        ):
            raise BadLine("'itemList' is missing, or is not a list of strings")
        with data.lock:
            asking = Asking(data, served.codes, line, config)
            try:
                mask = asking.mask(filtered, line.get("filterValues") or {}) if filtered else None
            except InvalidInput as error:
                raise BadLine(error.message) from None
            if ranking:
                known = served.codes.local(
                    "items", np.array([data.items.find(item) for item in line["itemList"]], int)
                )
                among = [int(code) for code in known if code >= 0 and (mask is None or mask[code])]
                request = asking.request("rank", among=among)
            else:
                request = asking.request(
                    "recommend", allow=None if mask is None else bits(mask), k=count
                )
            best = served.ask(request)
            items = [data.items.names[served.codes.items[code]] for code in best["items"]]
        output: Params = {"recommendedItems": items}
        if recipe.scored:
            output["scores"] = best["scores"]
        return output

    return answer


def _segment(
    recipe: Recipe, count: int, filtered: Filter | None
) -> Callable[[GroupData, Served, Params], Params]:
    by_attribute = recipe.name == "aws-item-attribute-affinity"

    def answer(data: GroupData, served: Served, line: Params) -> Params:
        need = "itemAttributes" if by_attribute else "itemId"
        _check(line, need)
        with data.lock:
            if by_attribute:
                items = _having(data, served, line[need])
            else:
                items = served.codes.local("items", np.array([data.items.find(line[need])]))
                items = items[items >= 0]
            if not len(items):
                raise BadLine("no such item was in the training data")
            # segments exclude users whose data were deleted
            allowed = ~np.isin(served.codes.users, list(data.deleted_users))
            if filtered is not None:
                try:
                    values = filtered.bind(line.get("filterValues") or {})
                except InvalidInput as error:
                    raise BadLine(error.message) from None
                allowed &= filtered.allow(data, values)[served.codes.users]
            asked = {"items": array(items, "<i4"), "allow": bits(allowed), "k": count}
            best = served.ask({"op": "segment", **asked})
            users = [data.users.names[served.codes.users[code]] for code in best["users"]]
        return {"recommendedUsers": users}

    return answer


def _having(data: GroupData, served: Served, attributes: str) -> Any:
    """The version's codes of the items with these attributes.

    Raises:
        BadLine: the expression is not valid.
    """
    try:
        compiled = Filter(attributes, data.schema, prefix="INCLUDE ItemID WHERE ")
        allowed = compiled.allow(data, compiled.bind({}))
    except InvalidInput as error:
        raise BadLine(error.message) from None
    return np.flatnonzero(allowed[served.codes.items])
