"""moto's SNS, limited to subscribers that are part of this AWS."""

import logging
from typing import Any

from moto.awslambda.models import lambda_backends
from moto.core.exceptions import ServiceException
from moto.sns.exceptions import SNSInvalidParameter
from moto.sns.models import SNSBackend, Subscription
from werkzeug.exceptions import HTTPException

from local_aws.api import NotImplementedByLocalAws
from local_aws.iam import access

_log = logging.getLogger("local_aws.sns")


class LocalSubscription(Subscription):
    """moto's subscription, which sends only to functions and queues whose policy allows that."""

    def publish(self, *arguments: Any, **named: Any) -> None:
        """Send a message to the subscriber; its refusal does not fail the publisher."""
        if self.protocol == "lambda":
            try:
                functions: Any = lambda_backends[self.account_id][self.endpoint.split(":")[3]]
                functions.check_permission(self.endpoint, "sns", self.topic.arn)
            except (KeyError, ServiceException, HTTPException) as error:
                _log.warning("a topic's message for %s: %s", self.endpoint, error)
                return
        elif self.protocol == "sqs":
            action = "sqs:SendMessage"
            if why := access.service_refusal("sns", action, self.endpoint, self.topic.arn):
                _log.warning("a topic's message for %s: %s", self.endpoint, why)
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

    def _validate_filter_policy(self, value: Any, scope: str | None) -> None:
        """Refuse a filter policy with which no message could be compared."""
        if not _is_policy(value):
            raise SNSInvalidParameter("Invalid parameter: FilterPolicy: a value has a wrong type")
        super()._validate_filter_policy(value, scope)


def _is_policy(value: Any) -> bool:
    """Whether the values of a filter policy have the types of their rules, at any depth."""
    if not isinstance(value, dict):
        return False
    for name, given in value.items():
        if isinstance(given, dict) and not _is_policy(given):
            return False
        if isinstance(given, list) and not all(
            map(_is_policy if name == "$or" else _is_rule, given)
        ):
            return False
    return True


def _is_rule(rule: Any) -> bool:
    if not isinstance(rule, dict):
        return True
    for name, given in rule.items():
        if name in ("equals-ignore-case", "prefix", "suffix") and not isinstance(given, str):
            return False
        if name == "anything-but" and not (
            _is_rule(given) and given if isinstance(given, dict) else _are_plain(given)
        ):
            return False
    return bool(rule)


def _are_plain(values: Any) -> bool:
    listed = values if isinstance(values, list) else [values]
    return all(isinstance(one, (str, int, float)) for one in listed)
