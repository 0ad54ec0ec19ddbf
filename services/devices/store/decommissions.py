"""The SQL of devices that are put out of service."""

from collections.abc import Iterable
from typing import Any, Final
from uuid import UUID

from attrs import asdict
from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.devices.records.decommissions import Data, Decommission, ErasedTable, Obstacle
from shared.database import Connection

_COLUMNS: Final = (
    "device_key, certificate_id, project_key, account_key, begun_at, data, certificate, draft, round, erased, obstacles"
)
_SELECT: Final = f"SELECT {_COLUMNS} FROM devices.decommission"  # noqa: S608 - constant


async def decommission_insert(
    connection: Connection, device_key: int, certificate_id: UUID, *, project_key: int, account_key: int, data: Data
) -> None:
    """The device is being put out of service, as the person of that account wishes."""
    await connection.execute(
        "INSERT INTO devices.decommission (device_key, certificate_id, project_key, account_key, data)"
        " VALUES (%s, %s, %s, %s, %s)",
        [device_key, certificate_id, project_key, account_key, data],
    )


async def decommission_find(connection: Connection, device_key: int) -> Decommission | None:
    """How far the device is put out of service; None where nobody wishes that."""
    async with connection.cursor(row_factory=class_row(Decommission)) as cursor:
        await cursor.execute(f"{_SELECT} WHERE device_key = %s".encode(), [device_key])
        return await cursor.fetchone()


async def decommission_certify(connection: Connection, device_key: int, certificate: dict[str, Any]) -> None:
    """The device is out of service, which this certifies."""
    await connection.execute(
        "UPDATE devices.decommission SET certificate = %s, obstacles = '[]' WHERE device_key = %s",
        [Jsonb(certificate), device_key],
    )


async def decommission_draft(connection: Connection, device_key: int, draft: dict[str, Any]) -> None:
    """The device is out of service; what it wrote is to go, and is looked for from now on."""
    await connection.execute(
        "UPDATE devices.decommission SET draft = %s, due_at = clock_timestamp() WHERE device_key = %s",
        [Jsonb(draft), device_key],
    )


async def erasure_take(connection: Connection, *, lease_s: float) -> Decommission | None:
    """A device whose rows are to go and which is due; nobody else takes it for so long, unless it is put back."""
    async with connection.cursor(row_factory=class_row(Decommission)) as cursor:
        await cursor.execute(
            "UPDATE devices.decommission SET attempts = attempts + 1,"  # noqa: S608 - constants
            " due_at = clock_timestamp() + make_interval(secs => %s)"
            " WHERE device_key = (SELECT device_key FROM devices.decommission WHERE draft IS NOT NULL"
            " AND certificate IS NULL AND due_at <= clock_timestamp() ORDER BY due_at LIMIT 1 FOR UPDATE SKIP LOCKED)"
            f" RETURNING {_COLUMNS}".encode(),
            [lease_s],
        )
        return await cursor.fetchone()


async def erasure_lock_in_txn(connection: Connection, device_key: int) -> Decommission | None:
    """The row of a device whose rows are to go still; nobody changes it until the transaction ends."""
    async with connection.cursor(row_factory=class_row(Decommission)) as cursor:
        await cursor.execute(
            f"{_SELECT} WHERE device_key = %s AND certificate IS NULL FOR UPDATE".encode(), [device_key]
        )
        return await cursor.fetchone()


async def erasure_note(
    connection: Connection, device_key: int, erased: Iterable[ErasedTable], obstacles: Iterable[Obstacle]
) -> None:
    """So many rows are gone by now, and that is in the way of others."""
    await connection.execute(
        "UPDATE devices.decommission SET erased = %s, obstacles = %s WHERE device_key = %s",
        [Jsonb([asdict(each) for each in erased]), Jsonb([asdict(each) for each in obstacles]), device_key],
    )


async def erasure_again(connection: Connection, device_key: int) -> None:
    """It goes on at once; what went well does not count as an attempt."""
    await connection.execute(
        "UPDATE devices.decommission SET attempts = 0, due_at = clock_timestamp() WHERE device_key = %s", [device_key]
    )


async def erasure_last_round(connection: Connection, device_key: int, after_s: float) -> None:
    """The first round is through; the last one begins after so long."""
    await connection.execute(
        "UPDATE devices.decommission SET round = 2, attempts = 0,"
        " due_at = clock_timestamp() + make_interval(secs => %s) WHERE device_key = %s",
        [after_s, device_key],
    )


async def erasure_postpone(connection: Connection, device_key: int, *, most_s: float) -> None:
    """Something is in the way: again later, each time twice as late, `most_s` seconds at most."""
    await connection.execute(
        "UPDATE devices.decommission SET due_at = clock_timestamp()"
        " + make_interval(secs => least(%s, 2 ^ least(attempts, 20))) WHERE device_key = %s",
        [most_s, device_key],
    )


async def decommission_list(
    connection: Connection, project_key: int, *, after: int, limit: int, device_key: int | None = None
) -> list[Decommission]:
    """At most `limit` devices of the project that are out of service, with keys above `after`, in their order."""
    async with connection.cursor(row_factory=class_row(Decommission)) as cursor:
        await cursor.execute(
            f"{_SELECT} WHERE project_key = %s AND (certificate IS NOT NULL OR draft IS NOT NULL) AND device_key > %s"
            " AND (%s::bigint IS NULL OR device_key = %s) ORDER BY device_key LIMIT %s".encode(),
            [project_key, after, device_key, device_key, limit],
        )
        return await cursor.fetchall()
