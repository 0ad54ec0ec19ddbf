"""The retention job: what is past its project's days is taken out of the log."""

from typing import Final

import structlog

from services.audit.store import upkeep
from shared.database import Database

INTERVAL_S: Final = 600.0
MOST: Final = 1_000

log = structlog.get_logger()


async def redact_due(database: Database) -> int:
    """Redact all that is due, in bounded transactions, and say how many entries that were."""
    total = 0
    while True:
        async with database.transaction() as connection:
            count = await upkeep.redact(connection, MOST)
        total += count
        if count < MOST:
            break
    if total:
        log.info("entries_redacted", count=total)
    return total
