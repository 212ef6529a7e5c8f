"""moto's SQS, whose queues lost their policy when other attributes were set."""

from typing import Any

from moto.sqs.models import Queue, SQSBackend


class LocalSqsBackend(SQSBackend):
    """moto's backend with fixes."""

    def list_queues(self, queue_name_prefix: str) -> list[Queue]:
        """The queues whose names begin with a prefix, which moto takes for an expression."""
        prefix = queue_name_prefix or ""
        return [queue for name, queue in list(self.queues.items()) if name.startswith(prefix)]

    def set_queue_attributes(self, queue_name: str, attributes: dict[str, Any]) -> Queue:
        """Set attributes of a queue and keep the others."""
        policy = self.get_queue(queue_name).policy
        return super().set_queue_attributes(queue_name, {"Policy": policy, **attributes})
