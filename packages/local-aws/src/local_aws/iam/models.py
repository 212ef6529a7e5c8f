"""moto's IAM, with what the door needs to know."""

from typing import Any

from moto.iam.models import IAMBackend


class LocalIAMBackend(IAMBackend):
    """moto's IAM, which tells a deleted access key from one that was never issued."""

    def __init__(self, *arguments: Any, **named: Any) -> None:
        super().__init__(*arguments, **named)
        self.deleted_keys: set[str] = set()

    def delete_access_key_by_name(self, name: str) -> None:
        """Delete a key, and remember it: it must not become the administrator's."""
        super().delete_access_key_by_name(name)
        self.deleted_keys.add(name)
