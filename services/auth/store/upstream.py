"""The SQL of other providers: links, requests that are on their way, sign-ins that came by them."""

from psycopg.rows import class_row

from services.auth.records.upstream import (
    OFFER_LIFE_S,
    REQUEST_LIFE_S,
    DueCheck,
    Offer,
    UpstreamLink,
    UpstreamRequest,
)
from shared.database import Connection


async def upstream_link_find(connection: Connection, provider: str, subject: str) -> UpstreamLink | None:
    """Whose account the subject opens."""
    async with connection.cursor(row_factory=class_row(UpstreamLink)) as cursor:
        await cursor.execute(
            "SELECT provider, subject, account_key, created_at FROM auth.upstream_link"
            " WHERE provider = %s AND subject = %s",
            [provider, subject],
        )
        return await cursor.fetchone()


async def upstream_link_list(connection: Connection, account_key: int) -> list[UpstreamLink]:
    """By which subjects the person signs in."""
    async with connection.cursor(row_factory=class_row(UpstreamLink)) as cursor:
        await cursor.execute(
            "SELECT provider, subject, account_key, created_at FROM auth.upstream_link WHERE account_key = %s"
            " ORDER BY provider, subject",
            [account_key],
        )
        return await cursor.fetchall()


async def upstream_link_insert(connection: Connection, provider: str, subject: str, account_key: int) -> None:
    """The subject opens the account from now on.

    Raises:
        psycopg.errors.UniqueViolation: It opens one already.
    """
    await connection.execute(
        "INSERT INTO auth.upstream_link (provider, subject, account_key) VALUES (%s, %s, %s)",
        [provider, subject, account_key],
    )


async def upstream_link_delete(connection: Connection, account_key: int, provider: str) -> bool:
    """No subject of the provider opens the account; False where none did."""
    cursor = await connection.execute(
        "DELETE FROM auth.upstream_link WHERE account_key = %s AND provider = %s RETURNING subject",
        [account_key, provider],
    )
    return await cursor.fetchone() is not None


async def upstream_request_insert(
    connection: Connection,
    state_hash: bytes,
    browser_hash: bytes,
    *,
    provider: str,
    purpose: str,
    nonce: str,
    code_verifier: str,
    return_to: str,
    session_id: str | None,
) -> None:
    """A request sets out; those that never came back are swept."""
    await connection.execute("DELETE FROM auth.upstream_request WHERE ends_at < now()")
    await connection.execute(
        "INSERT INTO auth.upstream_request (state_hash, browser_hash, provider, purpose, nonce, code_verifier,"
        " return_to, session_id, ends_at) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s))",
        [state_hash, browser_hash, provider, purpose, nonce, code_verifier, return_to, session_id, REQUEST_LIFE_S],
    )


async def upstream_request_take(
    connection: Connection, state_hash: bytes, browser_hash: bytes, provider: str
) -> UpstreamRequest | None:
    """The request, which comes back once: to the browser that it set out from, from the provider that it went to."""
    async with connection.cursor(row_factory=class_row(UpstreamRequest)) as cursor:
        await cursor.execute(
            "DELETE FROM auth.upstream_request WHERE state_hash = %s AND browser_hash = %s AND provider = %s"
            " AND ends_at > now()"
            " RETURNING provider, purpose, nonce, code_verifier, return_to, session_id, created_at",
            [state_hash, browser_hash, provider],
        )
        return await cursor.fetchone()


async def upstream_offer_insert(connection: Connection, offer_hash: bytes, offer: Offer) -> None:
    """A link waits for its person; those that waited in vain are swept."""
    await connection.execute("DELETE FROM auth.upstream_offer WHERE ends_at < now()")
    await connection.execute(
        "INSERT INTO auth.upstream_offer (offer_hash, provider, subject, account_key, ends_at)"
        " VALUES (%s, %s, %s, %s, now() + make_interval(secs => %s))",
        [offer_hash, offer.provider, offer.subject, offer.account_key, OFFER_LIFE_S],
    )


async def upstream_offer_find(connection: Connection, offer_hash: bytes) -> Offer | None:
    """The link that waits, if it still does."""
    async with connection.cursor(row_factory=class_row(Offer)) as cursor:
        await cursor.execute(
            "SELECT provider, subject, account_key FROM auth.upstream_offer WHERE offer_hash = %s AND ends_at > now()",
            [offer_hash],
        )
        return await cursor.fetchone()


async def upstream_offer_delete(connection: Connection, offer_hash: bytes) -> bool:
    """It waits no longer; of two at once one finds it."""
    cursor = await connection.execute(
        "DELETE FROM auth.upstream_offer WHERE offer_hash = %s RETURNING provider", [offer_hash]
    )
    return await cursor.fetchone() is not None


async def upstream_session_insert(
    connection: Connection,
    upstream_id: str,
    *,
    provider: str,
    subject: str,
    sid: str | None,
    account_key: int,
    sealed: bytes | None,
    life_s: float,
    pause_s: float,
) -> None:
    """Somebody came by the provider; what it said counts for `life_s`, and is asked for again after `pause_s`."""
    await connection.execute(
        "INSERT INTO auth.upstream_session (upstream_id, provider, subject, sid, account_key, sealed, counts_until,"
        " next_check_at) VALUES (%s, %s, %s, %s, %s, %s, now() + make_interval(secs => %s),"
        " now() + make_interval(secs => %s))",
        [upstream_id, provider, subject, sid, account_key, sealed, life_s, pause_s],
    )


async def upstream_session_take(connection: Connection, pause_s: float) -> DueCheck | None:
    """One sign-in that must be confirmed now and from which a session lives; it is due again in `pause_s`."""
    async with connection.cursor(row_factory=class_row(DueCheck)) as cursor:
        await cursor.execute(
            "UPDATE auth.upstream_session SET next_check_at = now() + make_interval(secs => %s) WHERE upstream_id ="
            " (SELECT upstream_id FROM auth.upstream_session u WHERE next_check_at <= now() AND sealed IS NOT NULL"
            " AND EXISTS (SELECT FROM auth.session s WHERE s.upstream_id = u.upstream_id AND s.ended_at IS NULL"
            " AND s.ends_at > now()) ORDER BY next_check_at LIMIT 1 FOR UPDATE SKIP LOCKED)"
            " RETURNING upstream_id, provider, subject, account_key, sealed",
            [pause_s],
        )
        return await cursor.fetchone()


async def upstream_session_confirm(connection: Connection, upstream_id: str, sealed: bytes, life_s: float) -> None:
    """The provider still says so, for `life_s` more; `sealed` is asked with the next time."""
    await connection.execute(
        "UPDATE auth.upstream_session SET sealed = %s, counts_until = now() + make_interval(secs => %s)"
        " WHERE upstream_id = %s",
        [sealed, life_s, upstream_id],
    )


async def upstream_session_list_lapsed(connection: Connection) -> list[str]:
    """Sign-ins that count no longer."""
    cursor = await connection.execute(
        "SELECT upstream_id FROM auth.upstream_session WHERE counts_until <= now() ORDER BY upstream_id LIMIT 500"
    )
    return [str(row[0]) for row in await cursor.fetchall()]


async def upstream_session_list(
    connection: Connection, provider: str, subject: str | None, sid: str | None
) -> list[str]:
    """Sign-ins by the provider: of its session `sid`, or all of the subject's where it names no session."""
    cursor = await connection.execute(
        "SELECT upstream_id FROM auth.upstream_session WHERE provider = %s AND (%s::text IS NULL OR subject = %s)"
        " AND (%s::text IS NULL OR sid = %s) ORDER BY upstream_id",
        [provider, subject, subject, sid, sid],
    )
    return [str(row[0]) for row in await cursor.fetchall()]


async def upstream_session_list_of_account(connection: Connection, provider: str, account_key: int) -> list[str]:
    """Sign-ins of the account by the provider."""
    cursor = await connection.execute(
        "SELECT upstream_id FROM auth.upstream_session WHERE provider = %s AND account_key = %s ORDER BY upstream_id",
        [provider, account_key],
    )
    return [str(row[0]) for row in await cursor.fetchall()]


async def session_list_of_upstream(connection: Connection, upstream_id: str) -> list[tuple[str, int]]:
    """The sessions that live from the sign-in, each with its account."""
    cursor = await connection.execute(
        "SELECT session_id, account_key FROM auth.session WHERE upstream_id = %s AND ended_at IS NULL"
        " ORDER BY session_id",
        [upstream_id],
    )
    return [(str(row[0]), int(row[1])) for row in await cursor.fetchall()]


async def upstream_session_delete(connection: Connection, upstream_id: str) -> None:
    """Nothing lives from the sign-in any more; what was half done by it is over."""
    await connection.execute("DELETE FROM auth.upstream_session WHERE upstream_id = %s", [upstream_id])


async def upstream_sweep(connection: Connection) -> None:
    """Forget sign-ins from which nothing lives, and logout tokens that would be too old by now."""
    await connection.execute(
        "DELETE FROM auth.upstream_session u WHERE created_at < now() - interval '1 hour' AND NOT EXISTS"
        " (SELECT FROM auth.session s WHERE s.upstream_id = u.upstream_id AND s.ended_at IS NULL)"
    )
    await connection.execute("DELETE FROM auth.upstream_logout WHERE ends_at < now()")


async def upstream_logout_spend(connection: Connection, provider: str, jti_hash: bytes, life_s: float) -> bool:
    """Take a logout token; False where it was taken before."""
    cursor = await connection.execute(
        "INSERT INTO auth.upstream_logout (provider, jti_hash, ends_at) VALUES (%s, %s, now() +"
        " make_interval(secs => %s)) ON CONFLICT (provider, jti_hash) DO NOTHING RETURNING provider",
        [provider, jti_hash, life_s],
    )
    return await cursor.fetchone() is not None
