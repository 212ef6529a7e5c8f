"""moto's SNS, with subscribed functions looked up by ARN instead of name."""

from moto.sns.models import SNSBackend, Subscription

from local_aws.api import NotImplementedByLocalAws


class LocalSnsBackend(SNSBackend):
    """moto's topics, with subscriptions of functions by full ARN."""

    def subscribe(self, topic_arn: str, endpoint: str, protocol: str) -> Subscription:
        """Subscribe to a topic; functions of other accounts are refused."""
        if protocol == "lambda" and endpoint.split(":")[4:5] != [self.account_id]:
            raise NotImplementedByLocalAws(f"a subscription of the function {endpoint}")
        return super().subscribe(topic_arn, endpoint, protocol)
