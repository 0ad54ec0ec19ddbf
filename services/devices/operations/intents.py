"""What is begun on devices stands in the log before it happens, and its end after it, also where this process dies.

An intent is a row beside its entry. Who began it closes it with the entry of its end; past its time bound a repair
closes it instead, since then nobody can say any more what came of it (decision 25).
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from uuid import UUID

import msgspec
import structlog
from attrs import evolve

from services.devices.records.devices import Device
from services.devices.store import intents as store
from services.devices.store.devices import device_lock_in_txn
from shared import audit
from shared.database import Connection, Database
from shared.errors import ConflictError, NotFoundError

ALIVE_S: Final = 60.0
EXTEND_EVERY_S: Final = 20.0
BATCH: Final = 100
UNKNOWN: Final = "unknown: the platform's own process ended before the end of it; look at the device"
ELSEWHERE: Final = "there is no such device, or you may not see it"

log = structlog.get_logger()


class Intents:
    """Opens and closes them."""

    def __init__(self, database: Database) -> None:
        """Keep them in `database`."""
        self._database = database

    async def begin_intent(
        self, connection: Connection, device: Device, draft: audit.Draft, *, for_s: float, is_holding: bool
    ) -> None:
        """In this transaction, `draft` is intended, by its request id, and ends within `for_s` seconds.

        `is_holding`: the device goes to no other project before that.

        Raises:
            NotFoundError, ConflictError: The device is elsewhere by now; it is to go.
        """
        found = await device_lock_in_txn(connection, device.device_key)
        if found is None or found.project_key != device.project_key:
            raise NotFoundError(ELSEWHERE)
        if found.state == "deleting":
            raise ConflictError("the device is being deleted")
        key = UUID(draft.request_id)
        kept = msgspec.to_builtins(draft)
        await store.intent_insert(connection, key, device.device_key, kept, is_holding=is_holding, for_s=for_s)
        await audit.record(connection, evolve(draft, outcome=audit.Outcome.INTENDED))

    async def open_intent(self, device: Device, draft: audit.Draft, *, for_s: float, is_holding: bool) -> None:
        """`begin_intent` in a transaction of its own."""
        async with self._database.transaction() as connection:
            await self.begin_intent(connection, device, draft, for_s=for_s, is_holding=is_holding)

    async def end_intent(self, connection: Connection, draft: audit.Draft) -> None:
        """In this transaction, it has ended so; where a repair has closed it, the log keeps what that said."""
        if await store.intent_delete(connection, UUID(draft.request_id)):
            await audit.record(connection, draft)
        else:
            log.warning("intent_ended_after_its_repair", request_id=draft.request_id, outcome=draft.outcome.value)

    async def close_intent(self, draft: audit.Draft) -> None:
        """`end_intent` in a transaction of its own."""
        async with self._database.transaction() as connection:
            await self.end_intent(connection, draft)

    @asynccontextmanager
    async def kept_alive(self, draft: audit.Draft) -> AsyncIterator[None]:
        """While this lasts, what was opened with `ALIVE_S` lives."""
        extending = asyncio.create_task(self._extend(UUID(draft.request_id)))
        try:
            yield
        finally:
            extending.cancel()

    async def repair(self) -> None:
        """Close what nobody will."""
        async with self._database.transaction() as connection:
            due = await store.intent_take_due(connection, limit=BATCH)
            for intent in due:
                draft = msgspec.convert(intent.draft, audit.Draft)
                await audit.record(connection, evolve(draft, outcome=audit.Outcome.FAILED, reason=UNKNOWN))
        if due:
            log.warning("intents_closed_by_repair", intents=len(due))

    async def _extend(self, key: UUID) -> None:
        while True:
            await asyncio.sleep(EXTEND_EVERY_S)
            try:
                await self._database.run(lambda connection: store.intent_extend(connection, key, for_s=ALIVE_S))
            except Exception as error:  # noqa: BLE001 - it is tried again, three times before it would count as dead
                log.warning("intent_not_extended", reason=str(error))
