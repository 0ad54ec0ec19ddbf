"""The SQL of keys, and of whatever is sealed under them."""

from collections.abc import Sequence
from typing import Final

from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.auth.records.sealing import AssertionKey, SealedRow
from shared.database import Connection

START_LOCK: Final = 0x41555448  # "AUTH": one process at a time makes what the first start makes


SEALED_COLUMNS: Final = (
    # table, primary key, column, and the place of a value there: the context it was sealed for, as SQL
    ("device_credential", "device_key", "secret", "'auth.device_credential/' || device_key || '/secret'"),
    ("device_credential", "device_key", "app_cred_key", "'auth.device_credential/' || device_key || '/app_cred_key'"),
    ("assertion_key", "key_id", "sealed", "'auth.assertion_key/' || key_id"),
    ("signing_key", "key_id", "sealed", "'auth.signing_key/' || key_id"),
    ("totp", "account_key", "sealed", "'auth.totp/' || account_key || '/sealed'"),
    ("totp", "account_key", "pending_sealed", "'auth.totp/' || account_key || '/pending_sealed'"),
    ("upstream_session", "upstream_id", "sealed", "'auth.upstream_session/' || upstream_id"),
    ("message", "message_id", "sealed", "'auth.message/' || message_id"),
)
PERSON_COLUMNS: Final = (("person_key", "account_key", "sealed", "'auth.person_key/' || account_key"),)
"""As `SEALED_COLUMNS`: what no data key seals."""


async def start_lock_in_txn(connection: Connection) -> None:
    """Wait until no other process is making first things; held to the end of the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", [START_LOCK])


async def sealed_lock_in_txn(
    connection: Connection, columns: Sequence[tuple[str, str, str, str]], header: bytes, *, limit: int
) -> list[SealedRow]:
    """At most `limit` sealed values that do not begin with `header`, their rows locked.

    Args:
        columns: Where to look, as `SEALED_COLUMNS` has it; a row's `place` is its context.
    """
    rows: list[SealedRow] = []
    for table, key, column, place in columns:
        query = sql.SQL(
            "SELECT %s AS table, %s AS key_column, {key} AS key, %s AS column, {place} AS place, {column} AS sealed"
            " FROM auth.{table} WHERE substring({column} FOR %s) <> %s LIMIT %s FOR UPDATE SKIP LOCKED"
        ).format(
            place=sql.SQL(place), key=sql.Identifier(key), column=sql.Identifier(column), table=sql.Identifier(table)
        )
        async with connection.cursor(row_factory=class_row(SealedRow)) as cursor:
            await cursor.execute(query, [table, key, column, len(header), header, limit - len(rows)])
            rows += await cursor.fetchall()
    return rows


async def sealed_replace(connection: Connection, row: SealedRow) -> None:
    """Put a resealed value back at its place."""
    query = sql.SQL("UPDATE auth.{table} SET {column} = %s WHERE {key} = %s").format(
        table=sql.Identifier(row.table), column=sql.Identifier(row.column), key=sql.Identifier(row.key_column)
    )
    await connection.execute(query, [row.sealed, row.key])


async def person_key_insert(connection: Connection, account_key: int, sealed: bytes) -> None:
    """The key under which what is personal of `account_key` is sealed."""
    await connection.execute("INSERT INTO auth.person_key (account_key, sealed) VALUES (%s, %s)", [account_key, sealed])


async def person_key_list(connection: Connection, account_keys: list[int]) -> dict[int, bytes]:
    """The sealed keys of those persons who still have one, by account."""
    cursor = await connection.execute(
        "SELECT account_key, sealed FROM auth.person_key WHERE account_key = ANY (%s)", [account_keys]
    )
    return {int(row[0]): bytes(row[1]) for row in await cursor.fetchall()}


async def person_key_delete(connection: Connection, account_key: int) -> None:
    """Destroy the person's key: what is sealed under it opens never again."""
    await connection.execute("DELETE FROM auth.person_key WHERE account_key = %s", [account_key])


async def assertion_key_list(connection: Connection) -> list[AssertionKey]:
    """Every key that signs assertions, newest first."""
    async with connection.cursor(row_factory=class_row(AssertionKey)) as cursor:
        await cursor.execute(
            "SELECT key_id, public_jwk, sealed FROM auth.assertion_key ORDER BY created_at DESC, key_id"
        )
        return await cursor.fetchall()


async def assertion_key_insert(connection: Connection, key: AssertionKey) -> None:
    """A new signing key."""
    await connection.execute(
        "INSERT INTO auth.assertion_key (key_id, public_jwk, sealed) VALUES (%s, %s, %s)",
        [key.key_id, Jsonb(key.public_jwk), key.sealed],
    )
