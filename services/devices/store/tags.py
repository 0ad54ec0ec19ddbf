"""The SQL of devices' tags."""

from collections.abc import Mapping

from shared.database import Connection


async def tag_put(connection: Connection, device_key: int, tags: Mapping[str, str]) -> None:
    """The device has these tags, besides its others."""
    await connection.execute(
        "INSERT INTO devices.device_tag (device_key, name, value) SELECT %s, * FROM unnest(%s::text[], %s::text[])"
        " ON CONFLICT (device_key, name) DO UPDATE SET value = excluded.value",
        [device_key, list(tags), list(tags.values())],
    )


async def tag_delete(connection: Connection, device_key: int, names: list[str]) -> None:
    """The device has no tags of these names."""
    await connection.execute(
        "DELETE FROM devices.device_tag WHERE device_key = %s AND name = ANY (%s)", [device_key, names]
    )


async def tag_forget(connection: Connection, device_key: int) -> None:
    """The device has no tags."""
    await connection.execute("DELETE FROM devices.device_tag WHERE device_key = %s", [device_key])
