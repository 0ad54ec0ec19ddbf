"""The SQL of devices' credentials."""

from typing import Final
from uuid import UUID

from psycopg.rows import class_row

from services.auth.records.devices import DeviceCredential
from services.auth.store.sealing import START_LOCK
from shared.database import Connection

_CREDENTIAL: Final = (
    "device_key, project_key, serial_number, state, flash_id, secret, app_cred_key, tunnel_proof_digest,"
    " moved_from, move_revision"
)


async def device_credential_find(connection: Connection, device_key: int) -> DeviceCredential | None:
    """The credential of that device, ended or not."""
    async with connection.cursor(row_factory=class_row(DeviceCredential)) as cursor:
        await cursor.execute(
            f"SELECT {_CREDENTIAL} FROM auth.device_credential WHERE device_key = %s",  # noqa: S608 - a constant
            [device_key],
        )
        return await cursor.fetchone()


async def device_credential_find_by_proof(connection: Connection, digest: bytes) -> DeviceCredential | None:
    """The credential with that digest of a tunnel proof, ended or not."""
    async with connection.cursor(row_factory=class_row(DeviceCredential)) as cursor:
        await cursor.execute(
            f"SELECT {_CREDENTIAL} FROM auth.device_credential WHERE tunnel_proof_digest = %s",  # noqa: S608
            [digest],
        )
        return await cursor.fetchone()


async def device_credential_upsert(connection: Connection, credential: DeviceCredential) -> None:
    """Make `credential` the device's one; whatever it had before is gone."""
    await connection.execute(
        f"INSERT INTO auth.device_credential ({_CREDENTIAL}) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)"  # noqa: S608
        " ON CONFLICT (device_key) DO UPDATE SET project_key = excluded.project_key, state = excluded.state,"
        " flash_id = excluded.flash_id, secret = excluded.secret, app_cred_key = excluded.app_cred_key,"
        " tunnel_proof_digest = excluded.tunnel_proof_digest, moved_from = NULL, move_revision = 0,"
        " issued_at = now(), ended_at = NULL",
        [
            credential.device_key,
            credential.project_key,
            credential.serial_number,
            credential.state,
            credential.flash_id,
            credential.secret,
            credential.app_cred_key,
            credential.tunnel_proof_digest,
            credential.moved_from,
            credential.move_revision,
        ],
    )


async def device_credential_move(
    connection: Connection, device_key: int, project_key: int, moved_from: int | None, *, revision: int
) -> None:
    """The device is in that project, and may come under the name that it had in `moved_from`."""
    await connection.execute(
        "UPDATE auth.device_credential SET project_key = %s, moved_from = %s, move_revision = %s WHERE device_key = %s",
        [project_key, moved_from, revision, device_key],
    )


async def device_credential_set_app_cred_key(connection: Connection, device_key: int, app_cred_key: bytes) -> None:
    """Credentials of the device's apps come from this key from now on."""
    await connection.execute(
        "UPDATE auth.device_credential SET app_cred_key = %s WHERE device_key = %s", [app_cred_key, device_key]
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
