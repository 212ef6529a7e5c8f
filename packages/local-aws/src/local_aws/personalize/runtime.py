"""Responses of campaigns and recommenders: filters, promotions, metadata, rankings."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from local_aws.personalize import catalogue
from local_aws.personalize.attribution import Attribution
from local_aws.personalize.catalogue import Recipe
from local_aws.personalize.data import GroupData
from local_aws.personalize.engine import Served, array, bits
from local_aws.personalize.errors import InvalidInput
from local_aws.personalize.filters import Filter, Mask
from local_aws.personalize.resources import Params, Registry, Resource, token
from local_aws.personalize.serving import Recommending

_DEFAULT, _MOST, _WITH_METADATA = 25, 500, 50


class Runtime:
    """Amazon Personalize Runtime."""

    def __init__(self, registry: Registry, attribution: Attribution) -> None:
        self._registry = registry
        self._attribution = attribution

    def get_recommendations(self, params: Params) -> Params:
        """GetRecommendations: items for a user, or like an item."""
        with self._source(params) as (source, recipe, served):
            return self._recommend(params, source, recipe, served)

    def _recommend(
        self, params: Params, source: Resource, recipe: Recipe, served: Served
    ) -> Params:
        if recipe.type == "PERSONALIZED_RANKING":
            raise InvalidInput(f"{recipe.name} ranks lists of items: call GetPersonalizedRanking.")
        missing = [name for name in recipe.needs if not params.get(name)]
        if missing:
            raise InvalidInput(f"{recipe.name} needs {' and '.join(missing)}.")
        columns = _columns(params, source, recipe, self._registry.data(source.group))
        count = _count(params, bool(columns))
        data = self._registry.data(source.group)
        asking = Asking(data, served.codes, params, source["campaignConfig"])
        allow = self._allowed(params, source, asking, recipe)
        best = served.ask(asking.request("recommend", allow=_packed(allow), k=count))
        scored = list(zip(best["items"], best["scores"], strict=True))
        promoted: dict[int, str] = {}
        for promotion in params.get("promotions") or []:
            scored, promoted = self._promote(
                promotion, source, recipe, served, asking, scored, count
            )
        items = [
            self._item(data, served, code, score if recipe.scored else None, columns, promoted)
            for code, score in scored
        ]
        return {"itemList": items, "recommendationId": self._answered(source)}

    def get_personalized_ranking(self, params: Params) -> Params:
        """GetPersonalizedRanking: a list of items in the user's order; unknown ones come last."""
        with self._source(params) as (source, recipe, served):
            return self._rank(params, source, recipe, served)

    def _rank(self, params: Params, source: Resource, recipe: Recipe, served: Served) -> Params:
        if recipe.type != "PERSONALIZED_RANKING":
            raise InvalidInput(f"{recipe.name} does not rank: call GetRecommendations.")
        data = self._registry.data(source.group)
        columns = _columns(params, source, recipe, data)
        given = list(dict.fromkeys(params["inputList"]))
        if columns and len(given) > _WITH_METADATA:
            raise InvalidInput(f"With metadata inputList may have {_WITH_METADATA} items.")
        asking = Asking(data, served.codes, params)
        allow = self._allowed(params, source, asking, recipe)
        codes = served.codes.local("items", np.array([data.items.find(i) for i in given]))
        known = [int(code) for code in codes if code >= 0 and (allow is None or allow[code])]
        answer = served.ask(asking.request("rank", among=known)) if known else None
        ranking = [
            self._item(data, served, code, score, columns, {})
            for code, score in (
                zip(answer["items"], answer["scores"], strict=True) if answer else ()
            )
        ]
        if allow is None:
            unknown = (item for item, code in zip(given, codes, strict=True) if code < 0)
            ranking += [{"itemId": item} for item in unknown]
        return {"personalizedRanking": ranking, "recommendationId": self._answered(source)}

    def _answered(self, source: Resource) -> str:
        identity = _request_id()
        self._attribution.remember_source(identity, source.arn)
        return identity

    @contextmanager
    def _source(self, params: Params) -> Iterator[tuple[Resource, Recipe, Served]]:
        """The request's target and its model, which is kept until it has answered."""
        campaign, recommender = params.get("campaignArn"), params.get("recommenderArn")
        if bool(campaign) == bool(recommender):
            raise InvalidInput("Exactly one of campaignArn and recommenderArn is needed.")
        with self._registry.lock:
            if campaign:
                source = self._registry.find("campaign", campaign)
                version = self._registry.resources.get(source["solutionVersionArn"])
                served, recipe_arn = source.inner, version["recipeArn"] if version else ""
            else:
                source = self._registry.find("recommender", recommender or "")
                inner: Recommending = source.inner
                served, recipe_arn = inner.served, source["recipeArn"]
            if source.status != "ACTIVE" or not isinstance(served, Served):
                raise InvalidInput(f"{source.arn} is in status {source.status}; it must be ACTIVE.")
            self._registry.open(source.group)
            served.calls.enter()
        try:
            yield source, catalogue.find(recipe_arn), served
        finally:
            served.calls.leave()

    def _allowed(
        self, params: Params, source: Resource, asking: "Asking", recipe: Recipe
    ) -> Mask | None:
        arn = params.get("filterArn")
        if not arn:
            if params.get("filterValues"):
                raise InvalidInput("filterValues need a filterArn.")
            return None
        resource = self._registry.find("filter", arn, ready=True)
        if resource.group != source.group:
            raise InvalidInput(f"{arn} belongs to another dataset group.")
        compiled: Filter = resource.inner
        if compiled.target != "ITEMID":
            raise InvalidInput(f"{arn} filters users; only batch segment jobs can use it.")
        if compiled.current_item and recipe.type != "RELATED_ITEMS":
            raise InvalidInput(
                f"{arn} uses CurrentItem, which only related items recommendations have."
            )
        return asking.mask(compiled, params.get("filterValues") or {})

    def _promote(
        self,
        promotion: Params,
        source: Resource,
        recipe: Recipe,
        served: Served,
        asking: "Asking",
        scored: list[tuple[int, float]],
        count: int,
    ) -> tuple[list[tuple[int, float]], dict[int, str]]:
        """Reserve a share of the list for the best items that pass the promotion's filter."""
        percent = promotion.get("percentPromotedItems")
        name = promotion.get("name")
        if not promotion.get("filterArn") or not name or not percent:
            raise InvalidInput("A promotion needs a name, a filterArn and percentPromotedItems.")
        allow = self._allowed(promotion, source, asking, recipe)
        places = math.floor(count * percent / 100)
        answer = served.ask(asking.request("recommend", allow=_packed(allow), k=places))
        chosen = dict(zip(answer["items"], answer["scores"], strict=True))
        rest = [(code, score) for code, score in scored if code not in chosen]
        ranks = {code: place for place, (code, _) in enumerate(scored)}
        rest = rest[: count - len(chosen)]
        # promoted items already in the list keep their rank, the others are spread evenly
        step = max(1, count // max(1, len(chosen)))
        slots = {
            code: min(ranks.get(code, count), place * step) for place, code in enumerate(chosen)
        }
        merged = [(ranks[code] + 0.5, code, score) for code, score in rest]
        merged += [(slots[code], code, score) for code, score in chosen.items()]
        merged.sort(key=lambda each: each[0])
        named = {code: str(name) for code in chosen}
        return [(code, score) for _, code, score in merged], named

    @staticmethod
    def _item(
        data: GroupData,
        served: Served,
        code: int,
        score: float | None,
        columns: list[str],
        promoted: dict[int, str],
    ) -> Params:
        known = int(served.codes.items[code])
        item: Params = {"itemId": data.items.names[known]}
        if score is not None:
            item["score"] = score
        if code in promoted:
            item["promotionName"] = promoted[code]
        if columns:
            row = data.metadata["ITEMS"].rows.get(known, {})
            item["metadata"] = {
                name.lower(): str(row[name]) for name in columns if row.get(name) is not None
            }
        return item


class Asking:
    """One request to a model.

    Args:
        data: the group's data.
        codes: the model's codes.
        params: userId, itemId and context of the request.
        config: the configuration of the campaign or the batch inference job.
    """

    def __init__(
        self, data: GroupData, codes: Any, params: Params, config: Params | None = None
    ) -> None:
        self._data = data
        self._codes = codes
        self._context = params.get("context") or {}
        self._influence = (config or {}).get("rankingInfluence") or {}
        self.user = data.users.find(params["userId"]) if params.get("userId") else -1
        self.item = data.items.find(params["itemId"]) if params.get("itemId") else -1

    def mask(self, compiled: Filter, given: dict[str, str]) -> Mask:
        """A mask of the model's items that pass a filter."""
        values = compiled.bind(given)
        with self._data.lock:
            allowed = compiled.allow(self._data, values, self.user, self.item)
        return np.asarray(allowed[self._codes.items])

    def request(self, operation: str, **more: Any) -> Params:
        """The request for the model's process."""
        codes, data = self._codes, self._data
        request: Params = {
            "op": operation,
            "user": codes.local_one("users", self.user),
            "item": codes.local_one("items", self.item),
            "context": self._context,
            "influence": self._influence,
            **more,
        }
        if self.user >= 0 and data.interactions is not None:
            with data.lock:
                history = data.interactions.history(self.user)
            items = codes.local("items", history.item)
            known = items >= 0  # the model does not know items added after the training
            request["items"] = array(items[known], "<i4")
            request["timestamps"] = array(history.timestamp[known], "<i8")
            kinds = codes.local("event_types", history.event_type[known])
            request["event_types"] = array(kinds, "<i2")
            request["event_values"] = array(history.event_value[known], "<f4")
        users = data.metadata.get("USERS")
        if users is not None:
            request["user_attributes"] = users.rows.get(self.user, {})
        return request


def _packed(mask: Mask | None) -> str | None:
    return None if mask is None else bits(mask)


def _count(params: Params, metadata: bool) -> int:
    count: int = params.get("numResults") or _DEFAULT
    most = _WITH_METADATA if metadata else _MOST
    if count > most:
        where = " with metadata" if metadata else ""
        raise InvalidInput(f"numResults may be {most}{where}, not {count}.")
    return count


def _columns(params: Params, source: Resource, recipe: Recipe, data: GroupData) -> list[str]:
    asked = params.get("metadataColumns") or {}
    if not asked:
        return []
    config = source["campaignConfig"] or source["recommenderConfig"] or {}
    if not (recipe.semantic or config.get("enableMetadataWithRecommendations")):
        raise InvalidInput(
            "metadataColumns need enableMetadataWithRecommendations in the configuration of "
            f"{source.arn}."
        )
    unknown = [name for name in asked if name != "ITEMS"]
    schema = data.schema("ITEMS")
    if unknown or schema is None:
        raise InvalidInput(
            "metadataColumns may name columns of ITEMS, and the group needs that dataset."
        )
    names = []
    for name in asked["ITEMS"]:
        field = schema.field(name)
        if field is None:
            raise InvalidInput(f"The Items schema has no field '{name}'.")
        names.append(field.name)
    return names


def _request_id() -> str:
    return f"RID-{token()}-{token()}-{token()}"
