"""The SQL of second factors."""

from typing import Final

from psycopg.rows import class_row

from services.auth.records.factors import PENDING_LIFE_S, Passkey, Totp
from shared.database import Connection

_PASSKEY: Final = (
    "credential_id, account_key, public_key, sign_count, name, transports, is_backed_up, created_at, last_used_at"
)


async def totp_lock_in_txn(connection: Connection, account_key: int) -> Totp | None:
    """The person's time-based codes, the row locked; a secret that waited too long is no longer there."""
    async with connection.cursor(row_factory=class_row(Totp)) as cursor:
        await cursor.execute(
            "SELECT account_key, sealed, last_step,"
            " CASE WHEN pending_until > now() THEN pending_sealed END AS pending_sealed"
            " FROM auth.totp WHERE account_key = %s FOR UPDATE",
            [account_key],
        )
        return await cursor.fetchone()


async def totp_offer(connection: Connection, account_key: int, pending_sealed: bytes) -> None:
    """A secret that waits for its first code, beside the one in use."""
    await connection.execute(
        "INSERT INTO auth.totp (account_key, pending_sealed, pending_until)"
        " VALUES (%s, %s, now() + make_interval(secs => %s)) ON CONFLICT (account_key) DO UPDATE"
        " SET pending_sealed = excluded.pending_sealed, pending_until = excluded.pending_until",
        [account_key, pending_sealed, PENDING_LIFE_S],
    )


async def totp_confirm(connection: Connection, account_key: int, sealed: bytes, step: int) -> None:
    """The secret is in use; the step of its first code is spent."""
    await connection.execute(
        "UPDATE auth.totp SET sealed = %s, last_step = %s, confirmed_at = now(), pending_sealed = NULL,"
        " pending_until = NULL WHERE account_key = %s",
        [sealed, step, account_key],
    )


async def totp_spend(connection: Connection, account_key: int, step: int) -> bool:
    """Spend a time step; False where it, or a later one, was spent before."""
    cursor = await connection.execute(
        "UPDATE auth.totp SET last_step = %s WHERE account_key = %s AND last_step < %s RETURNING account_key",
        [step, account_key, step],
    )
    return await cursor.fetchone() is not None


async def totp_delete(connection: Connection, account_key: int) -> bool:
    """No time-based codes any more; False where there were none in use."""
    cursor = await connection.execute("DELETE FROM auth.totp WHERE account_key = %s RETURNING sealed", [account_key])
    row = await cursor.fetchone()
    return row is not None and row[0] is not None


async def totp_is_there(connection: Connection, account_key: int) -> bool:
    """Whether the person has time-based codes in use."""
    cursor = await connection.execute(
        "SELECT FROM auth.totp WHERE account_key = %s AND sealed IS NOT NULL", [account_key]
    )
    return await cursor.fetchone() is not None


async def recovery_code_replace_all(connection: Connection, account_key: int, hashes: list[bytes]) -> None:
    """These are the person's recovery codes; whatever was before opens nothing."""
    await connection.execute("DELETE FROM auth.recovery_code WHERE account_key = %s", [account_key])
    await connection.execute(
        "INSERT INTO auth.recovery_code (account_key, code_hash) SELECT %s, unnest(%s::bytea[])", [account_key, hashes]
    )


async def recovery_code_spend(connection: Connection, account_key: int, code_hash: bytes) -> bool:
    """Spend a recovery code; False where it is none, or was used before."""
    cursor = await connection.execute(
        "UPDATE auth.recovery_code SET used_at = now() WHERE account_key = %s AND code_hash = %s AND used_at IS NULL"
        " RETURNING account_key",
        [account_key, code_hash],
    )
    return await cursor.fetchone() is not None


async def recovery_code_count(connection: Connection, account_key: int) -> int:
    """How many are left."""
    cursor = await connection.execute(
        "SELECT count(*) FROM auth.recovery_code WHERE account_key = %s AND used_at IS NULL", [account_key]
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def passkey_insert(connection: Connection, passkey: Passkey) -> None:
    """A new passkey.

    Raises:
        psycopg.errors.UniqueViolation: It belongs to somebody already.
    """
    await connection.execute(
        "INSERT INTO auth.passkey (credential_id, account_key, public_key, sign_count, name, transports, is_backed_up)"
        " VALUES (%s, %s, %s, %s, %s, %s, %s)",
        [passkey.credential_id, passkey.account_key, passkey.public_key, passkey.sign_count, passkey.name,
         passkey.transports, passkey.is_backed_up],
    )  # fmt: skip


async def passkey_list(connection: Connection, account_key: int) -> list[Passkey]:
    """The person's passkeys, the oldest first."""
    async with connection.cursor(row_factory=class_row(Passkey)) as cursor:
        await cursor.execute(
            f"SELECT {_PASSKEY} FROM auth.passkey WHERE account_key = %s ORDER BY created_at, credential_id",  # noqa: S608
            [account_key],
        )
        return await cursor.fetchall()


async def passkey_lock_in_txn(connection: Connection, credential_id: bytes) -> Passkey | None:
    """The passkey of that id, its row locked."""
    async with connection.cursor(row_factory=class_row(Passkey)) as cursor:
        await cursor.execute(
            f"SELECT {_PASSKEY} FROM auth.passkey WHERE credential_id = %s FOR UPDATE",  # noqa: S608
            [credential_id],
        )
        return await cursor.fetchone()


async def passkey_use(connection: Connection, credential_id: bytes, sign_count: int, *, is_backed_up: bool) -> None:
    """It was used; its counter stands where the authenticator says."""
    await connection.execute(
        "UPDATE auth.passkey SET sign_count = %s, is_backed_up = %s, last_used_at = now() WHERE credential_id = %s",
        [sign_count, is_backed_up, credential_id],
    )


async def passkey_rename(connection: Connection, account_key: int, credential_id: bytes, name: str) -> bool:
    """Call it so; False where the person has none of that id."""
    cursor = await connection.execute(
        "UPDATE auth.passkey SET name = %s WHERE account_key = %s AND credential_id = %s RETURNING account_key",
        [name, account_key, credential_id],
    )
    return await cursor.fetchone() is not None


async def passkey_delete(connection: Connection, account_key: int, credential_id: bytes) -> bool:
    """It opens nothing any more; False where the person has none of that id."""
    cursor = await connection.execute(
        "DELETE FROM auth.passkey WHERE account_key = %s AND credential_id = %s RETURNING account_key",
        [account_key, credential_id],
    )
    return await cursor.fetchone() is not None


async def factor_delete_all(connection: Connection, account_key: int) -> None:
    """Leave nothing of an erased person's factors."""
    await connection.execute("DELETE FROM auth.totp WHERE account_key = %s", [account_key])
    await connection.execute("DELETE FROM auth.recovery_code WHERE account_key = %s", [account_key])
    await connection.execute("DELETE FROM auth.passkey WHERE account_key = %s", [account_key])
