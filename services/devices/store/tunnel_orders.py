"""The SQL of ports of apps that tunnels is to be told of."""

from attrs import frozen
from psycopg.rows import class_row

from services.devices.records.apps import Install
from shared.database import Connection


@frozen
class TunnelOrder:
    """An app whose ports tunnels is to be told of, as they stand then; by whom, None where the app went with others."""

    device_key: int
    app_key: int
    order_key: int
    app_name: str
    account_key: int | None


async def order_put(connection: Connection, device_key: int, app_key: int, app_name: str, account_key: int) -> None:
    """Tunnels is to be told of the app's ports."""
    await connection.execute(
        "INSERT INTO devices.tunnel_order (device_key, app_key, app_name, account_key) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (device_key, app_key) DO UPDATE SET order_key = DEFAULT, app_name = excluded.app_name,"
        " account_key = excluded.account_key, attempts = 0, due_at = clock_timestamp()",
        [device_key, app_key, app_name, account_key],
    )


async def order_put_by_install(connection: Connection, install: Install, device_keys: list[int]) -> None:
    """As `order_put`, of an app that leaves these devices with its project's install."""
    if install.stage != "PROD":
        return
    await connection.execute(
        "INSERT INTO devices.tunnel_order (device_key, app_key, app_name)"
        " SELECT device_key, app_key, app_name FROM devices.device_app WHERE device_key = ANY (%s) AND app_key = %s"
        " AND stage = 'PROD' AND app_name IS NOT NULL AND jsonb_array_length(ports) > 0"
        " ON CONFLICT (device_key, app_key) DO UPDATE SET order_key = DEFAULT, app_name = excluded.app_name,"
        " account_key = NULL, attempts = 0, due_at = clock_timestamp()",
        [device_keys, install.app_key],
    )


async def order_take(connection: Connection, *, for_s: float, limit: int) -> list[TunnelOrder]:
    """At most `limit` that are due; nobody else takes them for `for_s` seconds."""
    async with connection.cursor(row_factory=class_row(TunnelOrder)) as cursor:
        await cursor.execute(
            "UPDATE devices.tunnel_order o SET due_at = clock_timestamp() + make_interval(secs => %s)"
            " FROM (SELECT device_key, app_key FROM devices.tunnel_order WHERE due_at <= clock_timestamp()"
            " ORDER BY due_at LIMIT %s FOR UPDATE SKIP LOCKED) due"
            " WHERE (o.device_key, o.app_key) = (due.device_key, due.app_key)"
            " RETURNING o.device_key, o.app_key, o.order_key, o.app_name, o.account_key",
            [for_s, limit],
        )
        return await cursor.fetchall()


async def order_done(connection: Connection, order: TunnelOrder) -> None:
    """Tunnels took it; what came after it stays."""
    await connection.execute(
        "DELETE FROM devices.tunnel_order WHERE device_key = %s AND app_key = %s AND order_key = %s",
        [order.device_key, order.app_key, order.order_key],
    )


async def order_postpone(connection: Connection, order: TunnelOrder, *, most_s: float) -> None:
    """It was not taken: again later, each time twice as late, `most_s` seconds at most."""
    await connection.execute(
        "UPDATE devices.tunnel_order SET attempts = attempts + 1, due_at = clock_timestamp()"
        " + make_interval(secs => least(%s, 0.5 * 2 ^ least(attempts, 30)))"
        " WHERE device_key = %s AND app_key = %s AND order_key = %s",
        [most_s, order.device_key, order.app_key, order.order_key],
    )
