"""Forwarding every entry to receivers outside: in the log's order, at least once, none left out.

A receiver's position moves after it has taken a batch; what it had not taken is sent again. An entry's id tells the
receiver of a repetition. Personal values stay sealed.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import psycopg
import structlog
from prometheus_client import Gauge

from services.audit.backoff import Backoff
from services.audit.bell import Bell
from services.audit.posting import PostingError
from services.audit.records import Row
from services.audit.store import entries, upkeep
from services.audit.store import log as store
from shared.database import Connection, Database
from shared.errors import UnavailableError

BATCH: Final = 100
LOOK_S: Final = 1.0
Send = Callable[[list[Row]], Awaitable[None]]

log = structlog.get_logger()
behind = Gauge("ironflock_audit_forwarder_behind", "Entries that a forwarder has still to send", ["forwarder"])


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
            except (PostingError, OSError, UnavailableError, psycopg.Error) as error:
                log.warning("entries_not_forwarded", forwarder=self._name, reason=str(error))
                await asyncio.sleep(self._backoff.failed())
            else:
                self._backoff.succeeded()
                if not is_behind:
                    await self._bell.heard(LOOK_S)

    async def step(self) -> bool:
        """Send the next batch; whether there may be more.

        Raises:
            PostingError, OSError: It was not taken; the position stays.
        """
        rows, end = await self._database.run(self._next)
        if not rows:
            return False
        await self._send(rows)
        position = (rows[-1].leaf_index or 0) + 1
        await self._database.run(lambda connection: upkeep.forwarded(connection, self._name, position))
        behind.labels(self._name).set(end - position)
        return len(rows) == BATCH

    async def _next(self, connection: Connection) -> tuple[list[Row], int]:
        start = await upkeep.position(connection, self._name)
        rows = await entries.entries_all(connection, start=start, limit=BATCH)
        return rows, await store.size(connection)
