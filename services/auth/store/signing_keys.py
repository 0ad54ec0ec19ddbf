"""The SQL of the keys that sign tokens, and of clients that must be told of a session's end."""

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.auth.records.provider import LogoutNotice, SigningKey
from shared.database import Connection


async def signing_key_list(connection: Connection) -> list[SigningKey]:
    """Every key, the newest first."""
    async with connection.cursor(row_factory=class_row(SigningKey)) as cursor:
        await cursor.execute(
            "SELECT key_id, public_jwk, sealed, created_at, is_to_be_followed"
            " FROM auth.signing_key ORDER BY created_at DESC, key_id"
        )
        return await cursor.fetchall()


async def signing_key_insert(connection: Connection, key: SigningKey) -> None:
    """A new key."""
    await connection.execute(
        "INSERT INTO auth.signing_key (key_id, public_jwk, sealed, created_at) VALUES (%s, %s, %s, %s)",
        [key.key_id, Jsonb(key.public_jwk), key.sealed, key.created_at],
    )


async def signing_key_delete(connection: Connection, key_id: str) -> None:
    """Forget a key: what it signed has ended."""
    await connection.execute("DELETE FROM auth.signing_key WHERE key_id = %s", [key_id])


async def notice_take(connection: Connection) -> LogoutNotice | None:
    """One client that is due to be told, its row locked; others take others."""
    async with connection.cursor(row_factory=class_row(LogoutNotice)) as cursor:
        await cursor.execute(
            "SELECT n.session_id, n.client_id, s.account_key, k.backchannel_logout_uri AS uri, n.attempts"
            " FROM auth.logout_notice n JOIN auth.session s USING (session_id)"
            " JOIN auth.client k ON k.client_id = n.client_id"
            " WHERE n.next_attempt_at <= now() AND k.ended_at IS NULL AND k.backchannel_logout_uri IS NOT NULL"
            " ORDER BY n.next_attempt_at LIMIT 1 FOR UPDATE OF n SKIP LOCKED"
        )
        return await cursor.fetchone()


async def notice_delete(connection: Connection, session_id: str, client_id: str) -> None:
    """The client was told, or shall not be any more."""
    await connection.execute(
        "DELETE FROM auth.logout_notice WHERE session_id = %s AND client_id = %s", [session_id, client_id]
    )


async def notice_postpone(connection: Connection, session_id: str, client_id: str, seconds: float) -> None:
    """The client could not be told; try again in `seconds`."""
    await connection.execute(
        "UPDATE auth.logout_notice SET attempts = attempts + 1, next_attempt_at = now() + make_interval(secs => %s)"
        " WHERE session_id = %s AND client_id = %s",
        [seconds, session_id, client_id],
    )
