"""Forwarding every entry to receivers outside: in the log's order, at least once, none left out.

A receiver's position moves after it has taken a batch; what it had not taken is sent again. An entry's id tells the
receiver of a repetition. Personal values stay sealed. Of several replicas one feeds a receiver at a time: the batch is
sent inside the transaction that holds the receiver's lock, so that the lock goes with whoever held it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog
from prometheus_client import Gauge

from services.audit.backoff import Backoff
from services.audit.bell import Bell
from services.audit.records import Row
from services.audit.store import entries, upkeep
from services.audit.store import log as store
from shared.database import Connection, Database

BATCH: Final = 100
LOOK_S: Final = 1.0
Send = Callable[[list[Row]], Awaitable[None]]

log = structlog.get_logger()
behind = Gauge("ironflock_audit_forwarder_waiting_entries", "Entries that a forwarder has still to send", ["forwarder"])


class Forwarding:
    """One receiver."""

    def __init__(self, database: Database, name: str, send: Send, bell: Bell, backoff: Backoff) -> None:
        """Send to it with `send`, which raises `PostingError` or `OSError` unless everything was taken."""
        self._database = database
        self._name = name
        self._send = send
        self._bell = bell
        self._backoff = backoff

    async def run(self) -> None:
        """Forward for ever."""
        while True:
            try:
                is_behind = await self.step()
            except Exception as error:  # noqa: BLE001 - whatever the receiver does, its entries are sent again
                log.warning("entries_not_forwarded", forwarder=self._name, reason=repr(error))
                await asyncio.sleep(self._backoff.failed())
            else:
                self._backoff.succeeded()
                if not is_behind:
                    await self._bell.heard(LOOK_S)

    async def step(self) -> bool:
        """Send the next batch; whether there may be more. Does nothing while another replica is at it.

        Raises:
            PostingError, OSError: It was not taken; the position stays.
        """
        async with self._database.transaction() as connection:
            if not await upkeep.forwarder_lock_in_txn(connection, self._name):
                return False
            rows, end = await self._next(connection)
            if not rows:
                return False
            await self._send(rows)
            position = (rows[-1].leaf_index or 0) + 1
            await upkeep.forwarded(connection, self._name, position)
        behind.labels(self._name).set(end - position)
        return len(rows) == BATCH

    async def _next(self, connection: Connection) -> tuple[list[Row], int]:
        start = await upkeep.position(connection, self._name)
        rows = await entries.entries_all(connection, start=start, limit=BATCH)
        return rows, await store.size(connection)
