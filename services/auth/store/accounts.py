"""The SQL of accounts."""

from datetime import datetime, timedelta
from typing import Final, LiteralString

from psycopg.rows import class_row

from services.auth.records.accounts import Account, NamedAccount
from shared.database import Connection

FOLLOWED_UP_FOR: Final = timedelta(hours=1)


_ACCOUNT: Final = "SELECT account_key, login_name, state, erased_at FROM auth.account"


async def account_count(connection: Connection) -> int:
    """How many accounts there are."""
    cursor = await connection.execute("SELECT count(*) FROM auth.account")
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def account_find(connection: Connection, account_key: int) -> Account | None:
    """The account of that key."""
    return await _account(connection, f"{_ACCOUNT} WHERE account_key = %s", account_key)


async def account_lock_in_txn(connection: Connection, account_key: int) -> Account | None:
    """The account of that key, its row locked until the transaction ends."""
    return await _account(connection, f"{_ACCOUNT} WHERE account_key = %s FOR UPDATE", account_key)


async def account_find_by_login(connection: Connection, login_canonical: str) -> Account | None:
    """The account of that login name, in its canonical form."""
    return await _account(connection, f"{_ACCOUNT} WHERE login_canonical = %s", login_canonical)


async def account_erase(connection: Connection, account_key: int) -> datetime:
    """Leave nothing of the person in the account's row; returns when that was."""
    cursor = await connection.execute(
        "UPDATE auth.account SET login_name = 'erased-' || account_key, login_canonical = 'erased-' || account_key,"
        " state = 'disabled', erased_at = now(), display_name = '', password_hash = NULL, password_changed_at = NULL,"
        " verified_at = NULL, disabled_because = NULL, user_handle = gen_random_uuid()"
        " WHERE account_key = %s RETURNING erased_at",
        [account_key],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("an update of a locked row returned no row")
    erased_at: datetime = row[0]
    return erased_at


async def account_delete_ties(connection: Connection, account_key: int) -> None:
    """No consent and no other provider's name of an erased person stays."""
    await connection.execute("DELETE FROM auth.consent WHERE account_key = %s", [account_key])
    await connection.execute("DELETE FROM auth.upstream_link WHERE account_key = %s", [account_key])
    await connection.execute("DELETE FROM auth.upstream_offer WHERE account_key = %s", [account_key])
    await connection.execute("DELETE FROM auth.upstream_session WHERE account_key = %s", [account_key])


async def account_list_erased(connection: Connection, account_keys: list[int]) -> list[int]:
    """Those of `account_keys` whose accounts are erased."""
    cursor = await connection.execute(
        "SELECT account_key FROM auth.account WHERE account_key = ANY (%s) AND erased_at IS NOT NULL"
        " ORDER BY account_key",
        [account_keys],
    )
    return [int(row[0]) for row in await cursor.fetchall()]


async def account_list_named(
    connection: Connection, account_keys: list[int], login_canonicals: list[str]
) -> list[NamedAccount]:
    """The accounts of these keys, and those of these login names in their canonical forms."""
    async with connection.cursor(row_factory=class_row(NamedAccount)) as cursor:
        await cursor.execute(
            "SELECT account_key, login_name, login_canonical, state <> 'pending' AND erased_at IS NULL AS is_here"
            " FROM auth.account WHERE account_key = ANY (%s) OR login_canonical = ANY (%s)",
            [account_keys, login_canonicals],
        )
        return await cursor.fetchall()


async def account_find_first_owner(connection: Connection) -> int | None:
    """The key of the first owner's account, unless it is erased."""
    cursor = await connection.execute(
        "SELECT account_key FROM auth.account WHERE is_first_owner AND erased_at IS NULL ORDER BY account_key LIMIT 1"
    )
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


async def account_owner(connection: Connection, account_key: int) -> int | None:
    """Whose service account that is; None where it is none."""
    cursor = await connection.execute("SELECT owner_key FROM auth.account WHERE account_key = %s", [account_key])
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def account_list_owned(connection: Connection, owner_keys: list[int]) -> list[int]:
    """The keys of the service accounts of these people."""
    cursor = await connection.execute(
        "SELECT account_key FROM auth.account WHERE owner_key = ANY (%s) AND erased_at IS NULL ORDER BY account_key",
        [owner_keys],
    )
    return [int(row[0]) for row in await cursor.fetchall()]


async def account_list_shut_out_lately(connection: Connection) -> list[tuple[int, bool]]:
    """The accounts that were erased or disabled (or whose owner was) within the last hour; whether they were erased."""
    cursor = await connection.execute(
        "SELECT a.account_key, a.erased_at IS NOT NULL FROM auth.account a"
        " LEFT JOIN auth.account o ON o.account_key = a.owner_key WHERE a.erased_at > now() - %s"
        " OR coalesce(o.disabled_at, a.disabled_at) > now() - %s ORDER BY a.account_key",
        [FOLLOWED_UP_FOR, FOLLOWED_UP_FOR],
    )
    return [(int(row[0]), bool(row[1])) for row in await cursor.fetchall()]


async def account_list_shut_out(connection: Connection, *, after: int, limit: int) -> list[int]:
    """At most `limit` accounts that are erased or disabled (or whose owner is), whenever it was, behind `after`."""
    cursor = await connection.execute(
        "SELECT a.account_key FROM auth.account a LEFT JOIN auth.account o ON o.account_key = a.owner_key"
        " WHERE a.account_key > %s AND (a.erased_at IS NOT NULL OR a.state = 'disabled' OR o.state = 'disabled')"
        " ORDER BY a.account_key LIMIT %s",
        [after, limit],
    )
    return [int(row[0]) for row in await cursor.fetchall()]


async def account_insert_first(connection: Connection, login_name: str, login_canonical: str) -> int:
    """The first owner's account; returns its key."""
    cursor = await connection.execute(
        "INSERT INTO auth.account (login_name, login_canonical, state, is_first_owner)"
        " VALUES (%s, %s, 'active', true) RETURNING account_key",
        [login_name, login_canonical],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("an insert returned no row")
    return int(row[0])


async def _account(connection: Connection, query: LiteralString, value: int | str) -> Account | None:
    async with connection.cursor(row_factory=class_row(Account)) as cursor:
        await cursor.execute(query, [value])
        return await cursor.fetchone()
