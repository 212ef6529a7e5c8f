"""moto's SNS, limited to subscribers that are part of this AWS."""

import logging
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.core.exceptions import ServiceException
from moto.sns.models import SNSBackend, Subscription
from werkzeug.exceptions import HTTPException

from local_aws.api import NotImplementedByLocalAws

_log = logging.getLogger("local_aws.sns")


class LocalSubscription(Subscription):
    """moto's subscription, which calls only functions whose policy allows that."""

    def publish(self, *arguments: Any, **named: Any) -> None:
        """Send a message to the subscriber; its refusal does not fail the publisher."""
        if self.protocol == "lambda":
            try:
                functions: Any = lambda_backends[self.account_id][self.endpoint.split(":")[3]]
                functions.check_permission(self.endpoint, "sns", self.topic.arn)
            except (KeyError, ServiceException, HTTPException) as error:
                _log.warning("a topic's message for %s: %s", self.endpoint, error)
                return
        super().publish(*arguments, **named)


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
