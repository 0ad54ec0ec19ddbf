"""A service's data keys: unwrapped once and kept in memory.

They lie wrapped in the table `data_key` of the service's own schema. The first start makes one; a start that finds the
newest 90 days old makes the next one (what was sealed follows, see the service's `resealing`); a start with another
active master key rewraps them all.
"""

import secrets
from datetime import timedelta
from typing import Final

import structlog
from psycopg import sql
from psycopg.rows import class_row

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
DATA_KEY_LIFE: Final = timedelta(days=90)
LOCK: Final = 0x4B455953  # "KEYS": one process of a service at a time makes keys

log = structlog.get_logger()


class DataKeys:
    """Seals and opens the secrets of a service; loads its keys when they are first needed."""

    def __init__(self, masters: MasterKeys, database: Database, schema: str) -> None:
        """Hold `masters`; nothing is read yet from the table in `schema`, whose name new keys begin with."""
        self._masters = masters
        self._database = database
        self._schema = schema
        self._sealer: Sealer | None = None

    async def load(self) -> Sealer:
        """The sealer.

        Raises:
            UnavailableError: The database is away.
            SecretsError: A data key needs a master key that is not here: the service must not start.
        """
        if self._sealer is None:
            async with self._database.transaction() as connection:
                await connection.execute("SELECT pg_advisory_xact_lock(%s, hashtext(%s))", [LOCK, self._schema])
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
        keys = await data_key_list(connection, self._schema)
        if not keys or await data_key_is_due(connection, self._schema):
            name = f"{self._schema}-{secrets.token_hex(ID_OCTETS)}"
            keys.append(wrap(self._masters, name, secrets.token_bytes(KEY_OCTETS)))
            await data_key_upsert(connection, self._schema, keys[-1])
            log.info("data_key_created", data_key=name)
        return [await self._under_active_master_in_txn(connection, key) for key in keys]

    async def _under_active_master_in_txn(self, connection: Connection, key: WrappedKey) -> WrappedKey:
        if key.master_key_id == self._masters.active:
            return key
        rewrapped = rewrap(self._masters, key)
        await data_key_upsert(connection, self._schema, rewrapped)
        log.info("data_key_rewrapped", data_key=key.key_id, master_key=self._masters.active)
        return rewrapped


async def data_key_list(connection: Connection, schema: str) -> list[WrappedKey]:
    """Every data key, oldest first."""
    query = sql.SQL("SELECT key_id, master_key_id, wrapped FROM {} ORDER BY created_at, key_id")
    async with connection.cursor(row_factory=class_row(WrappedKey)) as cursor:
        await cursor.execute(query.format(sql.Identifier(schema, "data_key")))
        return await cursor.fetchall()


async def data_key_upsert(connection: Connection, schema: str, key: WrappedKey) -> None:
    """Keep `key`, new or rewrapped."""
    statement = sql.SQL(
        "INSERT INTO {} (key_id, master_key_id, wrapped) VALUES (%s, %s, %s)"
        " ON CONFLICT (key_id) DO UPDATE SET master_key_id = excluded.master_key_id, wrapped = excluded.wrapped"
    ).format(sql.Identifier(schema, "data_key"))
    await connection.execute(statement, [key.key_id, key.master_key_id, key.wrapped])


async def data_key_is_due(connection: Connection, schema: str) -> bool:
    """Whether the newest data key has served its time."""
    query = sql.SQL("SELECT coalesce(max(created_at) < now() - %s, true) FROM {}")
    cursor = await connection.execute(query.format(sql.Identifier(schema, "data_key")), [DATA_KEY_LIFE])
    row = await cursor.fetchone()
    return row is None or bool(row[0])
