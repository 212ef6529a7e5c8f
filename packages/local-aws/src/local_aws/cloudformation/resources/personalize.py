"""AWS::Personalize: dataset groups, schemas, datasets, campaigns, event trackers, filters."""

from typing import Any

from botocore.exceptions import ClientError

from local_aws.cloudformation.errors import ResourceFailed
from local_aws.cloudformation.resources.base import (
    Attributes,
    Call,
    Handler,
    Properties,
    lowered,
    retag,
    tag_map,
)

_GONE = "ResourceNotFoundException"


class _Resource(Handler):
    """Base class of Personalize's resources: ARN as id, states, tags."""

    noun: str  # as in create_dataset_group
    key: str  # as in datasetGroupArn
    gone_codes = frozenset({_GONE})

    def create(self, call: Call) -> Attributes:
        """Create it and wait until it is ACTIVE."""
        request = self._request(call.properties)
        if tags := _tag_list(tag_map(call.properties.get("Tags"))):
            request["tags"] = tags
        answer = getattr(call.client("personalize"), f"create_{self.noun}")(**request)
        call.identify(answer[f"{self.key}Arn"])
        return self._attributes(self._settled(call))

    def update(self, call: Call) -> Attributes:
        """Change the tags; other in-place changes are the type's own."""
        retag(call, call.client("personalize"), _tag_list, resourceArn=call.physical_id)
        return self._attributes(self._described(call))

    def delete(self, call: Call) -> None:
        """Delete it once it is stable, and wait until it no longer exists."""
        self._settled(call, failed=False)
        personalize = call.client("personalize")
        getattr(personalize, f"delete_{self.noun}")(**{f"{self.key}Arn": call.physical_id})
        while True:
            self._described(call)  # ends with ResourceNotFoundException
            call.pause(0.1)

    def _request(self, properties: Properties) -> Properties:
        request: Properties = lowered({k: v for k, v in properties.items() if k != "Tags"})
        return request

    def _attributes(self, shown: Properties) -> Attributes:
        """The attributes from a description."""
        name = f"{self.key[0].upper()}{self.key[1:]}Arn"
        return {name: shown[f"{self.key}Arn"]}

    def _described(self, call: Call) -> Properties:
        describe = getattr(call.client("personalize"), f"describe_{self.noun}")
        shown: Properties = describe(**{f"{self.key}Arn": call.physical_id})[self.key]
        return shown

    def _settled(self, call: Call, *, failed: bool = True, layer: str = "") -> Properties:
        """Wait for a stable status.

        Args:
            failed: whether a failed status is an error.
            layer: the member with the status of an update.
        """
        while True:
            shown = self._described(call)
            part = shown.get(layer, {}) if layer else shown
            status = str(part.get("status", "ACTIVE"))
            if status.endswith("FAILED") and failed:
                reason = part.get("failureReason", "no reason was given")
                raise ResourceFailed(f"{call.physical_id} is {status}: {reason}")
            if not status.endswith(("PENDING", "IN_PROGRESS")):
                return shown
            call.pause(0.2)


class DatasetGroup(_Resource):
    """AWS::Personalize::DatasetGroup."""

    type = "AWS::Personalize::DatasetGroup"
    noun, key = "dataset_group", "datasetGroup"
    supported = frozenset({"Domain", "KmsKeyArn", "Name", "RoleArn", "Tags"})


class Schema(_Resource):
    """AWS::Personalize::Schema."""

    type = "AWS::Personalize::Schema"
    noun, key = "schema", "schema"
    # The type has Tags; the API that creates a schema takes none.
    supported = frozenset({"Domain", "Name", "Schema"})


class Dataset(_Resource):
    """AWS::Personalize::Dataset: complete when its import is done."""

    type = "AWS::Personalize::Dataset"
    noun, key = "dataset", "dataset"
    supported = frozenset(
        {"DatasetGroupArn", "DatasetImportJob", "DatasetType", "Name", "SchemaArn", "Tags"}
    )

    def create(self, call: Call) -> Attributes:
        """Create the dataset, then import into it."""
        attributes = super().create(call)
        self._import(call)
        return attributes

    def update(self, call: Call) -> Attributes:
        """Import again if the job has changed."""
        attributes = super().update(call)
        if call.changed("DatasetImportJob"):
            self._import(call)
        return attributes

    def delete(self, call: Call) -> None:
        """Wait for a running import, then delete the dataset with its data."""
        personalize = call.client("personalize")
        pages = personalize.get_paginator("list_dataset_import_jobs").paginate(
            datasetArn=call.physical_id
        )
        for page in pages:
            for job in page["datasetImportJobs"]:
                _imported(call, job["datasetImportJobArn"])
        super().delete(call)

    def _request(self, properties: Properties) -> Properties:
        return super()._request({k: v for k, v in properties.items() if k != "DatasetImportJob"})

    def _import(self, call: Call) -> None:
        job = call.properties.get("DatasetImportJob")
        if not job:
            return
        answer = call.client("personalize").create_dataset_import_job(
            **{**lowered(job), "datasetArn": call.physical_id}
        )
        shown = _imported(call, answer["datasetImportJobArn"])
        if shown["status"] != "ACTIVE":
            reason = shown.get("failureReason", "no reason was given")
            raise ResourceFailed(f"{shown['datasetImportJobArn']} is {shown['status']}: {reason}")


class Campaign(_Resource):
    """AWS::Personalize::Campaign: updates version, rate and settings in place."""

    type = "AWS::Personalize::Campaign"
    noun, key = "campaign", "campaign"
    supported = frozenset(
        {"CampaignConfig", "MinProvisionedTPS", "Name", "SolutionVersionArn", "Tags"}
    )

    def update(self, call: Call) -> Attributes:
        """Deploy the new version, then switch to it."""
        super().update(call)
        if call.changed("CampaignConfig", "MinProvisionedTPS", "SolutionVersionArn"):
            request = self._request(call.properties)
            del request["name"]
            self._settled(call, failed=False, layer="latestCampaignUpdate")
            call.client("personalize").update_campaign(campaignArn=call.physical_id, **request)
            self._settled(call, layer="latestCampaignUpdate")
        return self._attributes(self._described(call))

    def delete(self, call: Call) -> None:
        """Delete it once its update has ended."""
        self._settled(call, failed=False, layer="latestCampaignUpdate")
        super().delete(call)

    def _request(self, properties: Properties) -> Properties:
        request: Properties = lowered(
            {k: v for k, v in properties.items() if k != "Tags"},
            frozenset({"ItemExplorationConfig", "RankingInfluence"}),
        )
        return request

    def _attributes(self, shown: Properties) -> Attributes:
        return super()._attributes(shown) | _shown(shown)


class EventTracker(_Resource):
    """AWS::Personalize::EventTracker."""

    type = "AWS::Personalize::EventTracker"
    noun, key = "event_tracker", "eventTracker"
    supported = frozenset({"DatasetGroupArn", "Name", "Tags"})

    def _attributes(self, shown: Properties) -> Attributes:
        return super()._attributes(shown) | {"TrackingId": shown["trackingId"]}


class Filter(_Resource):
    """AWS::Personalize::Filter."""

    type = "AWS::Personalize::Filter"
    noun, key = "filter", "filter"
    supported = frozenset({"DatasetGroupArn", "FilterExpression", "Name", "Tags"})

    def _attributes(self, shown: Properties) -> Attributes:
        return super()._attributes(shown) | _shown(shown)


def _imported(call: Call, arn: str) -> Properties:
    """The description of an import that has ended."""
    while True:
        try:
            shown: Any = call.client("personalize").describe_dataset_import_job(
                datasetImportJobArn=arn
            )["datasetImportJob"]
        except ClientError as error:
            if error.response["Error"]["Code"] == _GONE:
                return {"datasetImportJobArn": arn, "status": "DELETED"}
            raise
        if not shown["status"].endswith(("PENDING", "IN_PROGRESS")):
            return dict(shown)
        call.pause(0.2)


def _shown(shown: Properties) -> Attributes:
    times = {
        name[0].upper() + name[1:]: shown[name].isoformat()
        for name in ("creationDateTime", "lastUpdatedDateTime")
    }
    return {"Status": shown["status"], **times}


def _tag_list(tags: dict[str, str]) -> list[dict[str, str]]:
    return [{"tagKey": key, "tagValue": value} for key, value in tags.items()]


HANDLERS = (DatasetGroup, Schema, Dataset, Campaign, EventTracker, Filter)
