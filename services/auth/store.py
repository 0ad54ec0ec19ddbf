"""The SQL of auth, one statement a function."""

from datetime import datetime, timedelta
from typing import Final, LiteralString
from uuid import UUID

from psycopg import sql
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.auth.records import (
    DATA_KEY_LIFE,
    ERASED_KEY_NAME,
    EVERYTHING,
    FIRST_KEY_LIFE,
    FIRST_KEY_NAME,
    USE_RESOLUTION,
    Account,
    ApiKey,
    AssertionKey,
    DeviceCredential,
    SealedRow,
)
from shared.database import Connection
from shared.secrets import WrappedKey

START_LOCK: Final = 0x41555448  # "AUTH": one process at a time makes what the first start makes
SEALED_COLUMNS: Final = (
    # table, primary key, column, and the place of a value there: the context it was sealed for, as SQL
    ("device_credential", "device_key", "secret", "'auth.device_credential/' || device_key || '/secret'"),
    ("device_credential", "device_key", "app_cred_key", "'auth.device_credential/' || device_key || '/app_cred_key'"),
    ("person_key", "account_key", "sealed", "'auth.person_key/' || account_key"),
    ("assertion_key", "key_id", "sealed", "'auth.assertion_key/' || key_id"),
)
FOLLOWED_UP_FOR: Final = timedelta(hours=1)
_ACCOUNT: Final = "SELECT account_key, login_name, state, erased_at FROM auth.account"
_CREDENTIAL: Final = (
    "device_key, project_key, serial_number, state, flash_id, secret, app_cred_key, tunnel_proof_digest"
)


async def start_lock_in_txn(connection: Connection) -> None:
    """Wait until no other process is making first things; held to the end of the transaction."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s)", [START_LOCK])


async def data_key_list(connection: Connection) -> list[WrappedKey]:
    """Every data key, oldest first."""
    async with connection.cursor(row_factory=class_row(WrappedKey)) as cursor:
        await cursor.execute("SELECT key_id, master_key_id, wrapped FROM auth.data_key ORDER BY created_at, key_id")
        return await cursor.fetchall()


async def data_key_upsert(connection: Connection, key: WrappedKey) -> None:
    """Keep `key`, new or rewrapped."""
    await connection.execute(
        "INSERT INTO auth.data_key (key_id, master_key_id, wrapped) VALUES (%s, %s, %s)"
        " ON CONFLICT (key_id) DO UPDATE SET master_key_id = excluded.master_key_id, wrapped = excluded.wrapped",
        [key.key_id, key.master_key_id, key.wrapped],
    )


async def data_key_is_due(connection: Connection) -> bool:
    """Whether the newest data key has served its time."""
    cursor = await connection.execute(
        "SELECT coalesce(max(created_at) < now() - %s, true) FROM auth.data_key", [DATA_KEY_LIFE]
    )
    row = await cursor.fetchone()
    return row is None or bool(row[0])


async def sealed_lock_in_txn(connection: Connection, header: bytes, *, limit: int) -> list[SealedRow]:
    """At most `limit` sealed values that do not begin with `header`, their rows locked; `place` is their context."""
    rows: list[SealedRow] = []
    for table, key, column, place in SEALED_COLUMNS:
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
        " state = 'disabled', erased_at = now() WHERE account_key = %s RETURNING erased_at",
        [account_key],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("an update of a locked row returned no row")
    erased_at: datetime = row[0]
    return erased_at


async def account_list_erased(connection: Connection, account_keys: list[int]) -> list[int]:
    """Those of `account_keys` whose accounts are erased."""
    cursor = await connection.execute(
        "SELECT account_key FROM auth.account WHERE account_key = ANY (%s) AND erased_at IS NOT NULL"
        " ORDER BY account_key",
        [account_keys],
    )
    return [int(row[0]) for row in await cursor.fetchall()]


async def account_list_erased_lately(connection: Connection) -> list[int]:
    """The accounts that were erased within the last hour."""
    cursor = await connection.execute(
        "SELECT account_key FROM auth.account WHERE erased_at > now() - %s ORDER BY erased_at", [FOLLOWED_UP_FOR]
    )
    return [int(row[0]) for row in await cursor.fetchall()]


async def account_insert(connection: Connection, login_name: str, login_canonical: str) -> int:
    """A new active account; returns its key."""
    cursor = await connection.execute(
        "INSERT INTO auth.account (login_name, login_canonical, state) VALUES (%s, %s, 'active') RETURNING account_key",
        [login_name, login_canonical],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("an insert returned no row")
    return int(row[0])


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


async def device_credential_find(connection: Connection, device_key: int) -> DeviceCredential | None:
    """The credential of that device, ended or not."""
    async with connection.cursor(row_factory=class_row(DeviceCredential)) as cursor:
        await cursor.execute(
            f"SELECT {_CREDENTIAL} FROM auth.device_credential WHERE device_key = %s",  # noqa: S608 - a constant
            [device_key],
        )
        return await cursor.fetchone()


async def device_credential_upsert(connection: Connection, credential: DeviceCredential) -> None:
    """Make `credential` the device's one; whatever it had before is gone."""
    await connection.execute(
        f"INSERT INTO auth.device_credential ({_CREDENTIAL}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s)"  # noqa: S608
        " ON CONFLICT (device_key) DO UPDATE SET project_key = excluded.project_key, state = excluded.state,"
        " flash_id = excluded.flash_id, secret = excluded.secret, app_cred_key = excluded.app_cred_key,"
        " tunnel_proof_digest = excluded.tunnel_proof_digest, issued_at = now(), ended_at = NULL",
        [
            credential.device_key,
            credential.project_key,
            credential.serial_number,
            credential.state,
            credential.flash_id,
            credential.secret,
            credential.app_cred_key,
            credential.tunnel_proof_digest,
        ],
    )


async def device_credential_lock_in_txn(connection: Connection, device_key: int) -> None:
    """Let no two transactions change one device's credential at once, whether or not there is one yet."""
    await connection.execute("SELECT pg_advisory_xact_lock(%s, hashint8(%s))", [START_LOCK, device_key])


async def device_credential_end(connection: Connection, device_key: int) -> UUID | None:
    """End the device's credential; returns the id of the flash it came from, None where there was none alive."""
    cursor = await connection.execute(
        "UPDATE auth.device_credential SET state = 'ended', ended_at = now()"
        " WHERE device_key = %s AND state = 'active' RETURNING flash_id",
        [device_key],
    )
    row = await cursor.fetchone()
    return None if row is None else row[0]


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


async def _account(connection: Connection, query: LiteralString, value: int | str) -> Account | None:
    async with connection.cursor(row_factory=class_row(Account)) as cursor:
        await cursor.execute(query, [value])
        return await cursor.fetchone()
