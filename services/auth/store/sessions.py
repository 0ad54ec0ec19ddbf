"""The SQL of sessions, half-done sign-ins and known browsers."""

from typing import Final

from psycopg.rows import class_row

from services.auth.records.sessions import (
    APPLICATION_LIFE_S,
    BROWSER_IDLE_S,
    BROWSER_LIFE_S,
    SEEN_RESOLUTION_S,
    SIGN_IN_LIFE_S,
    HalfSignIn,
    Session,
    SessionKind,
    Source,
)
from shared.database import Connection

_COLUMNS: Final = (
    "s.session_id, s.account_key, s.kind, s.client_id, s.amr, s.address, s.user_agent, s.created_at,"
    " s.authenticated_at, s.factor_at, s.last_seen_at, s.last_address, s.ends_at"
)
_ALIVE: Final = (
    "s.ended_at IS NULL AND s.ends_at > now() AND a.state = 'active'"
    f" AND (s.kind <> 'browser' OR s.last_seen_at > now() - make_interval(secs => {BROWSER_IDLE_S}))"
)
_FROM: Final = "FROM auth.session s JOIN auth.account a USING (account_key)"


async def session_insert(
    connection: Connection,
    *,
    session_id: str,
    account_key: int,
    kind: SessionKind,
    cookie_hash: bytes | None,
    client_id: str | None,
    amr: list[str],
    has_factor: bool,
    source: Source,
    upstream_id: str | None,
) -> None:
    """A new session, from now on."""
    life_s = BROWSER_LIFE_S if kind == "browser" else APPLICATION_LIFE_S
    await connection.execute(
        "INSERT INTO auth.session (session_id, account_key, kind, cookie_hash, client_id, amr, factor_at, address,"
        " user_agent, last_address, upstream_id, ends_at) VALUES (%s, %s, %s, %s, %s, %s, CASE WHEN %s THEN now() END,"
        " %s, %s, %s, %s, now() + make_interval(secs => %s))",
        [session_id, account_key, kind, cookie_hash, client_id, amr, has_factor, source.address, source.user_agent,
         source.address, upstream_id, life_s],
    )  # fmt: skip


async def session_find(connection: Connection, session_id: str) -> Session | None:
    """The session of that id, if it is alive and its account active."""
    async with connection.cursor(row_factory=class_row(Session)) as cursor:
        await cursor.execute(f"SELECT {_COLUMNS} {_FROM} WHERE s.session_id = %s AND {_ALIVE}", [session_id])
        return await cursor.fetchone()


async def session_find_by_cookie(connection: Connection, cookie_hash: bytes) -> Session | None:
    """The session that the cookie opens, if it is alive and its account active."""
    async with connection.cursor(row_factory=class_row(Session)) as cursor:
        await cursor.execute(f"SELECT {_COLUMNS} {_FROM} WHERE s.cookie_hash = %s AND {_ALIVE}", [cookie_hash])
        return await cursor.fetchone()


async def session_list(connection: Connection, account_key: int) -> list[Session]:
    """The person's sessions that are alive, the newest first."""
    async with connection.cursor(row_factory=class_row(Session)) as cursor:
        await cursor.execute(
            f"SELECT {_COLUMNS} {_FROM} WHERE s.account_key = %s AND {_ALIVE} ORDER BY s.created_at DESC, s.session_id",
            [account_key],
        )
        return await cursor.fetchall()


async def session_touch(connection: Connection, session_id: str, address: str) -> None:
    """Remember that the session was used from `address`, to the minute."""
    await connection.execute(
        "UPDATE auth.session SET last_seen_at = now(), last_address = %s WHERE session_id = %s"
        " AND (last_address <> %s OR last_seen_at < now() - make_interval(secs => %s))",
        [address, session_id, address, SEEN_RESOLUTION_S],
    )


async def session_renew(
    connection: Connection, session_id: str, *, cookie_hash: bytes, amr: list[str], has_factor: bool
) -> None:
    """The person has shown again who they are: another cookie, and what they showed."""
    await connection.execute(
        "UPDATE auth.session SET cookie_hash = %s, authenticated_at = now(), last_seen_at = now(),"
        " factor_at = CASE WHEN %s THEN now() ELSE factor_at END,"
        " amr = ARRAY(SELECT DISTINCT unnest(amr || %s::text[]) ORDER BY 1) WHERE session_id = %s",
        [cookie_hash, has_factor, amr, session_id],
    )


async def session_end(connection: Connection, account_key: int, session_id: str, because: str) -> bool:
    """End one session of the person; False where there is none alive."""
    cursor = await connection.execute(
        "UPDATE auth.session SET ended_at = now(), ended_because = %s"
        " WHERE session_id = %s AND account_key = %s AND ended_at IS NULL RETURNING session_id",
        [because, session_id, account_key],
    )
    return await cursor.fetchone() is not None


async def session_end_all(connection: Connection, account_key: int, because: str, but: str | None) -> list[str]:
    """End every session of the person, except `but`; returns the ids of those that were alive."""
    cursor = await connection.execute(
        "UPDATE auth.session SET ended_at = now(), ended_because = %s"
        " WHERE account_key = %s AND ended_at IS NULL AND session_id IS DISTINCT FROM %s RETURNING session_id",
        [because, account_key, but],
    )
    return [str(row[0]) for row in await cursor.fetchall()]


async def session_delete_all(connection: Connection, account_key: int) -> None:
    """Leave nothing of where an erased person was signed in, nor of what they began."""
    await connection.execute("DELETE FROM auth.session WHERE account_key = %s", [account_key])
    await connection.execute("DELETE FROM auth.sign_in WHERE account_key = %s", [account_key])
    await connection.execute("DELETE FROM auth.known_browser WHERE account_key = %s", [account_key])


async def sign_in_insert(connection: Connection, sign_in_hash: bytes, half: HalfSignIn) -> None:
    """A sign-in that goes on within ten minutes; those that ended are swept."""
    await connection.execute("DELETE FROM auth.sign_in WHERE ends_at < now()")
    await connection.execute(
        "INSERT INTO auth.sign_in (sign_in_hash, purpose, account_key, session_id, challenge, failures,"
        " is_known_browser, upstream_id, ends_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s,"
        " now() + make_interval(secs => %s))",
        [sign_in_hash, half.purpose, half.account_key, half.session_id, half.challenge, half.failures,
         half.is_known_browser, half.upstream_id, SIGN_IN_LIFE_S],
    )  # fmt: skip


async def sign_in_lock_in_txn(connection: Connection, sign_in_hash: bytes) -> HalfSignIn | None:
    """The half-done sign-in, its row locked; None where it has ended or never was."""
    async with connection.cursor(row_factory=class_row(HalfSignIn)) as cursor:
        await cursor.execute(
            "SELECT purpose, account_key, session_id, challenge, failures, is_known_browser, upstream_id"
            " FROM auth.sign_in WHERE sign_in_hash = %s AND ends_at > now() FOR UPDATE",
            [sign_in_hash],
        )
        return await cursor.fetchone()


async def sign_in_update(
    connection: Connection, sign_in_hash: bytes, *, failures: int, challenge: bytes | None
) -> None:
    """Count a failure, or change the challenge."""
    await connection.execute(
        "UPDATE auth.sign_in SET failures = %s, challenge = %s WHERE sign_in_hash = %s",
        [failures, challenge, sign_in_hash],
    )


async def sign_in_delete(connection: Connection, sign_in_hash: bytes) -> None:
    """It is over."""
    await connection.execute("DELETE FROM auth.sign_in WHERE sign_in_hash = %s", [sign_in_hash])


async def sign_in_delete_all(connection: Connection, account_key: int) -> None:
    """Of what the person began to sign in with nothing goes on; what they began in an open session does."""
    await connection.execute("DELETE FROM auth.sign_in WHERE account_key = %s AND purpose = 'sign_in'", [account_key])


async def browser_is_known(connection: Connection, browser_hash: bytes, account_key: int) -> bool:
    """Whether the person has signed in there before."""
    cursor = await connection.execute(
        "SELECT FROM auth.known_browser WHERE browser_hash = %s AND account_key = %s", [browser_hash, account_key]
    )
    return await cursor.fetchone() is not None


async def browser_upsert(connection: Connection, browser_hash: bytes, account_key: int) -> None:
    """The person signs in there."""
    await connection.execute(
        "INSERT INTO auth.known_browser (browser_hash, account_key) VALUES (%s, %s)"
        " ON CONFLICT (browser_hash, account_key) DO UPDATE SET last_seen_at = now()",
        [browser_hash, account_key],
    )


async def browser_forget_all(connection: Connection, account_key: int) -> None:
    """After a reset no browser is known any more."""
    await connection.execute("DELETE FROM auth.known_browser WHERE account_key = %s", [account_key])
