"""After a new data key: every sealed row is sealed anew, a few at a time, while auth serves."""

from typing import Final

import structlog
from attrs import evolve

from services.auth.keyring import Keyring
from services.auth.store.sealing import PERSON_COLUMNS, SEALED_COLUMNS, sealed_lock_in_txn, sealed_replace
from shared.database import Database

BATCH: Final = 500

log = structlog.get_logger()


async def reseal_everything(database: Database, keyring: Keyring) -> int:
    """Seal under the active data key whatever an older one sealed; returns how many values there were.

    Raises:
        PublicError: The database is away or busy; what was done stays done.
    """
    count = 0
    while done := await reseal_some(database, keyring):
        count += done
    if count:
        log.info("secrets_resealed", values=count)
    return count


async def reseal_some(database: Database, keyring: Keyring) -> int:
    """One batch, in one transaction; returns its size."""
    header = (await keyring.load()).header
    async with database.transaction() as connection:
        rows = await sealed_lock_in_txn(connection, SEALED_COLUMNS, header, limit=BATCH)
        for row in rows:
            clear = await keyring.open_octets(row.sealed, row.place)
            await sealed_replace(connection, evolve(row, sealed=await keyring.seal(clear, row.place)))
        keys = await sealed_lock_in_txn(connection, PERSON_COLUMNS, keyring.person_header, limit=BATCH)
        for row in keys:
            clear = await keyring.open_person_key(row.sealed, row.place)
            await sealed_replace(connection, evolve(row, sealed=keyring.seal_person_key(clear, row.place)))
    return len(rows) + len(keys)
