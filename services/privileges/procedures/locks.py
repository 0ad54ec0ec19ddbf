"""Locks."""

from services.privileges.locking import Locking
from services.privileges.records.locks import CreateLock, EndLock, LockList, LockView
from services.privileges.rows import LockRow
from shared.identities import Person
from shared.procedures import NoArguments, for_people


class LockProcedures:
    """Privileges' procedures about locks."""

    def __init__(self, locking: Locking) -> None:
        """Set them by `locking`."""
        self._locking = locking

    @for_people("ironflock.privileges.lock.create", CreateLock)
    async def lock_create(self, person: Person, request: CreateLock) -> LockView:
        """Keep a person, device, API key or project out: what they have open ends within a second."""
        return _view(await self._locking.create(person, request))

    @for_people("ironflock.privileges.lock.list", is_reading=True)
    async def lock_list(self, person: Person, request: NoArguments) -> LockList:  # noqa: ARG002
        """The locks in force that the caller set, or may end."""
        return LockList([_view(row) for row in await self._locking.standing(person)])

    @for_people("ironflock.privileges.lock.end", EndLock)
    async def lock_end(self, person: Person, request: EndLock) -> None:
        """Let in again whom or what a lock kept out."""
        await self._locking.end(person, request)


def _view(row: LockRow) -> LockView:
    return LockView(
        lock_key=row.lock_key,
        kind=row.kind,
        key=row.key,
        ends_at=row.ends_at,
        reason=row.reason,
        created_by=row.created_by,
        created_at=row.created_at,
    )
