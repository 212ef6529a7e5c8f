"""moto's KMS, which enables, disables and deletes keys by their ids alone, in any state.

https://docs.aws.amazon.com/kms/latest/developerguide/key-state.html
"""

import json
from collections.abc import Callable
from typing import Any, Final

from moto.kms.models import Key, KmsBackend

from local_aws.api import AwsError

_DELETING: Final = "PendingDeletion"


class LocalKmsBackend(KmsBackend):
    """moto's backend with fixes.

    A method takes a key's id or ARN; a key in the wrong state raises `AwsError`.
    """

    def disable_key(self, key_id: str) -> None:
        """Disable a key that is not about to be deleted."""
        super().disable_key(self._key(key_id, deleting=False).id)

    def enable_key(self, key_id: str) -> None:
        """Enable a key that is not about to be deleted."""
        super().enable_key(self._key(key_id, deleting=False).id)

    def cancel_key_deletion(self, key_id: str) -> None:
        """Keep a key that is about to be deleted; it is disabled."""
        super().cancel_key_deletion(self._key(key_id, deleting=True).id)

    def schedule_key_deletion(self, key_id: str, pending_window_in_days: int) -> float:
        """Begin to delete a key."""
        key = self._key(key_id, deleting=False)
        return super().schedule_key_deletion(key.id, pending_window_in_days)

    def _key(self, name: str, *, deleting: bool) -> Key:
        key = self.keys[self.get_key_id(name)]
        if (key.key_state == _DELETING) is not deleting:
            state = (
                "is pending deletion" if key.key_state == _DELETING else "is not pending deletion"
            )
            raise AwsError("KMSInvalidStateException", f"{key.arn} {state}.")
        return key


def with_arn(answer: Callable[[Any], str]) -> Callable[[Any], str]:
    """moto's answer about a key's deletion, which names the key as its caller did, with its ARN."""

    def answered(response: Any) -> str:
        told = json.loads(answer(response))
        backend = response.kms_backend
        told["KeyId"] = backend.keys[backend.get_key_id(told["KeyId"])].arn
        return json.dumps(told)

    return answered
