"""Lambda: functions that run, behind moto's Lambda API."""

from local_aws.awslambda.outcomes import AsyncOutcome, async_outcome

__all__ = ["AsyncOutcome", "async_outcome"]
