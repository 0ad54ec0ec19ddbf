"""The SQL of tunnels themselves."""

from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from services.tunnels.records.offers import TunnelName
from services.tunnels.records.tunnels import Tunnel
from shared.database import Connection

_TUNNEL: Final = (
    "tunnel_key, device_key, project_key, app, port, protocol, public_since, public_until, declared_by, created_at"
)


async def tunnel_insert(
    connection: Connection, name: TunnelName, project_key: int, *, declared_by: int, is_of_ports: bool = False
) -> Tunnel | None:
    """A new tunnel, `is_of_ports` where it goes with its app's ports; None where there is one of that name."""
    return await _one(
        connection,
        "INSERT INTO tunnels.tunnel (device_key, project_key, app, port, protocol, declared_by, is_of_ports)"  # noqa: S608
        " VALUES (%s, %s, %s, %s, %s, %s, %s) ON CONFLICT (device_key, app, port, protocol) DO NOTHING"
        f" RETURNING {_TUNNEL}",
        [name.device_key, project_key, name.app, name.port, name.protocol.value, declared_by, is_of_ports],
    )


async def tunnel_take_over(
    connection: Connection, name: TunnelName, project_key: int, *, declared_by: int
) -> Tunnel | None:
    """The tunnel of that name goes with its app's ports no more; None where none does."""
    return await _one(
        connection,
        "UPDATE tunnels.tunnel SET is_of_ports = false, declared_by = %s"  # noqa: S608
        " WHERE device_key = %s AND app = %s AND port = %s AND protocol = %s AND project_key = %s AND is_of_ports"
        f" RETURNING {_TUNNEL}",
        [declared_by, name.device_key, name.app, name.port, name.protocol.value, project_key],
    )


async def tunnel_find(connection: Connection, tunnel_key: int) -> Tunnel | None:
    """The tunnel of that key."""
    return await _one(connection, f"SELECT {_TUNNEL} FROM tunnels.tunnel WHERE tunnel_key = %s", [tunnel_key])  # noqa: S608


async def tunnel_lock_in_txn(connection: Connection, tunnel_key: int) -> Tunnel | None:
    """As `tunnel_find`; nobody else changes it until the transaction ends."""
    query = f"SELECT {_TUNNEL} FROM tunnels.tunnel WHERE tunnel_key = %s FOR UPDATE"  # noqa: S608
    return await _one(connection, query, [tunnel_key])


async def tunnel_hold_in_txn(connection: Connection, tunnel_key: int) -> Tunnel | None:
    """As `tunnel_find`; it stays as it is until the transaction ends, for all who hold it at once."""
    query = f"SELECT {_TUNNEL} FROM tunnels.tunnel WHERE tunnel_key = %s FOR SHARE"  # noqa: S608
    return await _one(connection, query, [tunnel_key])


async def tunnel_lock_raw_of_in_txn(connection: Connection, project_key: int) -> None:
    """Nobody begins to visit a tunnel of tcp in the project until the transaction ends."""
    await connection.execute(
        "SELECT 1 FROM tunnels.tunnel WHERE project_key = %s AND protocol = 'tcp' ORDER BY tunnel_key FOR UPDATE",
        [project_key],
    )


async def tunnel_find_by_name(connection: Connection, name: TunnelName) -> Tunnel | None:
    """The tunnel of that name."""
    return await _one(
        connection,
        f"SELECT {_TUNNEL} FROM tunnels.tunnel"  # noqa: S608
        " WHERE device_key = %s AND app = %s AND port = %s AND protocol = %s",
        [name.device_key, name.app, name.port, name.protocol.value],
    )


async def tunnel_count(connection: Connection, device_key: int) -> int:
    """How many the device has."""
    cursor = await connection.execute("SELECT count(*) FROM tunnels.tunnel WHERE device_key = %s", [device_key])
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def tunnel_list(connection: Connection, device_keys: list[int], *, after: int, limit: int) -> list[Tunnel]:
    """At most `limit` of the tunnels of these devices, with keys above `after`, in the order of keys."""
    query = (
        f"SELECT {_TUNNEL} FROM tunnels.tunnel WHERE device_key = ANY (%s) AND tunnel_key > %s"  # noqa: S608
        " ORDER BY tunnel_key LIMIT %s"
    )
    return await _many(connection, query, [device_keys, after, limit])


async def tunnel_list_public(connection: Connection) -> list[Tunnel]:
    """Every tunnel that is public now; nobody can be told that a raw one is recorded, so that one that is, is not."""
    query = (
        f"SELECT {_TUNNEL} FROM tunnels.tunnel WHERE public_since IS NOT NULL"  # noqa: S608
        " AND (public_until IS NULL OR public_until > now()) AND NOT (protocol = 'tcp' AND"
        " (project_key, app) IN (SELECT project_key, app FROM tunnels.recorded_app))"
        " ORDER BY tunnel_key"
    )
    return await _many(connection, query, [])


async def tunnel_list_devices(connection: Connection, project_keys: list[int]) -> list[tuple[int, int]]:
    """Project and device of every device that has tunnels in these projects."""
    cursor = await connection.execute(
        "SELECT DISTINCT project_key, device_key FROM tunnels.tunnel WHERE project_key = ANY (%s) ORDER BY 1, 2",
        [project_keys],
    )
    return [(int(row[0]), int(row[1])) for row in await cursor.fetchall()]


async def tunnel_list_of(connection: Connection, device_key: int) -> list[Tunnel]:
    """Every tunnel of the device; nobody else changes them until the transaction ends."""
    query = f"SELECT {_TUNNEL} FROM tunnels.tunnel WHERE device_key = %s ORDER BY tunnel_key FOR UPDATE"  # noqa: S608
    return await _many(connection, query, [device_key])


async def tunnel_list_of_ports(connection: Connection, device_key: int, app: str) -> list[Tunnel]:
    """The tunnels that stand for the ports of the app."""
    query = f"SELECT {_TUNNEL} FROM tunnels.tunnel WHERE device_key = %s AND app = %s AND is_of_ports"  # noqa: S608
    return await _many(connection, query, [device_key, app])


async def told_put(connection: Connection, device_key: int, app: str, revision: int) -> bool:
    """The ports of the app are told as of that revision; false where a newer one was told. Nobody else tells beside."""
    cursor = await connection.execute(
        "INSERT INTO tunnels.told_ports AS t (device_key, app, revision) VALUES (%s, %s, %s)"
        " ON CONFLICT (device_key, app) DO UPDATE SET revision = excluded.revision"
        " WHERE t.revision <= excluded.revision RETURNING revision",
        [device_key, app, revision],
    )
    return await cursor.fetchone() is not None


async def told_delete_of(connection: Connection, device_key: int) -> None:
    """Nothing was told of the device."""
    await connection.execute("DELETE FROM tunnels.told_ports WHERE device_key = %s", [device_key])


async def tunnel_list_homes(connection: Connection) -> dict[int, int]:
    """The project of every device that has tunnels, as it was when they were declared."""
    cursor = await connection.execute("SELECT DISTINCT device_key, project_key FROM tunnels.tunnel")
    return {int(row[0]): int(row[1]) for row in await cursor.fetchall()}


async def tunnel_publish(connection: Connection, tunnel_key: int, until: datetime | None) -> None:
    """From now on anybody may come, until then or for good."""
    await connection.execute(
        "UPDATE tunnels.tunnel SET public_since = coalesce(public_since, now()), public_until = %s"
        " WHERE tunnel_key = %s",
        [until, tunnel_key],
    )


async def tunnel_unpublish(connection: Connection, tunnel_key: int) -> None:
    """From now on only who may comes."""
    await connection.execute(
        "UPDATE tunnels.tunnel SET public_since = NULL, public_until = NULL WHERE tunnel_key = %s", [tunnel_key]
    )


async def tunnel_delete(connection: Connection, tunnel_key: int) -> None:
    """The tunnel is gone."""
    await connection.execute("DELETE FROM tunnels.tunnel WHERE tunnel_key = %s", [tunnel_key])


async def _one(connection: Connection, query: str, parameters: list[object]) -> Tunnel | None:
    async with connection.cursor(row_factory=class_row(Tunnel)) as cursor:
        await cursor.execute(query.encode(), parameters)
        return await cursor.fetchone()


async def _many(connection: Connection, query: str, parameters: list[object]) -> list[Tunnel]:
    async with connection.cursor(row_factory=class_row(Tunnel)) as cursor:
        await cursor.execute(query.encode(), parameters)
        return await cursor.fetchall()
