"""Jobs about a group's data: export of a dataset, deletion of users.

https://docs.aws.amazon.com/personalize/latest/dg/export-data.html
https://docs.aws.amazon.com/personalize/latest/dg/delete-records.html
"""

import csv
import io
from collections.abc import Iterable
from typing import Any

from local_aws.personalize.access import AccessDenied, JobStorage, Place, check_role
from local_aws.personalize.data import GroupData
from local_aws.personalize.resources import Failed, Params, Registry, given
from local_aws.personalize.schemas import Schema


class DataJobs:
    """Operations of data export and deletion jobs."""

    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    def create_dataset_export_job(self, params: Params) -> Params:
        """CreateDatasetExportJob: a dataset's records as CSV into S3."""
        dataset = self._registry.find("dataset", params["datasetArn"], ready=True)
        told = params["jobOutput"]["s3DataDestination"]
        target = Place.of(told["path"])
        arn = self._registry.arn_of("datasetExportJob", params["jobName"])
        check_role(params["roleArn"], arn, self._registry.region_name)
        mode = params.get("ingestionMode", "PUT")
        attributes = given(params, ("jobName", "datasetArn", "roleArn", "jobOutput"))
        attributes["ingestionMode"] = mode
        storage = JobStorage(
            params["roleArn"], arn, self._registry.account_id, self._registry.region_name
        )
        data = self._registry.data(dataset.group)

        def task() -> None:
            schema = data.schema(dataset["datasetType"])
            if schema is None:
                raise Failed("The dataset is gone.")
            content = _table(schema, data.records(dataset["datasetType"], mode))
            try:
                storage.write(target, f"{params['jobName']}.csv", content, told.get("kmsKeyArn"))
            except AccessDenied as error:
                raise Failed(str(error)) from None

        with self._registry.lock:
            running = [job for job in self._registry.all("datasetExportJob") if job.busy]
            self._registry.quota(len(running), "Pending or In Progress dataset export jobs")
            job = self._registry.add("datasetExportJob", arn, dataset.group, attributes, params)
            self._registry.work(job, "CREATE", "ACTIVE", task)
        return {"datasetExportJobArn": arn}

    def create_data_deletion_job(self, params: Params) -> Params:
        """CreateDataDeletionJob: delete all data of the users in a CSV file."""
        group = self._registry.find("datasetGroup", params["datasetGroupArn"], ready=True)
        source = Place.of(params["dataSource"].get("dataLocation") or "")
        arn = self._registry.arn_of("dataDeletionJob", params["jobName"])
        check_role(params["roleArn"], arn, self._registry.region_name)
        attributes = given(params, ("jobName", "datasetGroupArn", "dataSource", "roleArn"))
        storage = JobStorage(
            params["roleArn"], arn, self._registry.account_id, self._registry.region_name
        )
        data: GroupData = self._registry.data(group.arn)

        def task() -> None:
            try:
                users = {user for file in storage.read(source) for user in _users(*file)}
            except AccessDenied as error:
                raise Failed(str(error)) from None
            job.attributes["numDeleted"] = data.forget(users)

        with self._registry.lock:
            running = [job for job in self._registry.all("dataDeletionJob") if job.busy]
            self._registry.quota(len(running), "Pending or In Progress data deletion jobs")
            job = self._registry.add("dataDeletionJob", arn, group.arn, attributes, params)
            self._registry.work(job, "", "COMPLETED", task)
        return {"dataDeletionJobArn": arn}


def _table(schema: Schema, records: Iterable[dict[str, Any]]) -> bytes:
    """Format distinct records as a CSV file."""
    names = [field.name for field in schema.fields]
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(names)
    writer.writerows(
        dict.fromkeys(tuple(_cell(one.get(name)) for name in names) for one in records)
    )
    return text.getvalue().encode()


def _cell(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return "" if value is None else str(value)


def _users(name: str, content: bytes) -> list[str]:
    try:
        rows = list(csv.reader(io.StringIO(content.decode("utf-8"), newline=""), strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise Failed(f"{name} is not a CSV file in UTF-8: {error}") from None
    if not rows or rows[0] != ["USER_ID"]:
        raise Failed(f"{name} must have a single column USER_ID, with that header.")
    if odd := [number for number, row in enumerate(rows, 1) if len(row) > 1]:
        raise Failed(f"{name}, line {odd[0]}: a single column USER_ID is needed.")
    return [row[0] for row in rows[1:] if row and row[0]]
