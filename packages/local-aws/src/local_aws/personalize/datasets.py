"""Dataset groups, schemas, datasets, imports, event trackers and filters."""

import uuid
from functools import partial

from local_aws.api import NotImplementedByLocalAws
from local_aws.personalize import importing, schemas
from local_aws.personalize.access import AccessDenied, JobStorage, Place, check_role
from local_aws.personalize.attribution import Attribution
from local_aws.personalize.data import GroupData
from local_aws.personalize.errors import AlreadyExists, InvalidInput, LimitExceeded
from local_aws.personalize.filters import Filter
from local_aws.personalize.resources import Failed, Params, Registry, Resource, given, now

FILTER_FIELDS = 20
INTERACTIONS, USERS, USER_INTERACTIONS, USER_SHARE = 1000, 25, 2, 0.01
_TYPES = ("INTERACTIONS", "ITEMS", "USERS")


class Datasets:
    """Operations of dataset groups and their data."""

    def __init__(self, registry: Registry, attribution: Attribution) -> None:
        self._registry = registry
        self._attribution = attribution

    def create_dataset_group(self, params: Params) -> Params:
        """CreateDatasetGroup: custom, or of a domain."""
        if bool(params.get("kmsKeyArn")) != bool(params.get("roleArn")):
            raise InvalidInput("A kmsKeyArn and a roleArn need each other.")
        arn = self._registry.arn_of("datasetGroup", params["name"])
        if params.get("roleArn"):
            check_role(params["roleArn"], arn, self._registry.region_name)
        with self._registry.lock:
            if arn not in self._registry.resources:
                self._registry.quota(
                    len(self._registry.all("datasetGroup")), "Active dataset groups"
                )
            names = ("name", "domain", "roleArn", "kmsKeyArn")
            group = self._registry.add("datasetGroup", arn, arn, given(params, names), params)
            group.inner = GroupData()
            self._registry.work(group, "CREATE", "ACTIVE")
        return {"datasetGroupArn": arn, **given(params, ("domain",))}

    def delete_dataset_group(self, params: Params) -> None:
        """DeleteDatasetGroup: the group must be empty."""
        group = self._registry.find("datasetGroup", params["datasetGroupArn"])
        of_group = {"datasetGroupArn": group.arn}
        with self._registry.lock:
            self._registry.idle(group)
            running = [job for job in self._registry.all("dataDeletionJob", **of_group) if job.busy]
            self._registry.unused(group, running)
            kinds = (
                *("dataset", "solution", "campaign", "recommender", "filter", "eventTracker"),
                "metricAttribution",
            )
            self._registry.unused(
                group,
                [r for kind in kinds for r in self._registry.all(kind) if r.group == group.arn],
            )
            self._registry.delete(
                group, lambda: self._drop(self._registry.all("dataDeletionJob", **of_group))
            )

    def _drop(self, jobs: list[Resource]) -> None:
        """Delete the jobs of a deleted resource."""
        with self._registry.lock:
            for job in jobs:
                self._registry.resources.pop(job.arn, None)

    def create_schema(self, params: Params) -> Params:
        """CreateSchema: an Avro schema for one dataset type."""
        schema = schemas.parse(params["schema"], params.get("domain"))
        arn = self._registry.arn_of("schema", params["name"])
        with self._registry.lock:
            if arn not in self._registry.resources:
                self._registry.quota(len(self._registry.all("schema")), "Schemas")
            made = self._registry.add(
                "schema", arn, "", given(params, ("name", "schema", "domain")), params
            )
            made.inner = schema
        return {"schemaArn": arn}

    def delete_schema(self, params: Params) -> None:
        """DeleteSchema: it must be unused; it is deleted at once."""
        schema = self._registry.find("schema", params["schemaArn"])
        with self._registry.lock:
            self._registry.unused(schema, self._registry.all("dataset", schemaArn=schema.arn))
            del self._registry.resources[schema.arn]

    def create_dataset(self, params: Params) -> Params:
        """CreateDataset: one of each type in a group."""
        kind = params["datasetType"].upper()
        if kind not in _TYPES:
            if kind in ("ACTIONS", "ACTION_INTERACTIONS"):
                raise NotImplementedByLocalAws(f"datasets of type {kind}")
            raise InvalidInput(
                f"datasetType must be one of {', '.join(_TYPES)}, not {params['datasetType']}."
            )
        group = self._registry.find("datasetGroup", params["datasetGroupArn"], ready=True)
        schema = self._schema_for(params["schemaArn"], kind, group)
        arn = self._registry.arn_of("dataset", group["name"], kind)
        if (
            self._registry.all("dataset", name=params["name"], datasetGroupArn=group.arn)
            and arn not in self._registry.resources
        ):
            raise AlreadyExists(params["name"])
        attributes = given(params, ("name", "datasetGroupArn", "schemaArn")) | {"datasetType": kind}
        with self._registry.lock:
            dataset = self._registry.add("dataset", arn, group.arn, attributes, params)
            data = self._registry.data(group.arn)
            self._registry.work(dataset, "CREATE", "ACTIVE", then=lambda: data.open(schema))
        return {"datasetArn": arn}

    def _schema_for(self, arn: str, kind: str, group: Resource) -> schemas.Schema:
        schema = self._registry.find("schema", arn)
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
        dataset = self._registry.find("dataset", params["datasetArn"], ready=True)
        group = self._registry.find("datasetGroup", dataset.group)
        new = self._schema_for(params["schemaArn"], dataset["datasetType"], group)
        old: schemas.Schema = self._registry.find("schema", dataset["schemaArn"]).inner
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
            self._registry.data(group.arn).open(new)

        with self._registry.lock:
            self._registry.idle(dataset)
            dataset.attributes["latestDatasetUpdate"] = update
            self._registry.work(dataset, "CREATE", "ACTIVE", layer=update, then=then)
        return {"datasetArn": dataset.arn}

    def delete_dataset(self, params: Params) -> None:
        """DeleteDataset: with its data; no job may be using it."""
        dataset = self._registry.find("dataset", params["datasetArn"])
        group, kind = dataset.group, dataset["datasetType"]
        with self._registry.lock:
            self._registry.idle(dataset)
            jobs = [
                job
                for of in ("datasetImportJob", "datasetExportJob")
                for job in self._registry.all(of, datasetArn=dataset.arn)
            ]
            self._registry.unused(dataset, [job for job in jobs if job.busy])
            trainings = self._registry.all("solutionVersion", datasetGroupArn=group)
            self._registry.unused(dataset, [version for version in trainings if version.busy])
            if kind != "INTERACTIONS":
                used = {
                    f
                    for f in self._registry.all("filter", datasetGroupArn=group)
                    if _reads(f, kind)
                }
                self._registry.unused(dataset, used)

            def task() -> None:
                self._registry.data(group).drop(kind)
                self._drop(jobs)

            self._registry.delete(dataset, task)

    def create_dataset_import_job(self, params: Params) -> Params:
        """CreateDatasetImportJob: CSV files from S3 into a dataset."""
        dataset = self._registry.find("dataset", params["datasetArn"], ready=True)
        place = Place.of(params["dataSource"].get("dataLocation") or "")
        role = params.get("roleArn")
        if not role:
            raise InvalidInput("roleArn is needed: the role with which the data is read.")
        if params.get("publishAttributionMetricsToS3"):
            self._attribution.check_publishing(dataset.group)
        arn = self._registry.arn_of("datasetImportJob", params["jobName"])
        check_role(role, arn, self._registry.region_name)
        full = params.get("importMode", "FULL") == "FULL"
        names = (
            *("jobName", "datasetArn", "dataSource", "roleArn"),
            "publishAttributionMetricsToS3",
        )
        attributes = given(params, names) | {"importMode": "FULL" if full else "INCREMENTAL"}
        with self._registry.lock:
            self._registry.idle(dataset)
            running = [job for job in self._registry.all("datasetImportJob") if job.busy]
            self._registry.quota(len(running), "Pending or In Progress dataset import jobs")
            job = self._registry.add("datasetImportJob", arn, dataset.group, attributes, params)
            storage = JobStorage(role, arn, self._registry.account_id, self._registry.region_name)
            task = partial(self._import, job, dataset, storage, place, full)
            self._registry.work(job, "CREATE", "ACTIVE", task)
        return {"datasetImportJobArn": arn}

    def _import(
        self, job: Resource, dataset: Resource, storage: JobStorage, place: Place, full: bool
    ) -> None:
        kind = dataset["datasetType"]
        data = self._registry.data(dataset.group)
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
            self._attribution.imported(job, dataset, rows)
        if told:  # the API has no other member for a job's messages
            job.attributes["failureReason"] = f"Imported, with warnings: {' '.join(told)}"

    def create_event_tracker(self, params: Params) -> Params:
        """CreateEventTracker: one for each group."""
        group = self._registry.find("datasetGroup", params["datasetGroupArn"], ready=True)
        with self._registry.lock:
            there = self._registry.all("eventTracker", datasetGroupArn=group.arn)
            if any(tracker["name"] == params["name"] for tracker in there):
                raise AlreadyExists(there[0].arn)
            if there:
                raise LimitExceeded(
                    f"Dataset group {group.arn} has an event tracker: {there[0].arn}."
                )
            tracking = str(uuid.uuid4())
            arn = self._registry.arn_of("eventTracker", tracking.split("-", maxsplit=1)[0])
            attributes = given(params, ("name", "datasetGroupArn"))
            attributes |= {"trackingId": tracking, "accountId": self._registry.account_id}
            tracker = self._registry.add("eventTracker", arn, group.arn, attributes, params)
            self._registry.work(tracker, "CREATE", "ACTIVE")
        return {"eventTrackerArn": arn, "trackingId": tracking}

    def delete_event_tracker(self, params: Params) -> None:
        """DeleteEventTracker: its events are kept."""
        self._registry.delete(self._registry.find("eventTracker", params["eventTrackerArn"]))

    def create_filter(self, params: Params) -> Params:
        """CreateFilter: the expression is checked against the group's schemas at once."""
        group = self._registry.find("datasetGroup", params["datasetGroupArn"], ready=True)
        data = self._registry.data(group.arn)
        compiled = Filter(params["filterExpression"], data.schema)
        arn = self._registry.arn_of("filter", params["name"])
        with self._registry.lock:
            others = self._registry.all("filter", datasetGroupArn=group.arn)
            if arn not in self._registry.resources:
                self._registry.quota(len(others), "Active filters per dataset group")
            fields = compiled.fields.union(*(other.inner.fields for other in others))
            if len(fields) > FILTER_FIELDS:
                raise LimitExceeded(
                    f"All filters of a dataset group together may use {FILTER_FIELDS} distinct "
                    f"fields; with this one they would use {len(fields)}."
                )
            names = ("name", "datasetGroupArn", "filterExpression")
            made = self._registry.add("filter", arn, group.arn, given(params, names), params)
            made.inner = compiled
            self._registry.work(made, "CREATE", "ACTIVE")
        return {"filterArn": arn}

    def delete_filter(self, params: Params) -> None:
        """DeleteFilter."""
        resource = self._registry.find("filter", params["filterArn"])
        with self._registry.lock:
            jobs = self._registry.all("batchInferenceJob") + self._registry.all("batchSegmentJob")
            self._registry.unused(
                resource, [j for j in jobs if j.busy and j["filterArn"] == resource.arn]
            )
            self._registry.delete(resource)


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


def _reads(resource: Resource, kind: str) -> bool:
    return any(dataset == kind for dataset, _ in resource.inner.fields)
