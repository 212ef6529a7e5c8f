"""The Data Catalog of an account and region."""

from collections.abc import Mapping
from typing import Any, Final

from moto.glue.models import GlueBackend as MotoBackend

from local_aws.api import AwsError, NotImplementedByLocalAws

Params = Mapping[str, Any]
# what a request may set, of all that AWS has
_REQUEST: Final = frozenset(
    {"CatalogId", "DatabaseInput", "DatabaseName", "MaxResults", "Name", "NextToken", "TableInput"}
)
_DATABASE: Final = frozenset({"Description", "LocationUri", "Name", "Parameters"})
_TABLE: Final = frozenset(
    {
        *("Description", "Name", "Owner", "Parameters", "PartitionKeys", "Retention"),
        *("StorageDescriptor", "TableType"),
    }
)


class GlueBackend(MotoBackend):
    """moto's backend, with names as AWS stores them: in small letters.

    Every method raises a `ServiceException` if something is missing, exists or is not implemented.
    """

    def named(self, params: Params) -> tuple[str, str]:
        """The database and the table that a request is about.

        A new one is named by its input.
        """
        _implemented(params, _REQUEST, "a request to the Data Catalog")
        if params.get("CatalogId", self.account_id) != self.account_id:
            raise NotImplementedByLocalAws(f"the Data Catalog {params['CatalogId']}")
        if "DatabaseName" not in params:
            own = params.get("DatabaseInput", {}).get("Name", "")
            return (params.get("Name") or own).lower(), ""
        own = params.get("TableInput", {}).get("Name", "")
        return params["DatabaseName"].lower(), (params.get("Name") or own).lower()

    def put_database(self, params: Params, *, new: bool) -> None:
        """Create or update a database."""
        name, _ = self.named(params)
        _implemented(params["DatabaseInput"], _DATABASE, "a database")
        given = {**params["DatabaseInput"], "Name": params["DatabaseInput"]["Name"].lower()}
        if new:
            self.create_database(name, given)
        elif given["Name"] != name:
            raise NotImplementedByLocalAws("the renaming of a database")
        else:
            self.update_database(name, given)

    def put_table(self, params: Params, *, new: bool) -> None:
        """Create or update a table."""
        if "TableInput" not in params:
            raise AwsError("InvalidInputException", "Table input cannot be null")
        database, name = self.named(params)
        _implemented(params["TableInput"], _TABLE, "a table")
        given = {**params["TableInput"], "Name": name}
        if new:
            self.create_table(database, name, given)
        else:
            self.update_table(database, name, given)


def _implemented(given: Params, known: frozenset[str], what: str) -> None:
    if further := sorted(given.keys() - known):
        raise NotImplementedByLocalAws(f"{', '.join(further)} of {what}")
