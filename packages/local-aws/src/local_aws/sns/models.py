"""moto's SNS, which looks for a subscribed function by its name alone."""

from moto.sns.models import SNSBackend, Subscription

from local_aws.api import NotImplementedByLocalAws


class LocalSnsBackend(SNSBackend):
    """moto's topics, with subscriptions of functions by their whole ARN."""

    def subscribe(self, topic_arn: str, endpoint: str, protocol: str) -> Subscription:
        """Subscribe to a topic; functions of other accounts are refused, for there are none."""
        if protocol == "lambda" and endpoint.split(":")[4:5] != [self.account_id]:
            raise NotImplementedByLocalAws(f"a subscription of the function {endpoint}")
        return super().subscribe(topic_arn, endpoint, protocol)
