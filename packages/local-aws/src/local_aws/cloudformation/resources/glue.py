"""AWS::Glue: databases and tables of the Data Catalog."""

from typing import Any

from local_aws.cloudformation.resources.base import Attributes, Call, Handler, pick


class _Kept(Handler):
    """Base class of both: what is kept has no ARN, and changes as a whole."""

    gone_codes = frozenset({"EntityNotFoundException"})


class Database(_Kept):
    """AWS::Glue::Database."""

    type = "AWS::Glue::Database"
    supported = frozenset({"CatalogId", "DatabaseInput", "DatabaseName"})

    def create(self, call: Call) -> Attributes:
        """Create the database."""
        name = call.properties.get("DatabaseName") or call.properties["DatabaseInput"].get("Name")
        request = _database(call, name or call.generated_name(255, lower=True))
        call.client("glue").create_database(**request)
        call.identify(request["DatabaseInput"]["Name"])
        return {}

    def update(self, call: Call) -> Attributes:
        """Replace the database's settings."""
        request = _database(call, str(call.physical_id))
        call.client("glue").update_database(Name=call.physical_id, **request)
        return {}

    def delete(self, call: Call) -> None:
        """Delete the database with its tables."""
        catalog = pick(call.properties, ("CatalogId",))
        call.client("glue").delete_database(Name=call.physical_id, **catalog)


class Table(_Kept):
    """AWS::Glue::Table."""

    type = "AWS::Glue::Table"
    supported = frozenset({"CatalogId", "DatabaseName", "TableInput"})

    def create(self, call: Call) -> Attributes:
        """Create the table."""
        given = {"Name": call.generated_name(255, lower=True), **call.properties["TableInput"]}
        call.client("glue").create_table(**{**call.properties, "TableInput": given})
        call.identify(given["Name"].lower())
        return {}

    def update(self, call: Call) -> Attributes:
        """Replace the table's settings."""
        given = {**call.properties["TableInput"], "Name": call.physical_id}
        call.client("glue").update_table(**{**call.properties, "TableInput": given})
        return {}

    def delete(self, call: Call) -> None:
        """Delete the table."""
        place = pick(call.properties, ("CatalogId", "DatabaseName"))
        call.client("glue").delete_table(Name=call.physical_id, **place)


HANDLERS = (Database, Table)


def _database(call: Call, name: str) -> dict[str, Any]:
    given = {**call.properties["DatabaseInput"], "Name": name.lower()}
    return {**pick(call.properties, ("CatalogId",)), "DatabaseInput": given}
