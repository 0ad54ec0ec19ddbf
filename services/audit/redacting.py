"""The retention job: what is past its project's days is taken out of the log."""

import asyncio
from typing import Final

import psycopg
import structlog

from services.audit.store import upkeep
from shared.database import Database
from shared.errors import UnavailableError

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
            return total


async def redact_forever(database: Database) -> None:
    """Look every ten minutes."""
    while True:
        try:
            count = await redact_due(database)
        except (UnavailableError, psycopg.Error) as error:
            log.warning("entries_not_redacted", reason=str(error))
        else:
            if count:
                log.info("entries_redacted", count=count)
        await asyncio.sleep(INTERVAL_S)
