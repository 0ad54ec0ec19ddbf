"""The SQL of sessions at frps nodes, which outlive a process of ours."""

from psycopg.rows import class_row

from services.tunnels.records.plugin import KnownSession
from shared.database import Connection


async def node_session_insert(connection: Connection, node: str, run_id: str, device_key: int) -> None:
    """A session that is about to begin there."""
    await connection.execute(
        "INSERT INTO tunnels.node_session (node, run_id, device_key) VALUES (%s, %s, %s)", [node, run_id, device_key]
    )


async def node_session_list(connection: Connection) -> list[KnownSession]:
    """All that nobody has ended."""
    async with connection.cursor(row_factory=class_row(KnownSession)) as cursor:
        await cursor.execute("SELECT node, run_id, device_key FROM tunnels.node_session ORDER BY began_at LIMIT 10000")
        return await cursor.fetchall()


async def node_session_delete(connection: Connection, node: str, run_id: str) -> None:
    """It is over."""
    await connection.execute("DELETE FROM tunnels.node_session WHERE node = %s AND run_id = %s", [node, run_id])
