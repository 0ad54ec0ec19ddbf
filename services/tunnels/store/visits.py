"""The SQL of visits."""

from typing import Final

from psycopg.rows import class_row

from services.tunnels.records.tunnels import Tunnel
from services.tunnels.records.visits import Tally, Visit, Visitor
from shared.database import Connection

_VISIT: Final = (
    "visit_key, tunnel_key, device_key, project_key, app, port, protocol, account_key, credential, began_at, hard_end,"
    " ended_at, cause, octets_to, octets_from"
)


async def visit_insert(connection: Connection, tunnel: Tunnel, visitor: Visitor, hard_end: float) -> Visit:
    """A new visit, which ends at `hard_end` (Unix seconds) at the latest."""
    person = visitor.person
    async with connection.cursor(row_factory=class_row(Visit)) as cursor:
        await cursor.execute(
            "INSERT INTO tunnels.visit (tunnel_key, device_key, project_key, app, port, protocol, account_key,"  # noqa: S608
            " credential, address, hard_end) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, to_timestamp(%s))"
            f" RETURNING {_VISIT}".encode(),
            [
                tunnel.tunnel_key,
                tunnel.device_key,
                tunnel.project_key,
                tunnel.app,
                tunnel.port,
                tunnel.protocol,
                None if person is None else person.account_key,
                None if person is None else person.credential,
                visitor.address if person is None else None,
                hard_end,
            ],
        )
        made = await cursor.fetchone()
    if made is None:
        raise LookupError("an insert returned no row")
    return made


async def visit_end(connection: Connection, visit_key: int, cause: str, tally: Tally | None) -> bool:
    """The visit is over; False where it was already. Without a tally nobody knows how much went."""
    cursor = await connection.execute(
        "UPDATE tunnels.visit SET ended_at = clock_timestamp(), cause = %s, octets_to = %s, octets_from = %s"
        " WHERE visit_key = %s AND ended_at IS NULL RETURNING visit_key",
        [cause, tally and tally.octets_to, tally and tally.octets_from, visit_key],
    )
    return await cursor.fetchone() is not None


async def visit_list(
    connection: Connection, device_keys: list[int], account_key: int | None, *, before: int, limit: int
) -> list[Visit]:
    """At most `limit` visits to these devices, of one account or of all, with keys below `before`, newest first."""
    async with connection.cursor(row_factory=class_row(Visit)) as cursor:
        await cursor.execute(
            f"SELECT {_VISIT} FROM tunnels.visit WHERE device_key = ANY (%s)"  # noqa: S608
            " AND (%s::bigint IS NULL OR account_key = %s) AND (%s = 0 OR visit_key < %s)"
            " ORDER BY visit_key DESC LIMIT %s".encode(),
            [device_keys, account_key, account_key, before, before, limit],
        )
        return await cursor.fetchall()


async def visit_list_devices(connection: Connection, project_keys: list[int]) -> list[tuple[int, int]]:
    """Project and device of every device of these projects that anybody has visited."""
    cursor = await connection.execute(
        "SELECT DISTINCT project_key, device_key FROM tunnels.visit WHERE project_key = ANY (%s) ORDER BY 1, 2",
        [project_keys],
    )
    return [(int(row[0]), int(row[1])) for row in await cursor.fetchall()]


async def visit_list_left(connection: Connection, known: list[int], older_than_s: float) -> list[Visit]:
    """Visits that are not over, of which nobody knows who is not among the `known`, and that began so long ago."""
    async with connection.cursor(row_factory=class_row(Visit)) as cursor:
        await cursor.execute(
            f"SELECT {_VISIT} FROM tunnels.visit WHERE ended_at IS NULL AND visit_key <> ALL (%s)"  # noqa: S608
            " AND began_at <= clock_timestamp() - make_interval(secs => %s) ORDER BY visit_key LIMIT 500".encode(),
            [known, older_than_s],
        )
        return await cursor.fetchall()


async def visit_sweep(connection: Connection, older_than_s: float) -> None:
    """Forget the visits that ended so long ago; the audit log has them."""
    await connection.execute(
        "DELETE FROM tunnels.visit WHERE ended_at < now() - make_interval(secs => %s)", [older_than_s]
    )
