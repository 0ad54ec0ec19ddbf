"""The SQL of links: what a message lets its reader do once."""

from psycopg.rows import class_row

from services.auth.records.people import LINK_LIFE_S, Link, Purpose
from shared.database import Connection


async def link_insert(
    connection: Connection,
    link_hash: bytes,
    *,
    purpose: Purpose,
    account_key: int,
    address: str | None = None,
    created_by: int | None = None,
) -> None:
    """A link that opens once; those of the same purpose and account before it open nothing any more."""
    await connection.execute(
        "DELETE FROM auth.link WHERE account_key = %s AND (purpose = %s OR ends_at < now())", [account_key, purpose]
    )
    await connection.execute(
        "INSERT INTO auth.link (link_hash, purpose, account_key, address, created_by, ends_at)"
        " VALUES (%s, %s, %s, %s, %s, now() + make_interval(secs => %s))",
        [link_hash, purpose, account_key, address, created_by, LINK_LIFE_S[purpose]],
    )


async def link_find(connection: Connection, link_hash: bytes) -> Link | None:
    """The link, if it is open; nothing is spent."""
    return await _link(
        connection,
        "SELECT purpose, account_key, address, created_by FROM auth.link"
        " WHERE link_hash = %s AND used_at IS NULL AND ends_at > now()",
        link_hash,
    )


async def link_spend(connection: Connection, link_hash: bytes) -> Link | None:
    """Spend the link; None where it opens nothing."""
    return await _link(
        connection,
        "UPDATE auth.link SET used_at = now() WHERE link_hash = %s AND used_at IS NULL AND ends_at > now()"
        " RETURNING purpose, account_key, address, created_by",
        link_hash,
    )


async def link_is_used(connection: Connection, account_key: int, purpose: Purpose, address: str) -> bool:
    """Whether the other end of a change to `address` has been confirmed."""
    cursor = await connection.execute(
        "SELECT FROM auth.link WHERE account_key = %s AND purpose = %s AND address = %s AND used_at IS NOT NULL"
        " AND ends_at > now()",
        [account_key, purpose, address],
    )
    return await cursor.fetchone() is not None


async def link_delete_all(connection: Connection, account_key: int) -> None:
    """None of the account's links opens anything any more."""
    await connection.execute("DELETE FROM auth.link WHERE account_key = %s", [account_key])


async def _link(connection: Connection, query: str, link_hash: bytes) -> Link | None:
    async with connection.cursor(row_factory=class_row(Link)) as cursor:
        await cursor.execute(query.encode(), [link_hash])
        return await cursor.fetchone()
