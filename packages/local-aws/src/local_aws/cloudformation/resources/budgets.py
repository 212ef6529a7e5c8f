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
        wanted: dict[str, Any] = dict(call.properties["Budget"])
        name = wanted.setdefault("BudgetName", call.generated_name(100))
        limit = dict(wanted["BudgetLimit"])
        wanted["BudgetLimit"] = {**limit, "Amount": str(limit["Amount"])}
        call.client("budgets").create_budget(
            AccountId=call.account_id,
            Budget=wanted,
            NotificationsWithSubscribers=call.properties.get("NotificationsWithSubscribers", []),
        )
        call.identify(name)
        return {"Id": name}

    def delete(self, call: Call) -> None:
        """Delete the budget."""
        call.client("budgets").delete_budget(AccountId=call.account_id, BudgetName=call.physical_id)


HANDLERS = (Budget,)
