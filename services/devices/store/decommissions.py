"""The SQL of devices that are put out of service."""

from typing import Any, Final
from uuid import UUID

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.devices.records.decommissions import Decommission
from shared.database import Connection

_SELECT: Final = (
    "SELECT device_key, certificate_id, project_key, account_key, begun_at, certificate FROM devices.decommission"
)


async def decommission_insert(
    connection: Connection, device_key: int, certificate_id: UUID, *, project_key: int, account_key: int
) -> None:
    """The device is being put out of service, as the person of that account wishes."""
    await connection.execute(
        "INSERT INTO devices.decommission (device_key, certificate_id, project_key, account_key)"
        " VALUES (%s, %s, %s, %s)",
        [device_key, certificate_id, project_key, account_key],
    )


async def decommission_find(connection: Connection, device_key: int) -> Decommission | None:
    """How far the device is put out of service; None where nobody wishes that."""
    async with connection.cursor(row_factory=class_row(Decommission)) as cursor:
        await cursor.execute(f"{_SELECT} WHERE device_key = %s".encode(), [device_key])
        return await cursor.fetchone()


async def decommission_certify(connection: Connection, device_key: int, certificate: dict[str, Any]) -> None:
    """The device is out of service, which this certifies."""
    await connection.execute(
        "UPDATE devices.decommission SET certificate = %s WHERE device_key = %s", [Jsonb(certificate), device_key]
    )


async def decommission_list(connection: Connection, project_key: int, *, after: int, limit: int) -> list[Decommission]:
    """At most `limit` devices of the project that are out of service, with keys above `after`, in their order."""
    async with connection.cursor(row_factory=class_row(Decommission)) as cursor:
        await cursor.execute(
            f"{_SELECT} WHERE project_key = %s AND certificate IS NOT NULL AND device_key > %s"
            " ORDER BY device_key LIMIT %s".encode(),
            [project_key, after, limit],
        )
        return await cursor.fetchall()
