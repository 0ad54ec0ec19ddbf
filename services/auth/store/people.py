"""The SQL of people's accounts, as far as they sign in."""

from datetime import datetime
from typing import Any, Final, LiteralString

from psycopg.rows import class_row, dict_row

from services.auth.records.people import Invitation, Locale, PersonAccount
from shared.database import Connection

_PERSON: Final = (
    "SELECT account_key, login_name, display_name, locale, kind, owner_key, state, is_first_owner, user_handle,"
    " password_hash, password_changed_at, verified_at, created_at, erased_at FROM auth.account"
)
OWN_TABLES: Final = {
    "account": "SELECT account_key, login_name, display_name, locale, kind, state, created_at, verified_at,"
    " password_changed_at FROM auth.account WHERE account_key = %s",
    "sessions": "SELECT session_id, kind, client_id, amr, address, user_agent, created_at, authenticated_at,"
    " last_seen_at, last_address, ends_at, ended_at, ended_because FROM auth.session"
    " WHERE account_key = %s ORDER BY created_at",
    "passkeys": "SELECT name, transports, is_backed_up, created_at, last_used_at FROM auth.passkey"
    " WHERE account_key = %s ORDER BY created_at",
    "time_based_codes": "SELECT confirmed_at FROM auth.totp WHERE account_key = %s",
    "recovery_codes": "SELECT count(*) AS made, count(used_at) AS used FROM auth.recovery_code WHERE account_key = %s",
    "api_keys": "SELECT key_id, name, scopes, created_at, ends_at, ended_at, last_used_at, last_address"
    " FROM auth.api_key WHERE account_key = %s ORDER BY created_at",
    "known_browsers": "SELECT created_at, last_seen_at FROM auth.known_browser WHERE account_key = %s"
    " ORDER BY created_at",
    "consents": "SELECT client_id, scopes, granted_at FROM auth.consent WHERE account_key = %s ORDER BY client_id",
    "upstream": "SELECT provider, subject, created_at FROM auth.upstream_link WHERE account_key = %s ORDER BY provider",
    "upstream_sessions": "SELECT provider, subject, sid, created_at FROM auth.upstream_session WHERE account_key = %s"
    " ORDER BY created_at",
    "service_accounts": "SELECT account_key, login_name, created_at FROM auth.account WHERE owner_key = %s"
    " ORDER BY account_key",
}


async def person_find(connection: Connection, account_key: int) -> PersonAccount | None:
    """The account of that key."""
    return await _person(connection, f"{_PERSON} WHERE account_key = %s", account_key)


async def person_lock_in_txn(connection: Connection, account_key: int) -> PersonAccount | None:
    """The account of that key, its row locked."""
    return await _person(connection, f"{_PERSON} WHERE account_key = %s FOR UPDATE", account_key)


async def person_find_by_login(connection: Connection, login_canonical: str) -> PersonAccount | None:
    """The account of that login name, in its canonical form."""
    return await _person(connection, f"{_PERSON} WHERE login_canonical = %s", login_canonical)


async def person_find_by_handle(connection: Connection, user_handle: str) -> PersonAccount | None:
    """The account whose authenticators know it as `user_handle`."""
    return await _person(connection, f"{_PERSON} WHERE user_handle::text = %s", user_handle)


async def person_is_set_up(connection: Connection, account_key: int) -> bool:
    """Whether anybody can sign in by the account, or nobody ever shall (a service's, one that is not there)."""
    cursor = await connection.execute(
        "SELECT FROM auth.account a WHERE account_key = %s AND kind = 'person' AND password_hash IS NULL"
        " AND NOT EXISTS (SELECT FROM auth.passkey p WHERE p.account_key = a.account_key)"
        " AND NOT EXISTS (SELECT FROM auth.totp t WHERE t.account_key = a.account_key AND t.sealed IS NOT NULL)"
        " AND NOT EXISTS (SELECT FROM auth.upstream_link u WHERE u.account_key = a.account_key)",
        [account_key],
    )
    return await cursor.fetchone() is None


async def person_insert_pending(connection: Connection, login_name: str, login_canonical: str, locale: Locale) -> int:
    """A person who has still to come; returns the key of the account.

    Raises:
        psycopg.errors.UniqueViolation: There is an account of that name.
    """
    cursor = await connection.execute(
        "INSERT INTO auth.account (login_name, login_canonical, state, locale) VALUES (%s, %s, 'pending', %s)"
        " RETURNING account_key",
        [login_name, login_canonical, locale],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("an insert returned no row")
    return int(row[0])


async def person_activate(
    connection: Connection, account_key: int, *, password_hash: str | None, display_name: str, locale: Locale
) -> None:
    """The person has come, and their address is theirs."""
    await connection.execute(
        "UPDATE auth.account SET state = 'active', verified_at = coalesce(verified_at, now()), display_name = %s,"
        " locale = %s, password_hash = %s, password_changed_at = CASE WHEN %s::text IS NULL THEN NULL ELSE now() END"
        " WHERE account_key = %s",
        [display_name, locale, password_hash, password_hash, account_key],
    )


async def person_set_password(connection: Connection, account_key: int, password_hash: str) -> None:
    """Another password, or the first one."""
    await connection.execute(
        "UPDATE auth.account SET password_hash = %s, password_changed_at = now() WHERE account_key = %s",
        [password_hash, account_key],
    )


async def person_rehash(connection: Connection, account_key: int, old: str, new: str) -> None:
    """The same password under today's parameters."""
    await connection.execute(
        "UPDATE auth.account SET password_hash = %s WHERE account_key = %s AND password_hash = %s",
        [new, account_key, old],
    )


async def person_rename(connection: Connection, account_key: int, display_name: str, locale: Locale) -> None:
    """How the person is called, and in which language."""
    await connection.execute(
        "UPDATE auth.account SET display_name = %s, locale = %s WHERE account_key = %s",
        [display_name, locale, account_key],
    )


async def person_set_login(connection: Connection, account_key: int, login_name: str, login_canonical: str) -> None:
    """Another address, which was verified.

    Raises:
        psycopg.errors.UniqueViolation: Somebody has it.
    """
    await connection.execute(
        "UPDATE auth.account SET login_name = %s, login_canonical = %s, verified_at = now() WHERE account_key = %s",
        [login_name, login_canonical, account_key],
    )


async def person_set_state(connection: Connection, account_key: int, state: str, because: str | None) -> None:
    """Disable the account, or enable it."""
    await connection.execute(
        "UPDATE auth.account SET state = %s, disabled_because = %s,"
        " disabled_at = CASE WHEN %s = 'disabled' THEN now() END WHERE account_key = %s",
        [state, because, state, account_key],
    )


async def person_list_invited(connection: Connection) -> list[Invitation]:
    """Who is invited and has not come yet."""
    async with connection.cursor(row_factory=class_row(Invitation)) as cursor:
        await cursor.execute(
            "SELECT a.account_key, a.login_name AS address, max(l.created_at) AS invited_at, max(l.ends_at) AS ends_at"
            " FROM auth.account a JOIN auth.link l USING (account_key)"
            " WHERE a.state = 'pending' AND l.purpose = 'invitation' AND l.used_at IS NULL AND a.erased_at IS NULL"
            " GROUP BY a.account_key ORDER BY a.account_key"
        )
        return await cursor.fetchall()


async def person_list_lapsed(connection: Connection, limit: int) -> list[int]:
    """Accounts whose persons never came, and whose links have ended."""
    cursor = await connection.execute(
        "SELECT account_key FROM auth.account a WHERE state = 'pending' AND erased_at IS NULL AND NOT EXISTS"
        " (SELECT FROM auth.link l WHERE l.account_key = a.account_key AND l.ends_at > now() AND l.used_at IS NULL)"
        " ORDER BY account_key LIMIT %s",
        [limit],
    )
    return [int(row[0]) for row in await cursor.fetchall()]


async def person_data(connection: Connection, account_key: int) -> tuple[datetime, dict[str, Any]]:
    """When it is, and everything that is held of the person, by table; nothing that opens anything."""
    found: dict[str, Any] = {}
    async with connection.cursor(row_factory=dict_row) as cursor:
        for name, query in OWN_TABLES.items():
            await cursor.execute(query.encode(), [account_key])
            found[name] = await cursor.fetchall()
        await cursor.execute("SELECT now() AS now")
        row = await cursor.fetchone()
    if row is None:
        raise LookupError("the clock returned no row")
    return row["now"], found


async def _person(connection: Connection, query: LiteralString, value: int | str) -> PersonAccount | None:
    async with connection.cursor(row_factory=class_row(PersonAccount)) as cursor:
        await cursor.execute(query, [value])
        return await cursor.fetchone()
