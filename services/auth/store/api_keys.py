"""The SQL of API keys and of service accounts."""

from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from services.auth.records.api_keys import (
    ERASED_KEY_NAME,
    FIRST_KEY_LIFE,
    FIRST_KEY_NAME,
    SHOWN_AFTER_END,
    USE_RESOLUTION,
    ApiKey,
    ApiKeyView,
    ServiceAccount,
)
from shared.database import Connection
from shared.scopes import EVERYTHING

_VIEW: Final = (
    "SELECT key_id, 'ifk_' || key_id AS prefix, account_key, name, scopes, created_at, ends_at, ended_at,"
    " ended_because, last_used_at, last_address, rotated_from FROM auth.api_key"
)
_ALIVE: Final = "ended_at IS NULL AND ends_at > now()"


async def api_key_find(connection: Connection, key_id: str) -> ApiKey | None:
    """The key of that id; a service account is as active as its owner."""
    async with connection.cursor(row_factory=class_row(ApiKey)) as cursor:
        await cursor.execute(
            "SELECT k.key_id, k.account_key, a.owner_key, k.key_hash, k.scopes, k.ends_at, k.ended_at,"
            " CASE WHEN a.state = 'active' THEN coalesce(o.state, a.state) ELSE a.state END AS account_state"
            " FROM auth.api_key k JOIN auth.account a USING (account_key)"
            " LEFT JOIN auth.account o ON o.account_key = a.owner_key WHERE k.key_id = %s",
            [key_id],
        )
        return await cursor.fetchone()


async def api_key_insert(
    connection: Connection,
    key_id: str,
    key_hash: bytes,
    *,
    account_key: int,
    name: str,
    scopes: list[str],
    ends_at: datetime,
    created_by: int,
    rotated_from: str | None = None,
) -> None:
    """A new key."""
    await connection.execute(
        "INSERT INTO auth.api_key (key_id, key_hash, account_key, name, scopes, ends_at, created_by, rotated_from)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s, %s)",
        [key_id, key_hash, account_key, name, scopes, ends_at, created_by, rotated_from],
    )


async def api_key_list(connection: Connection, account_key: int) -> list[ApiKeyView]:
    """The account's keys, the newest first; those that ended long ago are left out."""
    async with connection.cursor(row_factory=class_row(ApiKeyView)) as cursor:
        await cursor.execute(
            f"{_VIEW} WHERE account_key = %s AND coalesce(ended_at, ends_at) > now() - %s"
            " ORDER BY created_at DESC, key_id LIMIT 1000",
            [account_key, SHOWN_AFTER_END],
        )
        return await cursor.fetchall()


async def api_key_lock_in_txn(connection: Connection, key_id: str) -> ApiKeyView | None:
    """The key of that id if it is alive, its row locked."""
    async with connection.cursor(row_factory=class_row(ApiKeyView)) as cursor:
        await cursor.execute(f"{_VIEW} WHERE key_id = %s AND {_ALIVE} FOR UPDATE", [key_id])
        return await cursor.fetchone()


async def api_key_count_alive(connection: Connection, account_key: int) -> int:
    """How many keys of the account open."""
    query = f"SELECT count(*) FROM auth.api_key WHERE account_key = %s AND {_ALIVE}"  # noqa: S608 - a constant of ours
    cursor = await connection.execute(query.encode(), [account_key])
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def api_key_has_next(connection: Connection, key_id: str) -> bool:
    """Whether a key that opens follows the one of that id."""
    cursor = await connection.execute(f"SELECT FROM auth.api_key WHERE rotated_from = %s AND {_ALIVE}", [key_id])
    return await cursor.fetchone() is not None


async def api_key_shorten(connection: Connection, key_id: str, ends_at: datetime) -> None:
    """Let the key end at `ends_at`, if it does not end before."""
    await connection.execute(
        "UPDATE auth.api_key SET ends_at = least(ends_at, %s) WHERE key_id = %s", [ends_at, key_id]
    )


async def api_key_end(connection: Connection, key_id: str, because: str) -> None:
    """End the key."""
    await connection.execute(
        "UPDATE auth.api_key SET ended_at = now(), ended_because = %s WHERE key_id = %s", [because, key_id]
    )


async def api_key_insert_first(connection: Connection, key_id: str, account_key: int, key_hash: bytes) -> None:
    """The first owner's key: an ordinary one that ends."""
    await connection.execute(
        "INSERT INTO auth.api_key (key_id, account_key, name, key_hash, scopes, ends_at)"
        " VALUES (%s, %s, %s, %s, %s, now() + %s)",
        [key_id, account_key, FIRST_KEY_NAME, key_hash, EVERYTHING.texts, FIRST_KEY_LIFE],
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
    """Take the names that the person gave from all keys of the account, and where they were used from."""
    await connection.execute(
        "UPDATE auth.api_key SET name = %s, last_address = NULL, ended_because = NULL WHERE account_key = %s",
        [ERASED_KEY_NAME, account_key],
    )


async def api_key_touch(connection: Connection, key_id: str, address: str) -> None:
    """Remember that the key was used from `address`, to the minute."""
    await connection.execute(
        "UPDATE auth.api_key SET last_used_at = now(), last_address = nullif(%s, '')"
        " WHERE key_id = %s AND (last_used_at IS NULL OR last_used_at < now() - %s"
        " OR last_address IS DISTINCT FROM nullif(%s, ''))",
        [address, key_id, USE_RESOLUTION, address],
    )


async def service_account_insert(connection: Connection, owner_key: int, name: str, login_canonical: str) -> int:
    """A service account of the person; returns its key.

    Raises:
        psycopg.errors.UniqueViolation: They have one of that name.
    """
    cursor = await connection.execute(
        "INSERT INTO auth.account (login_name, login_canonical, display_name, state, kind, owner_key)"
        " VALUES (%s, %s, %s, 'active', 'service', %s) RETURNING account_key",
        [login_canonical, login_canonical, name, owner_key],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("an insert returned no row")
    return int(row[0])


async def service_account_list(connection: Connection, owner_key: int) -> list[ServiceAccount]:
    """The person's service accounts, in the order of their keys."""
    async with connection.cursor(row_factory=class_row(ServiceAccount)) as cursor:
        await cursor.execute(
            "SELECT account_key, display_name AS name, created_at FROM auth.account"
            " WHERE owner_key = %s AND erased_at IS NULL ORDER BY account_key",
            [owner_key],
        )
        return await cursor.fetchall()


async def service_account_lock_in_txn(
    connection: Connection, owner_key: int, account_key: int
) -> ServiceAccount | None:
    """That service account of the person, its row locked."""
    async with connection.cursor(row_factory=class_row(ServiceAccount)) as cursor:
        await cursor.execute(
            "SELECT account_key, display_name AS name, created_at FROM auth.account"
            " WHERE owner_key = %s AND account_key = %s AND erased_at IS NULL FOR UPDATE",
            [owner_key, account_key],
        )
        return await cursor.fetchone()


async def credential_list_ended(
    connection: Connection, since: datetime | None, margin_s: float
) -> tuple[datetime, list[str]]:
    """When it is, and the ids of what opens the bus that ended after `since` (None: ever) less `margin_s`."""
    cursor = await connection.execute(
        "WITH span AS (SELECT coalesce(%s, '-infinity'::timestamptz) - make_interval(secs => %s) AS since)"
        " SELECT now(), coalesce(array_agg(id), '{}') FROM ("
        "SELECT key_id AS id FROM auth.api_key, span WHERE ended_at > since"
        " UNION SELECT key_id FROM auth.api_key, span WHERE ended_at IS NULL AND ends_at > since AND ends_at <= now()"
        " UNION SELECT session_id FROM auth.board_ticket, span WHERE ended_at > since"
        " UNION SELECT client_id FROM auth.client, span WHERE ended_at > since"
        " UNION SELECT family_id FROM auth.token_family, span WHERE ended_at > since"
        " UNION SELECT session_id FROM auth.session, span WHERE ended_at > since) AS ended",
        [since, margin_s],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("an aggregate returned no row")
    return row[0], list(row[1])
