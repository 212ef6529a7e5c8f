"""moto's SNS, limited to subscribers that are part of this AWS."""

from moto.sns.models import SNSBackend, Subscription

from local_aws.api import NotImplementedByLocalAws


class LocalSnsBackend(SNSBackend):
    """moto's topics, with subscriptions of functions by full ARN, and none of HTTP addresses."""

    def subscribe(self, topic_arn: str, endpoint: str, protocol: str) -> Subscription:
        """Subscribe to a topic.

        Raises:
            NotImplementedByLocalAws: for functions of other accounts, and for HTTP addresses, to
                which moto would post without the confirmation that AWS waits for.
        """
        if protocol in ("http", "https"):
            raise NotImplementedByLocalAws(f"a subscription of protocol {protocol}")
        if protocol == "lambda" and endpoint.split(":")[4:5] != [self.account_id]:
            raise NotImplementedByLocalAws(f"a subscription of the function {endpoint}")
        return super().subscribe(topic_arn, endpoint, protocol)
