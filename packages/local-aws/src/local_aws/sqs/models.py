"""moto's SQS, whose queues lost their policy whenever something else of them was set."""

from typing import Any

from moto.sqs.models import Queue, SQSBackend


class LocalSqsBackend(SQSBackend):
    """moto's backend, mended."""

    def set_queue_attributes(self, queue_name: str, attributes: dict[str, Any]) -> Queue:
        """Set some attributes of a queue; the others stay."""
        policy = self.get_queue(queue_name).policy
        return super().set_queue_attributes(queue_name, {"Policy": policy, **attributes})
