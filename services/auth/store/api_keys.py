"""The SQL of API keys."""

from psycopg.rows import class_row

from services.auth.records.api_keys import (
    ERASED_KEY_NAME,
    EVERYTHING,
    FIRST_KEY_LIFE,
    FIRST_KEY_NAME,
    USE_RESOLUTION,
    ApiKey,
)
from shared.database import Connection


async def api_key_find(connection: Connection, key_id: str) -> ApiKey | None:
    """The key of that id."""
    async with connection.cursor(row_factory=class_row(ApiKey)) as cursor:
        await cursor.execute(
            "SELECT k.key_id, k.account_key, k.key_hash, k.scopes, k.ends_at, k.ended_at, a.state AS account_state"
            " FROM auth.api_key k JOIN auth.account a USING (account_key) WHERE k.key_id = %s",
            [key_id],
        )
        return await cursor.fetchone()


async def api_key_insert_first(connection: Connection, key_id: str, account_key: int, key_hash: bytes) -> None:
    """The first owner's key: an ordinary one that ends."""
    await connection.execute(
        "INSERT INTO auth.api_key (key_id, account_key, name, key_hash, scopes, ends_at)"
        " VALUES (%s, %s, %s, %s, %s, now() + %s)",
        [key_id, account_key, FIRST_KEY_NAME, key_hash, list(EVERYTHING), FIRST_KEY_LIFE],
    )


async def api_key_end_first(connection: Connection, account_key: int) -> list[str]:
    """End every first key of the account that is still alive; returns their ids."""
    cursor = await connection.execute(
        "UPDATE auth.api_key SET ended_at = now() WHERE account_key = %s AND name = %s AND ended_at IS NULL"
        " RETURNING key_id",
        [account_key, FIRST_KEY_NAME],
    )
    return [str(row[0]) for row in await cursor.fetchall()]


async def api_key_end_all(connection: Connection, account_key: int) -> list[str]:
    """End every key of the account that is still alive; returns their ids."""
    cursor = await connection.execute(
        "UPDATE auth.api_key SET ended_at = now() WHERE account_key = %s AND ended_at IS NULL RETURNING key_id",
        [account_key],
    )
    return [str(row[0]) for row in await cursor.fetchall()]


async def api_key_unname_all(connection: Connection, account_key: int) -> None:
    """Take the names that the person gave from all keys of the account."""
    await connection.execute("UPDATE auth.api_key SET name = %s WHERE account_key = %s", [ERASED_KEY_NAME, account_key])


async def api_key_touch(connection: Connection, key_id: str) -> None:
    """Remember that the key was used, to the minute."""
    await connection.execute(
        "UPDATE auth.api_key SET last_used_at = now()"
        " WHERE key_id = %s AND (last_used_at IS NULL OR last_used_at < now() - %s)",
        [key_id, USE_RESOLUTION],
    )
