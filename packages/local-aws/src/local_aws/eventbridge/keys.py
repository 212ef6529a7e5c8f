"""KMS keys of event buses, which EventBridge itself uses as their policies must permit.

What callers need of a bus's key is in `local_aws.iam.keys`. AWS does not document the errors; a key
that does not exist is a missing resource here.

https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-event-bus-cmkey.html
"""

from typing import Final

from local_aws.api import AwsError
from local_aws.iam import access, identities, keys

_NEEDED: Final = ("DescribeKey", "GenerateDataKey", "Decrypt")


def refusal(name: str, bus: str) -> str | None:
    """The reason why EventBridge cannot use a bus's key; None if it can.

    Args:
        name: any name of the key.
        bus: the ARN of the bus.
    """
    region, account = bus.split(":", 5)[3:5]
    key = identities.customers_key(name, account, region)
    if key is None:  # one of AWS
        return None
    context = {
        "aws:SourceAccount": account,
        "aws:SourceArn": bus,
        "kms:EncryptionContext:aws:events:event-bus:arn": bus,
    }
    return access.key_refusal("events.amazonaws.com", key, _NEEDED, bus, context)


def check_key(name: str, bus: str) -> None:
    """Check that EventBridge may use a bus's new key.

    Raises:
        AwsError: the key does not exist, is disabled or asymmetric, or its policy forbids it.
    """
    region, account = bus.split(":", 5)[3:5]
    key = identities.customers_key(name, account, region)
    if key and (why := keys.fault(key, account, region)):
        missing = "does not exist" in why
        raise AwsError("ResourceNotFoundException" if missing else "ValidationException", why)
    if why := refusal(name, bus):
        raise AwsError("AccessDeniedException", why)
