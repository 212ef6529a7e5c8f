"""What an index of Amazon S3 Vectors answers when something is wrong.

https://docs.aws.amazon.com/AmazonS3/latest/API/API_Operations_Amazon_S3_Vectors.html
"""

from collections.abc import Iterator
from contextlib import contextmanager

from botocore.exceptions import BotoCoreError, ClientError

from common.errors import BusyError, code_of, failure, is_denied, is_transient, text_of


@contextmanager
def explained(arn: str) -> Iterator[None]:
    """Raise an index's errors with what to do about them.

    Raises:
        FunctionError: instead.
    """
    name = arn.rpartition("/")[2]
    try:
        yield
    except BotoCoreError as error:
        raise failure(error, f"Index {name} could not be reached: {error}") from None
    except ClientError as error:
        code, text = code_of(error), text_of(error)
        if is_transient(error):
            told = f"Index {name} is too busy to answer now; try again in a moment. ({text})"
        elif is_denied(error):
            told = f"This function's role may not use index {name}: {text}"
        elif code == "NotFoundException":
            told = f"Index {name} does not exist; deploy the functions' stack again."
        else:
            told = f"Index {name} refused the request: {code}: {text}"
        # of an index that another call creates at this moment
        raise BusyError(told) if code == "ConflictException" else failure(error, told) from None
