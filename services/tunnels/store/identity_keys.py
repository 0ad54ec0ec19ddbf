"""The SQL of the public keys by which devices verify who visits them."""

from typing import Any

from psycopg.types.json import Jsonb

from shared.database import Connection


async def identity_key_insert(connection: Connection, kid: str, public: dict[str, Any], kept_s: float) -> None:
    """A new key, told for `kept_s` seconds; what is over is forgotten."""
    await connection.execute("DELETE FROM tunnels.identity_key WHERE ends_at < clock_timestamp()")
    await connection.execute(
        "INSERT INTO tunnels.identity_key (kid, public, ends_at)"
        " VALUES (%s, %s, clock_timestamp() + make_interval(secs => %s))",
        [kid, Jsonb(public), kept_s],
    )


async def identity_key_list(connection: Connection) -> list[dict[str, Any]]:
    """All that still count, the newest first."""
    cursor = await connection.execute(
        "SELECT public FROM tunnels.identity_key WHERE ends_at > clock_timestamp() ORDER BY ends_at DESC LIMIT 100"
    )
    return [dict(row[0]) for row in await cursor.fetchall()]
