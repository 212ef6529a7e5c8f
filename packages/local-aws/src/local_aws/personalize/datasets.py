"""Dataset groups, schemas, datasets, imports, event trackers and filters."""

import uuid
from functools import partial
from typing import Any

from local_aws.api import NotImplementedByLocalAws
from local_aws.personalize import importing, schemas
from local_aws.personalize.access import AccessDenied, JobStorage, Place, check_role
from local_aws.personalize.data import GroupData
from local_aws.personalize.errors import AlreadyExists, InvalidInput, LimitExceeded
from local_aws.personalize.filters import Filter
from local_aws.personalize.resources import Failed, Registry, Resource, now

FILTER_FIELDS = 20
INTERACTIONS, USERS, USER_INTERACTIONS, USER_SHARE = 1000, 25, 2, 0.01
_REMEMBERED = 100_000  # recommendations
_TYPES = ("INTERACTIONS", "ITEMS", "USERS")

Params = dict[str, Any]


class Datasets(Registry):
    """Operations of dataset groups and their data."""

    def __init__(self, region_name: str, account_id: str) -> None:
        super().__init__(region_name, account_id)
        self._sources: dict[str, str] = {}

    def data(self, group: str) -> GroupData:
        """The data of the dataset group with this ARN."""
        inner = self.find("datasetGroup", group).inner
        assert isinstance(inner, GroupData)
        return inner

    def create_dataset_group(self, params: Params) -> Params:
        """CreateDatasetGroup: custom, or of a domain."""
        if params.get("kmsKeyArn") and not params.get("roleArn"):
            raise InvalidInput("A kmsKeyArn needs a roleArn.")
        arn = self.arn_of("datasetGroup", params["name"])
        with self.lock:
            if arn not in self.resources:
                self.quota(len(self.all("datasetGroup")), "Active dataset groups")
            names = ("name", "domain", "roleArn", "kmsKeyArn")
            group = self.add("datasetGroup", arn, arn, given(params, names), params)
            group.inner = GroupData()
            self.work(group, "CREATE", "ACTIVE")
        return {"datasetGroupArn": arn, **given(params, ("domain",))}

    def delete_dataset_group(self, params: Params) -> None:
        """DeleteDatasetGroup: the group must be empty."""
        group = self.find("datasetGroup", params["datasetGroupArn"])
        of_group = {"datasetGroupArn": group.arn}
        with self.lock:
            self.idle(group)
            running = [job for job in self.all("dataDeletionJob", **of_group) if job.busy]
            self.unused(group, running)
            kinds = (
                *("dataset", "solution", "campaign", "recommender", "filter", "eventTracker"),
                "metricAttribution",
            )
            self.unused(
                group, [r for kind in kinds for r in self.all(kind) if r.group == group.arn]
            )
            self.delete(group, lambda: self._drop(self.all("dataDeletionJob", **of_group)))

    def _drop(self, jobs: list[Resource]) -> None:
        """Delete the jobs of a deleted resource."""
        with self.lock:
            for job in jobs:
                self.resources.pop(job.arn, None)

    def create_schema(self, params: Params) -> Params:
        """CreateSchema: an Avro schema for one dataset type."""
        schema = schemas.parse(params["schema"], params.get("domain"))
        arn = self.arn_of("schema", params["name"])
        with self.lock:
            if arn not in self.resources:
                self.quota(len(self.all("schema")), "Schemas")
            made = self.add("schema", arn, "", given(params, ("name", "schema", "domain")), params)
            made.inner = schema
        return {"schemaArn": arn}

    def delete_schema(self, params: Params) -> None:
        """DeleteSchema: it must be unused; it is deleted at once."""
        schema = self.find("schema", params["schemaArn"])
        with self.lock:
            self.unused(schema, self.all("dataset", schemaArn=schema.arn))
            del self.resources[schema.arn]

    def create_dataset(self, params: Params) -> Params:
        """CreateDataset: one of each type in a group."""
        kind = params["datasetType"].upper()
        if kind not in _TYPES:
            if kind in ("ACTIONS", "ACTION_INTERACTIONS"):
                raise NotImplementedByLocalAws(f"datasets of type {kind}")
            raise InvalidInput(
                f"datasetType must be one of {', '.join(_TYPES)}, not {params['datasetType']}."
            )
        group = self.find("datasetGroup", params["datasetGroupArn"], ready=True)
        schema = self._schema_for(params["schemaArn"], kind, group)
        arn = self.arn_of("dataset", group["name"], kind)
        if (
            self.all("dataset", name=params["name"], datasetGroupArn=group.arn)
            and arn not in self.resources
        ):
            raise AlreadyExists(params["name"])
        attributes = given(params, ("name", "datasetGroupArn", "schemaArn")) | {"datasetType": kind}
        with self.lock:
            dataset = self.add("dataset", arn, group.arn, attributes, params)
            data = self.data(group.arn)
            self.work(dataset, "CREATE", "ACTIVE", then=lambda: data.open(schema))
        return {"datasetArn": arn}

    def _schema_for(self, arn: str, kind: str, group: Resource) -> schemas.Schema:
        schema = self.find("schema", arn)
        if schema["domain"] != group["domain"]:
            ours, theirs = (each["domain"] or "none (custom)" for each in (schema, group))
            raise InvalidInput(
                f"Schema {arn} is of domain {ours}, dataset group {group.arn} of domain {theirs}; "
                "they must be the same."
            )
        parsed: schemas.Schema = schema.inner
        if parsed.dataset_type != kind:
            raise InvalidInput(
                f"Schema {arn} is for {parsed.dataset_type} datasets, not for {kind}."
            )
        return parsed

    def update_dataset(self, params: Params) -> Params:
        """UpdateDataset: the schema must keep the old fields; new ones must be nullable."""
        dataset = self.find("dataset", params["datasetArn"], ready=True)
        group = self.find("datasetGroup", dataset.group)
        new = self._schema_for(params["schemaArn"], dataset["datasetType"], group)
        old: schemas.Schema = self.find("schema", dataset["schemaArn"]).inner
        wrong = [f"field {f.name} is changed or missing" for f in old.fields if f not in new.fields]
        wrong += [
            f"new field {f.name} must allow null"
            for f in new.fields
            if not old.field(f.name) and not f.nullable
        ]
        if wrong:
            raise InvalidInput(f"The new schema does not fit the data: {'; '.join(wrong)}.")
        update = {"schemaArn": params["schemaArn"], "creationDateTime": now()}

        def then() -> None:
            dataset.attributes["schemaArn"] = params["schemaArn"]
            self.data(group.arn).open(new)

        with self.lock:
            self.idle(dataset)
            dataset.attributes["latestDatasetUpdate"] = update
            self.work(dataset, "CREATE", "ACTIVE", layer=update, then=then)
        return {"datasetArn": dataset.arn}

    def delete_dataset(self, params: Params) -> None:
        """DeleteDataset: with its data; no job may be using it."""
        dataset = self.find("dataset", params["datasetArn"])
        group, kind = dataset.group, dataset["datasetType"]
        with self.lock:
            self.idle(dataset)
            jobs = [
                job
                for of in ("datasetImportJob", "datasetExportJob")
                for job in self.all(of, datasetArn=dataset.arn)
            ]
            self.unused(dataset, [job for job in jobs if job.busy])
            trainings = self.all("solutionVersion", datasetGroupArn=group)
            self.unused(dataset, [version for version in trainings if version.busy])
            if kind != "INTERACTIONS":
                used = {f for f in self.all("filter", datasetGroupArn=group) if _reads(f, kind)}
                self.unused(dataset, used)

            def task() -> None:
                self.data(group).drop(kind)
                self._drop(jobs)

            self.delete(dataset, task)

    def create_dataset_import_job(self, params: Params) -> Params:
        """CreateDatasetImportJob: CSV files from S3 into a dataset."""
        dataset = self.find("dataset", params["datasetArn"], ready=True)
        place = Place.of(params["dataSource"].get("dataLocation") or "")
        role = params.get("roleArn")
        if not role:
            raise InvalidInput("roleArn is needed: the role with which the data is read.")
        if params.get("publishAttributionMetricsToS3"):
            self.check_publishing(dataset.group)
        arn = self.arn_of("datasetImportJob", params["jobName"])
        check_role(role, arn, self.region_name)
        full = params.get("importMode", "FULL") == "FULL"
        names = (
            *("jobName", "datasetArn", "dataSource", "roleArn"),
            "publishAttributionMetricsToS3",
        )
        attributes = given(params, names) | {"importMode": "FULL" if full else "INCREMENTAL"}
        with self.lock:
            self.idle(dataset)
            running = [job for job in self.all("datasetImportJob") if job.busy]
            self.quota(len(running), "Pending or In Progress dataset import jobs")
            job = self.add("datasetImportJob", arn, dataset.group, attributes, params)
            storage = JobStorage(role, arn, self.account_id, self.region_name)
            task = partial(self._import, job, dataset, storage, place, full)
            self.work(job, "CREATE", "ACTIVE", task)
        return {"datasetImportJobArn": arn}

    def _import(
        self, job: Resource, dataset: Resource, storage: JobStorage, place: Place, full: bool
    ) -> None:
        kind = dataset["datasetType"]
        data = self.data(dataset.group)
        schema = data.schema(kind)
        assert schema is not None
        try:
            rows, told = importing.read(storage.read(place), schema)
        except (AccessDenied, importing.BadData) as error:
            raise Failed(str(error)) from None
        if kind == "INTERACTIONS":
            if len(rows) < INTERACTIONS:
                raise Failed(
                    f"The import has {len(rows)} interactions; at least {INTERACTIONS} are needed."
                )
            if full:
                counts: dict[str, int] = {}
                for row in rows:
                    counts[row["USER_ID"]] = counts.get(row["USER_ID"], 0) + 1
                enough_users(sum(1 for n in counts.values() if n >= USER_INTERACTIONS), len(counts))
        data.load(kind, rows, full)
        if kind == "INTERACTIONS":
            self.imported(job, dataset, rows)
        if told:  # the API has no other member for a job's messages
            job.attributes["failureReason"] = f"Imported, with warnings: {' '.join(told)}"

    def imported(self, job: Resource, dataset: Resource, rows: list[Params]) -> None:
        """Called when interactions have been imported."""

    def check_publishing(self, group: str) -> None:
        """Called for an import with a report; raises if the report is impossible."""

    def source_of(self, recommendation_id: str) -> str:
        """The ARN of the campaign or recommender of an answer; empty if unknown."""
        return self._sources.get(recommendation_id, "")

    def remember_source(self, recommendation_id: str, arn: str) -> None:
        """Record the source of an answer, for events that refer to it."""
        with self.lock:
            self._sources[recommendation_id] = arn
            while len(self._sources) > _REMEMBERED:
                del self._sources[next(iter(self._sources))]

    def create_event_tracker(self, params: Params) -> Params:
        """CreateEventTracker: one for each group."""
        group = self.find("datasetGroup", params["datasetGroupArn"], ready=True)
        with self.lock:
            there = self.all("eventTracker", datasetGroupArn=group.arn)
            if any(tracker["name"] == params["name"] for tracker in there):
                raise AlreadyExists(there[0].arn)
            if there:
                raise LimitExceeded(
                    f"Dataset group {group.arn} has an event tracker: {there[0].arn}."
                )
            tracking = str(uuid.uuid4())
            arn = self.arn_of("eventTracker", tracking.split("-", maxsplit=1)[0])
            attributes = given(params, ("name", "datasetGroupArn"))
            attributes |= {"trackingId": tracking, "accountId": self.account_id}
            tracker = self.add("eventTracker", arn, group.arn, attributes, params)
            self.work(tracker, "CREATE", "ACTIVE")
        return {"eventTrackerArn": arn, "trackingId": tracking}

    def delete_event_tracker(self, params: Params) -> None:
        """DeleteEventTracker: its events are kept."""
        self.delete(self.find("eventTracker", params["eventTrackerArn"]))

    def create_filter(self, params: Params) -> Params:
        """CreateFilter: the expression is checked against the group's schemas at once."""
        group = self.find("datasetGroup", params["datasetGroupArn"], ready=True)
        data = self.data(group.arn)
        compiled = Filter(params["filterExpression"], data.schema)
        arn = self.arn_of("filter", params["name"])
        with self.lock:
            others = self.all("filter", datasetGroupArn=group.arn)
            if arn not in self.resources:
                self.quota(len(others), "Active filters per dataset group")
            fields = compiled.fields.union(*(other.inner.fields for other in others))
            if len(fields) > FILTER_FIELDS:
                raise LimitExceeded(
                    f"All filters of a dataset group together may use {FILTER_FIELDS} distinct "
                    f"fields; with this one they would use {len(fields)}."
                )
            names = ("name", "datasetGroupArn", "filterExpression")
            made = self.add("filter", arn, group.arn, given(params, names), params)
            made.inner = compiled
            self.work(made, "CREATE", "ACTIVE")
        return {"filterArn": arn}

    def delete_filter(self, params: Params) -> None:
        """DeleteFilter."""
        resource = self.find("filter", params["filterArn"])
        with self.lock:
            jobs = self.all("batchInferenceJob") + self.all("batchSegmentJob")
            self.unused(resource, [j for j in jobs if j.busy and j["filterArn"] == resource.arn])
            self.delete(resource)


def enough_users(active: int, users: int) -> None:
    """Check that enough users have enough interactions.

    Raises:
        Failed: otherwise.
    """
    if active < USERS or active < USER_SHARE * users:
        raise Failed(
            f"{active} of {users} users have at least {USER_INTERACTIONS} interactions; at least "
            f"{USERS} users, and {USER_SHARE:.0%} of all, are needed."
        )


def given(params: Params, names: tuple[str, ...]) -> Params:
    """The given parameters."""
    return {name: params[name] for name in names if params.get(name) is not None}


def _reads(resource: Resource, kind: str) -> bool:
    return any(dataset == kind for dataset, _ in resource.inner.fields)
