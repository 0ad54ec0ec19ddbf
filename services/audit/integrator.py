"""The integrator: takes what the queue shows, appends it to the log, signs and publishes the head. One at a time.

It takes what is visible and waits for no transaction (decision 24): writers only insert, and nothing here locks what
they touch. Entries, leaves and tiles move in one transaction; the head follows in a second one, and a start completes
what a crash left between the two. It signs nothing that does not continue the heads that were published before.
"""

import asyncio
from collections.abc import Callable
from typing import Final

import psycopg
import rfc8785
import structlog
from prometheus_client import Counter, Gauge

from services.audit import proofs
from services.audit.bell import Bell
from services.audit.encoding import canonical_octets
from services.audit.head_file import HeadFile
from services.audit.proofs import BrokenLogError
from services.audit.records import Head, Row
from services.audit.sequencing import make_batch
from services.audit.signing import Notary
from services.audit.store import log as store
from shared.database import Connection, Database
from shared.errors import PublicError
from shared.health import Health
from shared.tlog.errors import TlogError
from shared.tlog.tree import CompactRange

POLL_S: Final = 0.1
RETRY_S: Final = 1.0
PART: Final = "log"

log = structlog.get_logger()
integrated = Counter("ironflock_audit_integrated_entries_total", "Entries moved into the log by this process")
tree_size = Gauge("ironflock_audit_tree_leaves", "Leaves of the newest head that this process published")


class Integrator:
    """Grows the log."""

    def __init__(
        self, database: Database, notary: Notary, heads: HeadFile, bell: Bell, health: Health, *, batch: int
    ) -> None:
        """Move at most `batch` entries in one transaction."""
        self._database = database
        self._notary = notary
        self._heads = heads
        self._bell = bell
        self._health = health
        self._batch = batch
        self._border: CompactRange | None = None

    async def run(self, salts: Callable[[int], list[bytes]]) -> None:
        """Grow the log for ever; `salts` gives as many salts of 32 random octets as it is asked for."""
        while True:
            try:
                is_behind = await self.step(salts)
            except Exception as error:  # noqa: BLE001 - a loop that ends in silence loses the log; it goes on aloud
                self._stumbled(error)
                await asyncio.sleep(RETRY_S)
            else:
                self._health.set(PART, ok=True)
                if not is_behind:
                    await asyncio.sleep(POLL_S)

    def _stumbled(self, error: Exception) -> None:
        self._border = None  # whatever was done or not: the database knows
        is_known = isinstance(error, BrokenLogError | TlogError | OSError | PublicError | psycopg.Error)
        log.error("log_not_grown", reason=str(error), kind=type(error).__name__, exc_info=None if is_known else error)
        self._health.set(PART, ok=False, reason=f"entries wait in the queue: {error}")

    async def step(self, salts: Callable[[int], list[bytes]]) -> bool:
        """One round: complete, integrate, publish; whether more may be waiting.

        Raises:
            BrokenLogError: The database does not continue what was published.
            UnavailableError: The database is away.
        """
        if self._border is None:
            self._border = await self._resumed()
        if not await self._database.run(store.is_waiting):
            return False
        grown = await self._integrated(self._border, salts)
        if grown is None:
            return False
        count, self._border = grown.size - self._border.size, grown
        await self._publish(grown)
        return count >= self._batch

    async def _resumed(self) -> CompactRange:
        """The tree as the database has it, once it is seen to continue every head that we know; its head published."""
        async with self._database.transaction() as connection:
            size = await store.size(connection)
            head = await store.head(connection)
            border = await proofs.border(connection, size)
            remembered = await asyncio.to_thread(self._heads.read)
            if head is not None:
                await _continues(connection, size, head.size, head.root)
            if remembered is not None:
                await _continues(connection, size, remembered.size, remembered.root)
        if head is None or head.size < size or not self._notary.is_current(head):
            await self._publish(border)
        return border

    async def _integrated(self, border: CompactRange, salts: Callable[[int], list[bytes]]) -> CompactRange | None:
        """The tree after a batch was moved; None where nothing could be."""
        async with self._database.transaction() as connection:
            rows = await store.pending(connection, self._batch)
            if await store.size(connection) != border.size:
                border = await self._caught_up(connection)
            entries = _encoded(rows)
            if not entries:
                return None
            grown = CompactRange(border.size, border.hashes)
            await store.integrate(connection, make_batch(grown, entries, salts(len(entries))))
        integrated.inc(len(entries))
        return grown

    async def _caught_up(self, connection: Connection) -> CompactRange:
        """The tree that another integrator has grown meanwhile."""
        size = await store.size(connection)
        head: Head | None = await store.head(connection)
        if head is not None:
            await _continues(connection, size, head.size, head.root)
        if self._border is not None:
            await _continues(connection, size, self._border.size, self._border.root)
        return await proofs.border(connection, size)

    async def _publish(self, border: CompactRange) -> None:
        note = self._notary.sign(border.size, border.root)
        await asyncio.to_thread(self._heads.write, note)
        async with self._database.transaction() as connection:
            await store.publish(connection, size=border.size, root=border.root, note=note)
        tree_size.set(border.size)
        self._bell.ring()


def _encoded(rows: list[Row]) -> list[tuple[int, bytes]]:
    entries = []
    for row in rows:
        try:
            entries.append((row.id, canonical_octets(row)))
        except (rfc8785.CanonicalizationError, RecursionError, ValueError) as error:
            # Older than the queue's own check: it stays in the queue, where it is seen, and holds nobody up.
            log.warning("entry_not_encodable", entry_id=row.id, kind=type(error).__name__)
    return entries


async def _continues(connection: Connection, size: int, head_size: int, root: bytes) -> None:
    """Refuse a log that does not begin with the tree of `head_size` leaves that was signed with `root`.

    Raises:
        BrokenLogError: It does not.
    """
    if size < head_size:
        raise BrokenLogError(f"the log has {size} entries, a head of {head_size} was signed: some are lost")
    if (await proofs.border(connection, head_size)).root != root:
        raise BrokenLogError(f"the log's tiles are not those that the head of {head_size} entries was signed for")
