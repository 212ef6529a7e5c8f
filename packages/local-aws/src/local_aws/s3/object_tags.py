"""The tags of objects as condition keys."""

from moto.s3.models import s3_backends

from local_aws.iam.reference import may_have

_KEY = "s3:ExistingObjectTag"


def condition_keys(
    action: str, resource: str, account: str, version: str | None = None
) -> dict[str, str]:
    """The condition keys s3:ExistingObjectTag/… of a request.

    Args:
        action: the action, such as `s3:GetObject`; others without such keys get none.
        resource: the object's ARN.
        account: the bucket's account.
        version: the object's version, if given.
    """
    if not may_have(action, _KEY):
        return {}
    return {f"{_KEY}/{name}": value for name, value in tags(resource, account, version).items()}


def tags(resource: str, account: str, version: str | None = None) -> dict[str, str]:
    """An object's tags; none if it does not exist.

    Args:
        resource: its ARN.
        account: the bucket's account.
        version: its version, if given.
    """
    bucket, _, key = resource.partition(":::")[2].partition("/")
    store = s3_backends[account][resource.split(":")[1]]
    if not key or bucket not in store.buckets:
        return {}
    found = store.get_object(bucket, key, version_id=version)
    return dict(store.tagger.get_tag_dict_for_resource(found.arn)) if found else {}
