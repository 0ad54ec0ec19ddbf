"""Whom and what a lock keeps out: asked before anything opens, for as long as the lock stands. Nothing is ended by it.

Whatever rests on a person is refused while changed rights cannot be heard of; devices go on by the last known locks.
"""

from shared.rights.decision_point import Rights
from shared.rights.records import LockKind


class Locks:
    """The locks, as far as they keep out what auth lets in."""

    def __init__(self, rights: Rights) -> None:
        """As `rights` hears of them."""
        self._rights = rights

    async def settle(self) -> None:
        """Let pass while the locks are known.

        Raises:
            UnavailableError: They are not now.
        """
        await self._rights.settled()

    async def is_out(self, *account_keys: int | None) -> bool:
        """Whether a lock stands on one of these accounts: somebody's own, and that of whoever owns it, where there are.

        Raises:
            UnavailableError: The locks are not known now, whoever is asked about.
        """
        await self.settle()
        return any(key is not None and self._stands(LockKind.PERSON, key) for key in account_keys)

    async def is_key_out(self, key_id: str) -> bool:
        """Whether a lock stands on the API key. Errors as `is_out`."""
        await self.settle()
        return self._stands(LockKind.API_KEY, key_id)

    def is_device_out(self, project_key: int, device_key: int) -> bool:
        """Whether a lock stands on the device or on its project, as far as is known."""
        return self._stands(LockKind.DEVICE, device_key) or self._stands(LockKind.PROJECT, project_key)

    def _stands(self, kind: LockKind, key: int | str) -> bool:
        return self._rights.find_lock(kind, key) is not None
