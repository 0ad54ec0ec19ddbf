"""The SQL of recordings; what was seen lies sealed in parts."""

from typing import Final

from psycopg.rows import class_row

from services.tunnels.records.recordings import Recording
from services.tunnels.records.visits import Visit
from shared.database import Connection

_RECORDING: Final = (
    "visit_key, project_key, device_key, app, account_key, began_at, ended_at, octets, is_truncated, sha256"
)


async def recorded_app_list(connection: Connection, project_key: int) -> list[str]:
    """The apps of the project whose visits are recorded."""
    cursor = await connection.execute(
        "SELECT app FROM tunnels.recorded_app WHERE project_key = %s ORDER BY app", [project_key]
    )
    return [str(row[0]) for row in await cursor.fetchall()]


async def recorded_app_replace_in_txn(connection: Connection, project_key: int, apps: list[str]) -> None:
    """From now on it is these."""
    await connection.execute("DELETE FROM tunnels.recorded_app WHERE project_key = %s", [project_key])
    await connection.execute(
        "INSERT INTO tunnels.recorded_app (project_key, app) SELECT %s, unnest(%s::text[])", [project_key, apps]
    )


async def recording_insert(connection: Connection, visit: Visit) -> None:
    """The recording of a visit that begins."""
    await connection.execute(
        "INSERT INTO tunnels.recording (visit_key, project_key, device_key, app, account_key, began_at)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        [visit.visit_key, visit.project_key, visit.device_key, visit.app, visit.account_key, visit.began_at],
    )


async def recording_part_insert_in_txn(
    connection: Connection, visit_key: int, number: int, sealed: bytes, octets: int
) -> None:
    """One more part; the recording has `octets` of asciicast by now."""
    await connection.execute(
        "INSERT INTO tunnels.recording_part (visit_key, number, sealed) VALUES (%s, %s, %s)",
        [visit_key, number, sealed],
    )
    await connection.execute("UPDATE tunnels.recording SET octets = %s WHERE visit_key = %s", [octets, visit_key])


async def recording_end(connection: Connection, visit_key: int, sha256: str, *, is_truncated: bool) -> None:
    """It is whole."""
    await connection.execute(
        "UPDATE tunnels.recording SET ended_at = clock_timestamp(), sha256 = %s, is_truncated = %s"
        " WHERE visit_key = %s",
        [sha256, is_truncated, visit_key],
    )


async def recording_octets(connection: Connection, project_key: int) -> int:
    """How many octets the asciicasts of the project have, of visits that go on as far as they are written."""
    cursor = await connection.execute(
        "SELECT coalesce(sum(octets), 0) FROM tunnels.recording WHERE project_key = %s", [project_key]
    )
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def recording_find(connection: Connection, visit_key: int) -> Recording | None:
    """The recording of that visit."""
    async with connection.cursor(row_factory=class_row(Recording)) as cursor:
        await cursor.execute(
            f"SELECT {_RECORDING} FROM tunnels.recording WHERE visit_key = %s".encode(),  # noqa: S608
            [visit_key],
        )
        return await cursor.fetchone()


async def recording_list(connection: Connection, project_key: int, *, before: int, limit: int) -> list[Recording]:
    """At most `limit` recordings of the project, of visits with keys below `before`, newest first."""
    async with connection.cursor(row_factory=class_row(Recording)) as cursor:
        await cursor.execute(
            f"SELECT {_RECORDING} FROM tunnels.recording WHERE project_key = %s"  # noqa: S608
            " AND (%s = 0 OR visit_key < %s) ORDER BY visit_key DESC LIMIT %s".encode(),
            [project_key, before, before, limit],
        )
        return await cursor.fetchall()


async def recording_part_list(
    connection: Connection, visit_key: int, *, first: int, limit: int
) -> list[tuple[int, bytes]]:
    """At most `limit` parts from number `first` on, sealed."""
    cursor = await connection.execute(
        "SELECT number, sealed FROM tunnels.recording_part WHERE visit_key = %s AND number >= %s"
        " ORDER BY number LIMIT %s",
        [visit_key, first, limit],
    )
    return [(int(row[0]), bytes(row[1])) for row in await cursor.fetchall()]


async def recording_sweep(connection: Connection, days: int) -> None:
    """Forget recordings that began so long ago."""
    await connection.execute("DELETE FROM tunnels.recording WHERE began_at < now() - make_interval(days => %s)", [days])
