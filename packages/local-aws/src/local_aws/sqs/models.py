"""moto's SQS, whose queues lost their policy when other attributes were set."""

from typing import Any

from moto.sqs.models import Queue, SQSBackend


class LocalSqsBackend(SQSBackend):
    """moto's backend with a fix."""

    def set_queue_attributes(self, queue_name: str, attributes: dict[str, Any]) -> Queue:
        """Set attributes of a queue and keep the others."""
        policy = self.get_queue(queue_name).policy
        return super().set_queue_attributes(queue_name, {"Policy": policy, **attributes})
