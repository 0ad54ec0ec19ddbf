"""Comparing every entry with the leaf that commits to it, again and again.

Tiles and heads are verified by anybody; that each leaf still has its entry, unchanged, only who holds the entries can
see. What is found is said loudly: it stands in health until the process is started anew.
"""

import asyncio
from typing import Final

import psycopg
import rfc8785
import structlog

from services.audit.encoding import canonical_octets
from services.audit.records import Leaf
from services.audit.store import entries as store
from shared.database import Database
from shared.errors import UnavailableError
from shared.health import Health
from shared.tlog.hashing import commitment

PART: Final = "entries"
CHUNK: Final = 500
CHUNK_PAUSE_S: Final = 1.0
ROUND_PAUSE_S: Final = 600.0

log = structlog.get_logger()


def wrong_with(leaf: Leaf) -> str | None:
    """What is wrong with the entry of `leaf`, in words; None where nothing is."""
    if leaf.row is None:
        return None if leaf.is_redacted else f"entry {leaf.leaf_index} is missing"
    changed = f"entry {leaf.leaf_index} is not the one that the log commits to"
    try:
        octets = canonical_octets(leaf.row)
    except (rfc8785.CanonicalizationError, ValueError, AttributeError):
        return changed
    return None if commitment(leaf.row.salt or bytes(32), octets) == leaf.commitment else changed


async def inspect_chunk(database: Database, health: Health, start: int) -> int:
    """Compare the entries from leaf index `start` on, and say how many there were."""
    leaves = await database.run(lambda connection: store.leaves(connection, start=start, limit=CHUNK))
    wrong = [(leaf.leaf_index, found) for leaf in leaves if (found := wrong_with(leaf)) is not None]
    for leaf_index, found in wrong:
        log.error("log_tampered_with", leaf_index=leaf_index, finding=found)
    if wrong:
        health.set(PART, ok=False, reason=wrong[0][1])
    return len(leaves)


async def inspect_forever(database: Database, health: Health) -> None:
    """Compare everything, a part a second, and begin anew ten minutes after the end."""
    start = 0
    while True:
        try:
            count = await inspect_chunk(database, health, start)
        except (UnavailableError, psycopg.Error) as error:
            log.warning("entries_not_inspected", reason=str(error))
            count = CHUNK
        else:
            start = start + count if count == CHUNK else 0
        await asyncio.sleep(CHUNK_PAUSE_S if count == CHUNK else ROUND_PAUSE_S)
