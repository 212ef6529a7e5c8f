"""AWS::Budgets: budgets. Recorded; nothing is billed here."""

from typing import Any

from local_aws.cloudformation.resources.base import Attributes, Call, Handler


class Budget(Handler):
    """AWS::Budgets::Budget."""

    type = "AWS::Budgets::Budget"
    supported = frozenset({"Budget", "NotificationsWithSubscribers"})
    gone_codes = frozenset({"NotFoundException"})

    def create(self, call: Call) -> Attributes:
        """Create the budget with its notifications."""
        name = call.properties["Budget"].get("BudgetName") or call.generated_name(100)
        self._put(call, name)
        call.identify(name)
        return {"Id": name}

    def update(self, call: Call) -> Attributes:
        """Replace the budget by one with the same name."""
        self.delete(call)
        self._put(call, str(call.physical_id))
        return call.attributes

    @staticmethod
    def _put(call: Call, name: str) -> None:
        wanted: dict[str, Any] = {**call.properties["Budget"], "BudgetName": name}
        limit = dict(wanted["BudgetLimit"])
        wanted["BudgetLimit"] = {**limit, "Amount": str(limit["Amount"])}
        call.client("budgets").create_budget(
            AccountId=call.account_id,
            Budget=wanted,
            NotificationsWithSubscribers=call.properties.get("NotificationsWithSubscribers", []),
        )

    def delete(self, call: Call) -> None:
        """Delete the budget."""
        call.client("budgets").delete_budget(AccountId=call.account_id, BudgetName=call.physical_id)


HANDLERS = (Budget,)
