"""The SQL of authorization codes, refresh tokens with their families, and devices that wait. Kept are hashes."""

from typing import Final

from psycopg.rows import class_row

from services.auth.records.provider import (
    CODE_LIFE_S,
    DEVICE_CODE_LIFE_S,
    DEVICE_INTERVAL_S,
    FAMILY_KEPT_S,
    REFRESH_TOKEN_LIFE_S,
    Code,
    Refresh,
    Subject,
    Waiting,
)
from services.auth.records.sessions import APPLICATION_LIFE_S, BROWSER_IDLE_S, SESSION_KEPT_S, Session
from shared.database import Connection

_SESSION_IS_ALIVE: Final = (
    "s.ended_at IS NULL AND s.ends_at > now() AND a.state = 'active'"
    f" AND (s.kind <> 'browser' OR s.last_seen_at > now() - make_interval(secs => {BROWSER_IDLE_S}))"
)
_WAITING: Final = (
    "SELECT d.client_id, k.name AS client_name, k.is_first_party, d.user_code, d.scopes, d.address, d.user_agent,"
    " d.created_at, d.ends_at > now() AND k.ended_at IS NULL AS is_alive,"
    " coalesce(d.last_polled_at > now() - make_interval(secs => d.interval_s), false) AS is_too_fast,"
    " d.interval_s, d.decision, d.account_key, d.amr, d.authenticated_at, d.factor_at"
    " FROM auth.device_code d JOIN auth.client k USING (client_id)"
)


async def subject_find(connection: Connection, session_id: str) -> Subject | None:
    """The person of a session that is alive; the session counts as used."""
    async with connection.cursor(row_factory=class_row(Subject)) as cursor:
        await cursor.execute(
            "UPDATE auth.session s SET last_seen_at = now() FROM auth.account a"  # noqa: S608 - constants of ours
            f" WHERE a.account_key = s.account_key AND s.session_id = %s AND {_SESSION_IS_ALIVE}"
            " RETURNING s.account_key, a.login_name, a.display_name, a.locale,"
            " a.verified_at IS NOT NULL AS is_verified, s.session_id, s.amr, s.authenticated_at, s.factor_at",
            [session_id],
        )
        return await cursor.fetchone()


async def subject_find_own(connection: Connection, account_key: int) -> Subject | None:
    """The service account as which a client acts for itself, if it and its owner are active."""
    async with connection.cursor(row_factory=class_row(Subject)) as cursor:
        await cursor.execute(
            "SELECT a.account_key, a.login_name, a.display_name, a.locale, false AS is_verified, NULL AS session_id,"
            " '{}'::text[] AS amr, NULL::timestamptz AS authenticated_at, NULL::timestamptz AS factor_at"
            " FROM auth.account a JOIN auth.account o ON o.account_key = a.owner_key"
            " WHERE a.account_key = %s AND a.kind = 'service' AND a.state = 'active' AND o.state = 'active'",
            [account_key],
        )
        return await cursor.fetchone()


async def code_insert(connection: Connection, code_hash: bytes, code: Code) -> None:
    """A new code; those that ended long ago are swept."""
    await connection.execute("DELETE FROM auth.authorization_code WHERE ends_at < now() - interval '1 day'")
    await connection.execute(
        "INSERT INTO auth.authorization_code (code_hash, client_id, session_id, account_key, redirect_uri, scopes,"
        " nonce, code_challenge, ends_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s))",
        [code_hash, code.client_id, code.session_id, code.account_key, code.redirect_uri, code.scopes, code.nonce,
         code.code_challenge, CODE_LIFE_S],
    )  # fmt: skip


async def code_lock_in_txn(connection: Connection, code_hash: bytes) -> Code | None:
    """The code, its row locked."""
    async with connection.cursor(row_factory=class_row(Code)) as cursor:
        await cursor.execute(
            "SELECT client_id, account_key, session_id, redirect_uri, scopes, nonce, code_challenge,"
            " ends_at > now() AS is_alive, used_at IS NOT NULL AS is_used, family_id"
            " FROM auth.authorization_code WHERE code_hash = %s FOR UPDATE",
            [code_hash],
        )
        return await cursor.fetchone()


async def code_spend(connection: Connection, code_hash: bytes, family_id: str | None) -> None:
    """The code was used, for tokens of that family."""
    await connection.execute(
        "UPDATE auth.authorization_code SET used_at = now(), family_id = %s WHERE code_hash = %s",
        [family_id, code_hash],
    )


async def family_insert(
    connection: Connection, family_id: str, *, session_id: str, account_key: int, client_id: str, scopes: list[str]
) -> None:
    """A new family of tokens."""
    await connection.execute(
        "INSERT INTO auth.token_family (family_id, session_id, account_key, client_id, scopes)"
        " VALUES (%s, %s, %s, %s, %s)",
        [family_id, session_id, account_key, client_id, scopes],
    )


async def family_end(connection: Connection, family_id: str, because: str) -> int | None:
    """End the family, and the session of an application that it lives from; whose it was, None where it had ended."""
    cursor = await connection.execute(
        "UPDATE auth.token_family SET ended_at = now(), ended_because = %s WHERE family_id = %s AND ended_at IS NULL"
        " RETURNING account_key, session_id",
        [because, family_id],
    )
    row = await cursor.fetchone()
    if row is None:
        return None
    await connection.execute(
        "UPDATE auth.session SET ended_at = now(), ended_because = %s WHERE session_id = %s AND kind = 'application'"
        " AND ended_at IS NULL",
        [because, row[1]],
    )
    return int(row[0])


async def family_list_of_client(connection: Connection, client_id: str, account_key: int | None) -> list[str]:
    """The families of the client that are alive, of one person or of all."""
    cursor = await connection.execute(
        "SELECT family_id FROM auth.token_family WHERE client_id = %s AND ended_at IS NULL"
        " AND (%s::bigint IS NULL OR account_key = %s)",
        [client_id, account_key, account_key],
    )
    return [str(row[0]) for row in await cursor.fetchall()]


async def family_end_with_sessions(connection: Connection) -> list[tuple[str, int]]:
    """End the families whose sessions have ended, and note which clients must be told; their ids and accounts."""
    cursor = await connection.execute(
        "WITH ended AS (UPDATE auth.token_family f SET ended_at = now(), ended_because = 'its session ended'"  # noqa: S608
        " FROM auth.session s JOIN auth.account a USING (account_key) WHERE s.session_id = f.session_id"
        f" AND f.ended_at IS NULL AND NOT ({_SESSION_IS_ALIVE})"
        " RETURNING f.family_id, f.account_key, f.session_id, f.client_id), noted AS ("
        "INSERT INTO auth.logout_notice (session_id, client_id) SELECT DISTINCT e.session_id, e.client_id FROM ended e"
        " JOIN auth.client k USING (client_id) WHERE k.backchannel_logout_uri IS NOT NULL AND k.ended_at IS NULL"
        " ON CONFLICT DO NOTHING) SELECT family_id, account_key FROM ended"
    )
    return [(str(row[0]), int(row[1])) for row in await cursor.fetchall()]


async def grants_sweep(connection: Connection) -> None:
    """Forget families and sessions that ended long ago, and refresh tokens that are past their end."""
    await connection.execute(
        "DELETE FROM auth.session WHERE least(ended_at, ends_at) < now() - make_interval(secs => %s)",
        [SESSION_KEPT_S],
    )
    await connection.execute(
        "DELETE FROM auth.token_family WHERE ended_at < now() - make_interval(secs => %s)", [FAMILY_KEPT_S]
    )
    await connection.execute(
        "DELETE FROM auth.refresh_token WHERE ends_at < now() - make_interval(secs => %s)", [FAMILY_KEPT_S]
    )


async def refresh_insert(connection: Connection, token_hash: bytes, family_id: str) -> None:
    """A new refresh token of the family."""
    await connection.execute(
        "INSERT INTO auth.refresh_token (token_hash, family_id, ends_at)"
        " VALUES (%s, %s, now() + make_interval(secs => %s))",
        [token_hash, family_id, REFRESH_TOKEN_LIFE_S],
    )


async def refresh_lock_in_txn(connection: Connection, token_hash: bytes) -> Refresh | None:
    """The refresh token, its family's row locked: one exchange in a family at a time."""
    async with connection.cursor(row_factory=class_row(Refresh)) as cursor:
        await cursor.execute(
            "SELECT FROM auth.token_family f WHERE f.family_id ="
            " (SELECT family_id FROM auth.refresh_token WHERE token_hash = %s) FOR UPDATE",
            [token_hash],
        )
        await cursor.execute(
            "SELECT f.family_id, f.client_id, f.account_key, f.session_id, f.scopes,"  # noqa: S608
            f" r.ends_at > now() AND f.ended_at IS NULL AND {_SESSION_IS_ALIVE} AS is_alive,"
            " r.spent_at IS NOT NULL AS is_spent"
            " FROM auth.refresh_token r JOIN auth.token_family f USING (family_id)"
            " JOIN auth.session s USING (session_id) JOIN auth.account a ON a.account_key = s.account_key"
            " WHERE r.token_hash = %s",
            [token_hash],
        )
        return await cursor.fetchone()


async def refresh_spend(connection: Connection, token_hash: bytes) -> None:
    """The refresh token was used."""
    await connection.execute("UPDATE auth.refresh_token SET spent_at = now() WHERE token_hash = %s", [token_hash])


async def session_derive(connection: Connection, session_id: str, client_id: str, *, of: str) -> None:
    """A session of an application: its person has shown who they are in the session `of`."""
    await connection.execute(
        "INSERT INTO auth.session (session_id, account_key, kind, client_id, amr, authenticated_at, factor_at, address,"
        " user_agent, last_address, upstream_id, ends_at) SELECT %s, account_key, 'application', %s, amr,"
        " authenticated_at, factor_at, address, user_agent, last_address, upstream_id,"
        " now() + make_interval(secs => %s)"
        " FROM auth.session WHERE session_id = %s",
        [session_id, client_id, APPLICATION_LIFE_S, of],
    )


async def waiting_insert(
    connection: Connection,
    code_hash: bytes,
    user_code: str,
    *,
    client_id: str,
    scopes: list[str],
    address: str,
    user_agent: str,
) -> None:
    """A device begins to wait; those that waited in vain are swept.

    Raises:
        psycopg.errors.UniqueViolation: Another one has that user code.
    """
    await connection.execute("DELETE FROM auth.device_code WHERE ends_at < now() - interval '1 hour'")
    await connection.execute(
        "INSERT INTO auth.device_code (code_hash, user_code, client_id, scopes, address, user_agent, interval_s,"
        " ends_at) VALUES (%s, %s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s))",
        [code_hash, user_code, client_id, scopes, address, user_agent, DEVICE_INTERVAL_S, DEVICE_CODE_LIFE_S],
    )


async def waiting_lock_in_txn(connection: Connection, code_hash: bytes) -> Waiting | None:
    """The device of that code, its row locked."""
    async with connection.cursor(row_factory=class_row(Waiting)) as cursor:
        await cursor.execute(f"{_WAITING} WHERE d.code_hash = %s FOR UPDATE OF d", [code_hash])
        return await cursor.fetchone()


async def waiting_find(connection: Connection, user_code: str) -> Waiting | None:
    """The device that shows that user code and still waits, its row locked."""
    async with connection.cursor(row_factory=class_row(Waiting)) as cursor:
        await cursor.execute(
            f"{_WAITING} WHERE d.user_code = %s AND d.ends_at > now() AND d.decision IS NULL AND k.ended_at IS NULL"
            " FOR UPDATE OF d",
            [user_code],
        )
        return await cursor.fetchone()


async def waiting_subject(connection: Connection, waiting: Waiting) -> Subject | None:
    """Who has approved the device, if their account is active; its session comes with the tokens."""
    async with connection.cursor(row_factory=class_row(Subject)) as cursor:
        await cursor.execute(
            "SELECT account_key, login_name, display_name, locale, verified_at IS NOT NULL AS is_verified,"
            " '' AS session_id, %s::text[] AS amr, %s::timestamptz AS authenticated_at, %s::timestamptz AS factor_at"
            " FROM auth.account WHERE account_key = %s AND state = 'active'",
            [waiting.amr, waiting.authenticated_at, waiting.factor_at, waiting.account_key],
        )
        return await cursor.fetchone()


async def access_credential(
    connection: Connection, *, account_key: int, session_id: str | None, family_id: str | None, client_id: str
) -> str | None:
    """By what an access token opens the bus (see `AccessToken`); None where anything ended that it lives from."""
    cursor = await connection.execute(
        "SELECT CASE WHEN s.session_id IS NULL THEN k.client_id WHEN k.is_first_party OR s.kind = 'application'"  # noqa: S608
        " THEN s.session_id ELSE coalesce(f.family_id, k.client_id) END"
        " FROM auth.client k JOIN auth.account a ON a.account_key = %s"
        " LEFT JOIN auth.account o ON o.account_key = a.owner_key"
        f" LEFT JOIN auth.session s ON s.session_id = %s AND s.account_key = a.account_key AND {_SESSION_IS_ALIVE}"
        " LEFT JOIN auth.token_family f ON f.family_id = %s AND f.ended_at IS NULL"
        " WHERE k.client_id = %s AND k.ended_at IS NULL"
        " AND a.state = 'active' AND coalesce(o.state, 'active') = 'active'"
        " AND (%s::text IS NULL OR s.session_id IS NOT NULL) AND (%s::text IS NULL OR f.family_id IS NOT NULL)",
        [account_key, session_id, family_id, client_id, session_id, family_id],
    )
    row = await cursor.fetchone()
    return None if row is None else str(row[0])


async def begun_end(connection: Connection, client_id: str | None, account_key: int | None) -> None:
    """Codes that were given out and devices that were let in open nothing any more, if nothing came of them yet.

    Those of the client (of all, where it is None) and of the person (of all, where that is None).
    """
    for begun in (
        "UPDATE auth.authorization_code SET ends_at = least(ends_at, now()) WHERE used_at IS NULL",
        "UPDATE auth.device_code SET ends_at = least(ends_at, now()) WHERE decision = 'approved'",
    ):
        await connection.execute(
            f"{begun} AND (%s::text IS NULL OR client_id = %s) AND (%s::bigint IS NULL OR account_key = %s)",
            [client_id, client_id, account_key, account_key],
        )


async def waiting_count(connection: Connection, address: str, network: str | None) -> tuple[int, int]:
    """How many devices wait: in all, and those that came from the address, or from its network."""
    cursor = await connection.execute(
        "SELECT count(*), count(*) FILTER (WHERE CASE WHEN %s::cidr IS NULL OR address NOT LIKE '%%:%%'"
        " THEN address = %s ELSE split_part(address, '%%', 1)::inet <<= %s::cidr END)"
        " FROM auth.device_code WHERE ends_at > now() AND decision IS NULL",
        [network, address, network],
    )
    row = await cursor.fetchone()
    return (0, 0) if row is None else (int(row[0]), int(row[1]))


async def waiting_poll(connection: Connection, code_hash: bytes, slower_by_s: int) -> None:
    """The device has asked; it waits longer between two times from now on."""
    await connection.execute(
        "UPDATE auth.device_code SET last_polled_at = now(), interval_s = interval_s + %s WHERE code_hash = %s",
        [slower_by_s, code_hash],
    )


async def waiting_decide(connection: Connection, user_code: str, decision: str, session: Session) -> None:
    """The person of `session` has decided."""
    await connection.execute(
        "UPDATE auth.device_code SET decision = %s, account_key = %s, amr = %s, authenticated_at = %s, factor_at = %s,"
        " upstream_id = (SELECT upstream_id FROM auth.session WHERE session_id = %s) WHERE user_code = %s",
        [decision, session.account_key, session.amr, session.authenticated_at, session.factor_at, session.session_id,
         user_code],
    )  # fmt: skip


async def waiting_open(connection: Connection, code_hash: bytes, session_id: str) -> None:
    """The device gets a session of its own, and its code is gone."""
    await connection.execute(
        "INSERT INTO auth.session (session_id, account_key, kind, client_id, amr, authenticated_at, factor_at, address,"
        " user_agent, last_address, upstream_id, ends_at) SELECT %s, account_key, 'application', client_id, amr,"
        " authenticated_at, factor_at, address, user_agent, address, upstream_id, now() + make_interval(secs => %s)"
        " FROM auth.device_code WHERE code_hash = %s",
        [session_id, APPLICATION_LIFE_S, code_hash],
    )
    await connection.execute("DELETE FROM auth.device_code WHERE code_hash = %s", [code_hash])
