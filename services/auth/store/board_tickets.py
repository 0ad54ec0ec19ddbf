"""The SQL of boards' tickets."""

from datetime import datetime
from typing import Final

from psycopg.rows import class_row

from services.auth.records.board_tickets import IssueBoardTicket, KnownTicket
from services.auth.store.credentials import ALIVE
from shared.database import Connection

_USABLE: Final = "t.taken_at IS NULL AND t.ended_at IS NULL AND least(t.usable_until, t.ends_at) > clock_timestamp()"


async def board_ticket_insert(
    connection: Connection, session_id: str, ticket_hash: bytes, asked: IssueBoardTicket, *, use_s: float, life_s: float
) -> datetime | None:
    """A new ticket, usable for `use_s` seconds, and when its session ends; None where the credential opens nothing."""
    await connection.execute("DELETE FROM auth.board_ticket WHERE ends_at < now() - interval '1 day'")
    cursor = await connection.execute(
        "INSERT INTO auth.board_ticket (session_id, ticket_hash, account_key, credential, realm, role, board_key,"  # noqa: S608
        " usable_until, ends_at) SELECT %(session)s, %(hash)s, account_key, id, %(realm)s, %(role)s, %(board)s,"
        " clock_timestamp() + make_interval(secs => %(use)s),"
        " least(ends_at, clock_timestamp() + make_interval(secs => %(life)s))"
        f" FROM ({ALIVE}) alive WHERE id = %(credential)s AND account_key = %(account)s RETURNING ends_at".encode(),
        {
            "session": session_id,
            "hash": ticket_hash,
            "realm": asked.realm,
            "role": asked.role,
            "board": asked.board_key,
            "use": use_s,
            "life": life_s,
            "credential": asked.credential,
            "account": asked.account_key,
        },
    )
    row = await cursor.fetchone()
    return None if row is None else row[0]


async def board_ticket_find(connection: Connection, ticket_hash: bytes, realm: str) -> KnownTicket | None:
    """The ticket, if it opens that realm and may still be used."""
    async with connection.cursor(row_factory=class_row(KnownTicket)) as cursor:
        await cursor.execute(
            "SELECT t.session_id, t.account_key, alive.owner_key, t.credential, t.role, t.board_key, t.ends_at"  # noqa: S608
            f" FROM auth.board_ticket t JOIN ({ALIVE}) alive ON alive.id = t.credential"
            " AND alive.account_key = t.account_key"
            f" WHERE t.ticket_hash = %s AND t.realm = %s AND {_USABLE}".encode(),
            [ticket_hash, realm],
        )
        return await cursor.fetchone()


async def board_ticket_take(connection: Connection, session_id: str) -> bool:
    """Use it up; False where somebody else has, or it may not be used any more."""
    cursor = await connection.execute(
        f"UPDATE auth.board_ticket t SET taken_at = clock_timestamp() WHERE session_id = %s AND {_USABLE}"  # noqa: S608
        " RETURNING session_id".encode(),
        [session_id],
    )
    return await cursor.fetchone() is not None


async def board_ticket_end(connection: Connection, session_ids: list[str]) -> None:
    """These tickets open nothing, and their sessions are over."""
    await connection.execute(
        "UPDATE auth.board_ticket SET ended_at = clock_timestamp() WHERE session_id = ANY (%s) AND ended_at IS NULL",
        [session_ids],
    )


async def board_ticket_end_of(connection: Connection, account_keys: list[int]) -> None:
    """As `board_ticket_end`, all of these accounts."""
    await connection.execute(
        "UPDATE auth.board_ticket SET ended_at = clock_timestamp() WHERE account_key = ANY (%s) AND ended_at IS NULL"
        " AND ends_at > clock_timestamp()",
        [account_keys],
    )
