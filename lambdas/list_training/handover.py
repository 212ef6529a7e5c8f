"""From one model and table to the next, while functions answer.

A changed deployment gives the functions another model, or another table, which DynamoDB fills with
the histories of other data. Once AWS says that a function's update is complete, new calls use the
new settings alone; calls that began before go on with the old ones until they end:
https://docs.aws.amazon.com/lambda/latest/dg/functions-states.html

So this resource, which depends on the functions, is updated after them, and waits until these calls
have ended. Then it copies what users did live, which is in the old table alone. CloudFormation
deletes the old model and the old table afterwards: it removes what was replaced once every resource
is updated. A rollback is the same, the other way round.
"""

import time
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from common.errors import code_of, failure, text_of
from common.histories import Histories

SETTLING: Final = 45.0  # seconds; the functions' calls take no longer than 30


def settled(begun: float) -> bool:
    """Whether calls that began before the functions changed have ended.

    Args:
        begun: when this resource's update began, in seconds since 1970.
    """
    return time.time() >= begun + SETTLING


def carry(dynamodb: Any, old: str, new: str) -> int:
    """Copy the live events of one table to another; how many there are.

    Repeating it does no harm: an event has the same place in both.

    Raises:
        BusyError: DynamoDB could not answer now.
        FunctionError: it refuses.
    """
    histories = Histories(dynamodb, new)
    scan: dict[str, Any] = {
        "TableName": old,
        "FilterExpression": "#l = :true",
        "ExpressionAttributeNames": {"#l": "live"},
        "ExpressionAttributeValues": {":true": {"BOOL": True}},
        "ConsistentRead": True,
    }
    carried = 0
    while True:
        try:
            page = dynamodb.scan(**scan)
        except (ClientError, BotoCoreError) as error:
            if code_of(error) == "ResourceNotFoundException":
                return carried  # deleted by hand: there is nothing to carry
            raise failure(error, f"The table {old} cannot be read: {text_of(error)}") from None
        histories.copy(page["Items"])
        carried += len(page["Items"])
        if "LastEvaluatedKey" not in page:
            return carried
        scan["ExclusiveStartKey"] = page["LastEvaluatedKey"]
