"""The SQL of tickets."""

from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from services.tunnels.records.visits import Ticket
from shared.database import Connection

_USABLE: Final = "used_at IS NULL AND least(usable_until, visit_ends_at) > clock_timestamp()"


async def ticket_insert(connection: Connection, ticket: Ticket, use_s: float) -> datetime:
    """Keep a new ticket; returns until when it can be used: `use_s` seconds."""
    await connection.execute("DELETE FROM tunnels.ticket WHERE usable_until < now() - interval '1 day'")
    cursor = await connection.execute(
        "INSERT INTO tunnels.ticket (digest, tunnel_key, account_key, credential, scopes, visit_ends_at, usable_until)"
        " VALUES (%s, %s, %s, %s, %s, %s, least(%s, clock_timestamp() + make_interval(secs => %s)))"
        " RETURNING usable_until",
        [
            ticket.digest,
            ticket.tunnel_key,
            ticket.account_key,
            ticket.credential,
            ticket.scopes,
            ticket.visit_ends_at,
            ticket.visit_ends_at,
            use_s,
        ],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("an insert returned no row")
    usable_until: datetime = row[0]
    return usable_until


async def ticket_find(connection: Connection, digest: bytes) -> Ticket | None:
    """The ticket of that digest, if it may still be used."""
    async with connection.cursor(row_factory=class_row(Ticket)) as cursor:
        await cursor.execute(
            "SELECT digest, tunnel_key, account_key, credential, scopes, visit_ends_at FROM tunnels.ticket"  # noqa: S608
            f" WHERE digest = %s AND {_USABLE}".encode(),
            [digest],
        )
        return await cursor.fetchone()


async def ticket_take(connection: Connection, digest: bytes) -> bool:
    """Use it up; False where somebody else has, or it may not be used any more."""
    cursor = await connection.execute(
        f"UPDATE tunnels.ticket SET used_at = clock_timestamp() WHERE digest = %s AND {_USABLE}"  # noqa: S608
        " RETURNING digest".encode(),
        [digest],
    )
    return await cursor.fetchone() is not None
