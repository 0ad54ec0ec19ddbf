"""The SQL of the ports that devices were allotted."""

from services.tunnels.records.tunnels import AllottedPort
from shared.database import Connection

Offered = frozenset[int]


async def port_lock_in_txn(connection: Connection) -> None:
    """Nobody else allots a port until the transaction ends."""
    await connection.execute("LOCK TABLE tunnels.remote_port IN SHARE ROW EXCLUSIVE MODE")


async def port_list(connection: Connection, protocol: str, offered: Offered) -> list[AllottedPort]:
    """Every port of the protocol that is allotted; `offered` are those that are in use now."""
    cursor = await connection.execute(
        "SELECT port, device_key, extract(epoch FROM asked_at)::float8, extract(epoch FROM used_at)::float8"
        " FROM tunnels.remote_port WHERE protocol = %s",
        [protocol],
    )
    return [
        AllottedPort(port, device_key, asked_at, used_at, port in offered)
        for port, device_key, asked_at, used_at in await cursor.fetchall()
    ]


async def port_holder(connection: Connection, protocol: str, port: int) -> int | None:
    """The device that was allotted the port; None where it is nobody's."""
    cursor = await connection.execute(
        "SELECT device_key FROM tunnels.remote_port WHERE protocol = %s AND port = %s", [protocol, port]
    )
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


async def port_upsert(connection: Connection, protocol: str, port: int, device_key: int) -> None:
    """The port is the device's, which asks for it now."""
    await connection.execute(
        "INSERT INTO tunnels.remote_port (protocol, port, device_key) VALUES (%s, %s, %s)"
        " ON CONFLICT (protocol, port) DO UPDATE SET device_key = excluded.device_key, asked_at = now(),"
        " used_at = CASE WHEN remote_port.device_key = excluded.device_key THEN remote_port.used_at ELSE now() END",
        [protocol, port, device_key],
    )


async def port_touch(connection: Connection, protocol: str, ports: list[int]) -> None:
    """These are in use now."""
    await connection.execute(
        "UPDATE tunnels.remote_port SET used_at = now() WHERE protocol = %s AND port = ANY (%s)", [protocol, ports]
    )


async def port_delete_of(connection: Connection, device_key: int) -> None:
    """The ports of the device are anybody's."""
    await connection.execute("DELETE FROM tunnels.remote_port WHERE device_key = %s", [device_key])
