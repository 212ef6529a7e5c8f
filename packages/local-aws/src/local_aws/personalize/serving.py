"""Campaigns and recommenders, which serve trained versions."""

from typing import Any

from local_aws.personalize import catalogue
from local_aws.personalize.engine import ModelFailed, Served
from local_aws.personalize.errors import InvalidInput
from local_aws.personalize.resources import Failed, Params, Registry, Resource, given, now
from local_aws.personalize.solutions import Job, Solutions, Trained, check_influence

_LATEST = "/$LATEST"


class Recommending:
    """The implementation of a recommender: its trained use case and serving process."""

    def __init__(self, served: Served | None = None, trained: Trained | None = None) -> None:
        self.job = Job()
        self.served = served
        self.trained = trained

    def close(self) -> None:
        """End the process and delete the model."""
        self.job.close()
        for each in (self.served, self.trained):
            if each is not None:
                each.close()

    def retire(self) -> None:
        """End the process and delete the model after the last call."""
        if self.served is not None:
            self.served.calls.drain()
        self.close()


class Serving:
    """Operations of campaigns and recommenders."""

    def __init__(self, registry: Registry, solutions: Solutions) -> None:
        self._registry = registry
        self._solutions = solutions
        solutions.on_ready.append(self._version_ready)

    def create_campaign(self, params: Params) -> Params:
        """CreateCampaign: of a version, or of the latest one (`SolutionArn/$LATEST`)."""
        config = _checked(params.get("campaignConfig"), params["solutionVersionArn"])
        version = self._version(params["solutionVersionArn"])
        recipe = catalogue.find(version["recipeArn"])
        if recipe.type == "USER_SEGMENTATION":
            raise InvalidInput(
                f"{recipe.name} makes user segments in batch jobs; it has no campaign."
            )
        check_influence(config, recipe, self._registry.data(version.group))
        arn = self._registry.arn_of("campaign", params["name"])
        attributes = given(params, ("name",)) | {
            "solutionVersionArn": version.arn,
            "solutionArn": version["solutionArn"],
            "minProvisionedTPS": params.get("minProvisionedTPS", 1),
            "campaignConfig": config,
        }
        with self._registry.lock:
            there = [c for c in self._registry.all("campaign") if c.group == version.group]
            if arn not in self._registry.resources:
                self._registry.quota(len(there), "Active campaigns per dataset group")
            campaign = self._registry.add("campaign", arn, version.group, attributes, params)
            self._registry.work(
                campaign, "CREATE", "ACTIVE", lambda: self._serve(campaign, version)
            )
        return {"campaignArn": arn}

    def update_campaign(self, params: Params) -> Params:
        """UpdateCampaign: the old version answers until the new one does."""
        campaign = self._registry.find("campaign", params["campaignArn"], ready=True)
        config = params.get("campaignConfig")
        asked = params.get("solutionVersionArn") or campaign["solutionVersionArn"]
        if config is not None:
            config = _checked(config, asked)
        version = self._version(asked)
        if version["solutionArn"] != campaign["solutionArn"]:
            raise InvalidInput(f"{version.arn} is not a version of the campaign's solution.")
        recipe = catalogue.find(version["recipeArn"])
        check_influence(config or {}, recipe, self._registry.data(version.group))
        self._switch(campaign, version, params.get("minProvisionedTPS"), config)
        return {"campaignArn": campaign.arn}

    def _switch(
        self, campaign: Resource, version: Resource, tps: int | None, config: Params | None
    ) -> None:
        changed = {
            "solutionVersionArn": version.arn,
            "minProvisionedTPS": campaign["minProvisionedTPS"] if tps is None else tps,
            "campaignConfig": campaign["campaignConfig"] if config is None else config,
        }
        update = {**changed, "creationDateTime": now()}
        with self._registry.lock:
            self._registry.idle(campaign)
            campaign.attributes["latestCampaignUpdate"] = update
            self._registry.work(
                campaign,
                "CREATE",
                "ACTIVE",
                lambda: self._serve(campaign, version),
                layer=update,
                then=lambda: campaign.attributes.update(changed, lastUpdatedDateTime=now()),
            )

    def _version_ready(self, solution: Resource, version: Resource) -> None:
        """Update campaigns that follow the latest version."""
        for campaign in self._registry.all("campaign", solutionArn=solution.arn):
            follows = (campaign["campaignConfig"] or {}).get("syncWithLatestSolutionVersion")
            if follows and campaign.status == "ACTIVE" and not campaign.busy:
                self._switch(campaign, version, None, None)

    def _version(self, arn: str) -> Resource:
        if not arn.endswith(_LATEST):
            found = self._registry.resources.get(arn)
            if found is not None and found.kind.name == "solution":
                newest = self._solutions.latest_version(found)
                such = f", such as {newest.arn}" if newest else ""
                raise InvalidInput(
                    f"{arn} is a solution: give the ARN of one of its versions{such}, or "
                    f"{arn}{_LATEST} for the latest one."
                )
            return self._registry.find("solutionVersion", arn, ready=True)
        solution = self._registry.find("solution", arn.removesuffix(_LATEST))
        version = self._solutions.latest_version(solution)
        if version is None:
            raise InvalidInput(f"{solution.arn} has no ACTIVE version yet.")
        return version

    def _serve(self, campaign: Resource, version: Resource) -> None:
        served = _start(version.inner)
        with self._registry.lock:
            old, campaign.inner = campaign.inner, served
        if old is not None:
            old.retire()

    def delete_campaign(self, params: Params) -> None:
        """DeleteCampaign."""
        campaign = self._registry.find("campaign", params["campaignArn"])
        self._registry.delete(campaign, lambda: campaign.inner.retire() if campaign.inner else None)

    def create_recommender(self, params: Params) -> Params:
        """CreateRecommender: trains and serves a domain use case."""
        group = self._registry.find("datasetGroup", params["datasetGroupArn"], ready=True)
        recipe = catalogue.find(params["recipeArn"])
        if not recipe.domain:
            raise InvalidInput(
                f"{recipe.name} is a custom recipe. Make a solution and a campaign for it."
            )
        if group["domain"] != recipe.domain:
            raise InvalidInput(f"{recipe.name} needs a dataset group of domain {recipe.domain}.")
        catalogue.require_model(recipe)
        arn = self._registry.arn_of("recommender", params["name"])
        attributes = given(params, ("name", "datasetGroupArn", "recipeArn"))
        attributes["recommenderConfig"] = _with_rate(params.get("recommenderConfig") or {})
        with self._registry.lock:
            there = self._registry.all("recommender", datasetGroupArn=group.arn)
            if arn not in self._registry.resources:
                self._registry.quota(len(there), "Active recommenders per dataset group")
            made = self._registry.add("recommender", arn, group.arn, attributes, params)
            made.inner = Recommending()
            self._registry.work(
                made,
                "CREATE",
                "ACTIVE",
                lambda: self._train_and_serve(made),
                gate=self._solutions.gate,
            )
        return {"recommenderArn": arn}

    def _train_and_serve(self, recommender: Resource, config: Params | None = None) -> None:
        inner: Recommending = recommender.inner
        config = recommender["recommenderConfig"] if config is None else config
        asked = {"config": {"trainingDataConfig": config.get("trainingDataConfig")}}
        recipe = catalogue.find(recommender["recipeArn"])
        trained = self._solutions.train(recipe, recommender.group, asked, inner.job)
        served = _start(trained)
        with self._registry.lock:
            old = Recommending(inner.served, inner.trained)
            inner.served, inner.trained = served, trained
            recommender.attributes["modelMetrics"] = trained.metrics
        old.retire()

    def update_recommender(self, params: Params) -> Params:
        """UpdateRecommender: new settings; new columns cause retraining."""
        recommender = self._registry.find("recommender", params["recommenderArn"])
        if recommender.status not in ("ACTIVE", "INACTIVE"):
            self._registry.find("recommender", recommender.arn, ready=True)
        config = _with_rate({**recommender["recommenderConfig"], **params["recommenderConfig"]})
        retrain = config.get("trainingDataConfig") != recommender["recommenderConfig"].get(
            "trainingDataConfig"
        )
        update = {"recommenderConfig": config, "creationDateTime": now()}
        with self._registry.lock:
            self._registry.idle(recommender)
            if retrain and recommender.status == "INACTIVE":
                raise InvalidInput(
                    f"{recommender.arn} is INACTIVE; start it before it is retrained."
                )
            recommender.attributes["latestRecommenderUpdate"] = update
            self._registry.work(
                recommender,
                "CREATE",
                "ACTIVE",
                (lambda: self._train_and_serve(recommender, config)) if retrain else None,
                layer=update,
                then=lambda: recommender.attributes.update(
                    recommenderConfig=config, lastUpdatedDateTime=now()
                ),
            )
        return {"recommenderArn": recommender.arn}

    def stop_recommender(self, params: Params) -> Params:
        """StopRecommender: an ACTIVE recommender becomes INACTIVE."""
        recommender = self._registry.find("recommender", params["recommenderArn"], ready=True)
        inner: Recommending = recommender.inner

        def task() -> None:
            with self._registry.lock:
                served, inner.served = inner.served, None
            if served is not None:
                served.retire()

        with self._registry.lock:
            self._registry.idle(recommender)
            self._registry.work(recommender, "STOP", "INACTIVE", task)
        return {"recommenderArn": recommender.arn}

    def start_recommender(self, params: Params) -> Params:
        """StartRecommender: an INACTIVE recommender serves its previous model again."""
        recommender = self._registry.find("recommender", params["recommenderArn"])
        inner: Recommending = recommender.inner

        def task() -> None:
            inner.served = _start(inner.trained)

        with self._registry.lock:
            self._registry.idle(recommender)
            if recommender.status != "INACTIVE":
                raise InvalidInput(
                    f"{recommender.arn} is in status {recommender.status}, not INACTIVE."
                )
            self._registry.work(recommender, "START", "ACTIVE", task)
        return {"recommenderArn": recommender.arn}

    def delete_recommender(self, params: Params) -> None:
        """DeleteRecommender."""
        recommender = self._registry.find("recommender", params["recommenderArn"])
        self._registry.delete(recommender, recommender.inner.retire)


def _start(trained: Any) -> Served:
    if not isinstance(trained, Trained):
        raise Failed("The model is gone.")
    try:
        return Served(trained.folder, trained.codes)
    except ModelFailed as error:
        raise Failed(str(error)) from None


def _checked(config: Params | None, version_arn: str) -> Params:
    config = config or {}
    if config.get("syncWithLatestSolutionVersion") and not version_arn.endswith(_LATEST):
        raise InvalidInput(
            "syncWithLatestSolutionVersion needs a solutionVersionArn of the form "
            "SolutionArn/$LATEST."
        )
    return config


def _with_rate(config: Params) -> Params:
    return {"minRecommendationRequestsPerSecond": 1, **config}
