"""The trained lists, as the functions that need them read them. Needs `recsys.lists.model`."""

from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from common.errors import FunctionError, failure, text_of
from recsys.lists.model import ListModel


def read(s3: Any, bucket: str, key: str) -> ListModel:
    """The model.

    Args:
        s3: a boto3 client.
        bucket: where it is.
        key: of it.

    Raises:
        FunctionError: it is missing, is none, or S3 refuses.
    """
    try:
        content = s3.get_object(Bucket=bucket, Key=key)["Body"].read()
        return ListModel.from_bytes(content)
    except (ClientError, BotoCoreError) as error:
        raise failure(error, f"s3://{bucket}/{key} cannot be read: {text_of(error)}") from None
    except ValueError as error:
        raise FunctionError(f"s3://{bucket}/{key}: {error}") from None
