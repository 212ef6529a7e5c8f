"""Queues, found by the beginning of their names."""

from local_aws.sqs.models import LocalSqsBackend


def test_prefix_of_names_is_no_regular_expression() -> None:
    queues = LocalSqsBackend("us-east-1", "123456789012")
    for name in ("aa", "ab", "b"):
        queues.create_queue(name, None)
    assert [queue.name for queue in queues.list_queues("a")] == ["aa", "ab"]
    assert queues.list_queues("a+") == []
    assert len(queues.list_queues("")) == 3
