"""The Lambda function `ExperimentResults`: exposures and outcomes as files that Athena reads.

Environment: EXPOSURES_TABLE and TABLE_NAME tell where exposures and histories are; BUCKET_NAME and
the prefix RESULTS, where files are written; EXPERIMENTS has the experiments' definitions as JSON.
Permissions: dynamodb:Scan on the tables; s3:ListBucket, PutObject and DeleteObject below the
prefix.
"""

import logging
import os
from typing import Any

from common.clients import client
from common.errors import reported

from experiment_results.logic import ExperimentResults, ExperimentResultsError

_log = logging.getLogger("experiment_results")


def handler(_event: Any, _context: Any) -> dict[str, int]:
    """Write what the tables have now, and delete what they no longer have.

    Returns:
        The numbers of `exposures`, of their `users`, of their `events` since then, and of `files`.

    Raises:
        ExperimentResultsError: AWS refuses; the message says what.
    """
    with reported(ExperimentResultsError):
        done = ExperimentResults(
            dynamodb=client("dynamodb"),
            s3=client("s3"),
            exposures=os.environ["EXPOSURES_TABLE"],
            histories=os.environ["TABLE_NAME"],
            bucket=os.environ["BUCKET_NAME"],
            prefix=os.environ["RESULTS"],
            definitions=os.environ["EXPERIMENTS"],
        ).write()
        _log.info("written", extra=done)
        return done
