"""The SQL of what releases of apps ask for."""

from psycopg.types.json import Jsonb

from services.devices.records.apps import Stage
from shared.database import Connection
from shared.procedures import answered, plain
from shared.releases import Contents


async def contents_find(connection: Connection, release_key: int) -> Contents | None:
    """What the release asks for; None where realms was not asked yet."""
    cursor = await connection.execute(
        "SELECT contents FROM devices.release_contents WHERE release_key = %s", [release_key]
    )
    row = await cursor.fetchone()
    return None if row is None else answered(Contents, row[0])


async def contents_put(connection: Connection, release_key: int, contents: Contents) -> None:
    """What the release asks for, for good."""
    await connection.execute(
        "INSERT INTO devices.release_contents (release_key, contents) VALUES (%s, %s) ON CONFLICT DO NOTHING",
        [release_key, Jsonb(plain(contents))],
    )


async def contents_octets(connection: Connection, device_key: int, app_key: int, stage: Stage, release_key: int) -> int:
    """How long it is what the releases wanted on the device ask for, where the app is to be of that release."""
    cursor = await connection.execute(
        "SELECT coalesce(sum(octet_length(c.contents::text)), 0) FROM ("
        "SELECT release_key FROM devices.device_app WHERE device_key = %s AND (app_key, stage) <> (%s, %s)"
        " UNION ALL SELECT %s) wanted JOIN devices.release_contents c USING (release_key)",
        [device_key, app_key, stage, release_key],
    )
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])
