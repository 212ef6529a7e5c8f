"""What DynamoDB imports from S3, within limits."""

import gzip
import io
from typing import Final

from local_aws.api import NotImplementedByLocalAws

UNPACKED: Final = 128 * 1024**2  # bytes of an object, which moto reads as a whole


def unpack(body: bytes) -> bytes:
    """Decompress an object of an import.

    Raises:
        NotImplementedByLocalAws: it is larger than `UNPACKED`.
        OSError: it is not gzip.
    """
    with gzip.GzipFile(fileobj=io.BytesIO(body)) as packed:
        content = packed.read(UNPACKED + 1)
    if len(content) > UNPACKED:
        raise NotImplementedByLocalAws(
            f"the import of an object that is larger than {UNPACKED:,} bytes once it is unpacked; "
            "split it into several objects"
        )
    return content
