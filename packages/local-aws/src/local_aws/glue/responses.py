"""AWS Glue over HTTP: the databases and tables of the Data Catalog; the rest is refused."""

from typing import Any, cast

from moto.glue.models import glue_backends

from local_aws.api import AwsError, LocalResponse
from local_aws.glue.models import GlueBackend

_PAGE = 100
_LONGEST_TOKEN = 9  # digits


class GlueResponse(LocalResponse):
    """The operations of databases and tables."""

    service = "glue"
    validation_code = "InvalidInputException"

    @property
    def backend(self) -> GlueBackend:
        """The catalog of the caller's account and region."""
        return cast(GlueBackend, glue_backends[self.current_account][self.region])

    def create_database(self) -> None:
        """CreateDatabase."""
        self.backend.put_database(self.params, new=True)

    def update_database(self) -> None:
        """UpdateDatabase."""
        self.backend.put_database(self.params, new=False)

    def get_database(self) -> dict[str, Any]:
        """GetDatabase."""
        name, _ = self.backend.named(self.params)
        return {"Database": _told(self.backend.get_database(name))}

    def get_databases(self) -> dict[str, Any]:
        """GetDatabases."""
        self.backend.named(self.params)
        return self._page("DatabaseList", self.backend.get_databases())

    def delete_database(self) -> None:
        """DeleteDatabase, with its tables."""
        self.backend.delete_database(self.backend.named(self.params)[0])

    def create_table(self) -> None:
        """CreateTable."""
        self.backend.put_table(self.params, new=True)

    def update_table(self) -> None:
        """UpdateTable."""
        self.backend.put_table(self.params, new=False)

    def get_table(self) -> dict[str, Any]:
        """GetTable."""
        return {"Table": _told(self.backend.get_table(*self.backend.named(self.params)))}

    def get_tables(self) -> dict[str, Any]:
        """GetTables."""
        database, _ = self.backend.named(self.params)
        return self._page("TableList", self.backend.get_tables(database, None))

    def delete_table(self) -> None:
        """DeleteTable."""
        self.backend.delete_table(*self.backend.named(self.params))

    def _page(self, member: str, found: list[Any]) -> dict[str, Any]:
        token = self.params.get("NextToken") or "0"
        if not token.isdecimal() or len(token) > _LONGEST_TOKEN:
            raise AwsError("InvalidInputException", "The pagination token is invalid.")
        start = int(token)
        end = start + self.params.get("MaxResults", _PAGE)
        answer: dict[str, Any] = {member: [_told(one) for one in found[start:end]]}
        return {**answer, "NextToken": str(end)} if end < len(found) else answer


def _told(kept: Any) -> dict[str, Any]:
    """What is set of a database or table."""
    return {name: value for name, value in kept.as_dict().items() if value is not None}
