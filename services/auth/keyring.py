"""Auth's data keys: unwrapped once and kept in memory.

The first start makes one; a start that finds the newest 90 days old makes the next one (the rows follow, see
`resealing`); a start with another active master key rewraps them all.
"""

import secrets
from typing import Final

import structlog

from services.auth.store.sealing import data_key_is_due, data_key_list, data_key_upsert, start_lock_in_txn
from shared.database import Connection, Database
from shared.secrets import (
    KEY_OCTETS,
    NONCE_OCTETS,
    MasterKeys,
    Sealer,
    UnknownDataKeyError,
    WrappedKey,
    rewrap,
    unwrap,
    wrap,
)

ID_OCTETS: Final = 6

log = structlog.get_logger()


class Keyring:
    """Seals and opens auth's secrets; loads its keys when they are first needed."""

    def __init__(self, masters: MasterKeys, database: Database) -> None:
        """Hold `masters`; nothing is read yet."""
        self._masters = masters
        self._database = database
        self._sealer: Sealer | None = None

    async def load(self) -> Sealer:
        """The sealer.

        Raises:
            UnavailableError: The database is away.
            SecretsError: A data key needs a master key that is not here: the service must not start.
        """
        if self._sealer is None:
            async with self._database.transaction() as connection:
                await start_lock_in_txn(connection)
                keys = await self._current_in_txn(connection)
            clear = {key.key_id: unwrap(self._masters, key) for key in keys}
            self._sealer = Sealer(clear, active=keys[-1].key_id)
        return self._sealer

    async def seal(self, clear: str | bytes, context: str) -> bytes:
        """`clear` sealed for its place `context`."""
        octets = clear.encode() if isinstance(clear, str) else clear
        sealer = await self.load()
        return sealer.seal(octets, context=context, nonce=secrets.token_bytes(NONCE_OCTETS))

    async def open(self, sealed: bytes, context: str) -> str:
        """The clear text that lies sealed at `context`."""
        return (await self.open_octets(sealed, context)).decode()

    async def open_octets(self, sealed: bytes, context: str) -> bytes:
        """The clear octets that lie sealed at `context`."""
        sealer = await self.load()
        try:
            return sealer.open(sealed, context=context)
        except UnknownDataKeyError:
            self._sealer = None  # another process has made a key meanwhile
            return (await self.load()).open(sealed, context=context)

    async def _current_in_txn(self, connection: Connection) -> list[WrappedKey]:
        keys = await data_key_list(connection)
        if not keys or await data_key_is_due(connection):
            name = f"auth-{secrets.token_hex(ID_OCTETS)}"
            keys.append(wrap(self._masters, name, secrets.token_bytes(KEY_OCTETS)))
            await data_key_upsert(connection, keys[-1])
            log.info("data_key_created", data_key=name)
        return [await self._under_active_master_in_txn(connection, key) for key in keys]

    async def _under_active_master_in_txn(self, connection: Connection, key: WrappedKey) -> WrappedKey:
        if key.master_key_id == self._masters.active:
            return key
        rewrapped = rewrap(self._masters, key)
        await data_key_upsert(connection, rewrapped)
        log.info("data_key_rewrapped", data_key=key.key_id, master_key=self._masters.active)
        return rewrapped
