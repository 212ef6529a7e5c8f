"""The table of what a Spark job has written: the list of every user, an item each, by `user`."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError
from common.errors import failure, text_of


class PreparedLists:
    """The table of the lists.

    Args:
        dynamodb: a boto3 client.
        table: its name.
    """

    def __init__(self, dynamodb: Any, table: str) -> None:
        self._dynamodb, self._table = dynamodb, table

    def forget(self, user: str) -> None:
        """Delete a user's list, if there is one.

        Raises:
            FunctionError: DynamoDB refuses.
        """
        try:
            self._dynamodb.delete_item(TableName=self._table, Key={"user": {"S": user}})
        except (ClientError, BotoCoreError) as error:
            raise failure(error, f"The list cannot be deleted: {text_of(error)}") from None
