"""The SQL of the sessions of boards."""

from typing import Any, Final

from psycopg.rows import kwargs_row

from services.realms.records.boards import BoardRole, BoardSession
from services.realms.records.values import Stage
from shared.database import Connection

_SESSION: Final = (
    "SELECT s.session_id, s.account_key, s.board_key, s.backend_key, b.project_key, b.app_key, b.stage, s.role,"
    " s.ends_at, b.state <> 'closed' AND EXISTS (SELECT FROM realms.board d WHERE d.board_key = s.board_key"
    " AND d.project_key = b.project_key AND d.deleted_at IS NULL) AS is_there,"
    " s.ends_at <= clock_timestamp() AS has_ended"
    " FROM realms.board_session s JOIN realms.backend b USING (backend_key)"
)


def _session(**row: Any) -> BoardSession:
    return BoardSession(**{**row, "stage": Stage(row["stage"]), "role": BoardRole(row["role"])})


async def board_session_insert(connection: Connection, session: BoardSession) -> None:
    """A session may be opened from now on."""
    await connection.execute(
        "INSERT INTO realms.board_session (session_id, account_key, board_key, backend_key, role, ends_at)"
        " VALUES (%s, %s, %s, %s, %s, %s)",
        [
            session.session_id,
            session.account_key,
            session.board_key,
            session.backend_key,
            session.role.value,
            session.ends_at,
        ],
    )


async def board_session_count(connection: Connection, account_key: int) -> int:
    """How many the account has."""
    cursor = await connection.execute(
        "SELECT count(*) FROM realms.board_session WHERE account_key = %s AND ends_at > clock_timestamp()",
        [account_key],
    )
    row = await cursor.fetchone()
    return int(row[0]) if row else 0


async def board_session_list(connection: Connection, account_keys: list[int] | None) -> list[BoardSession]:
    """Every session of these accounts, or of all (None), whether it may go on or not."""
    async with connection.cursor(row_factory=kwargs_row(_session)) as cursor:
        await cursor.execute(
            f"{_SESSION} WHERE s.account_key = ANY (%(accounts)s) OR %(accounts)s::bigint[] IS NULL"
            " ORDER BY s.session_id".encode(),
            {"accounts": account_keys},
        )
        return await cursor.fetchall()


async def board_session_delete(connection: Connection, session_ids: list[str]) -> list[str]:
    """They are over; which of them were still there."""
    cursor = await connection.execute(
        "DELETE FROM realms.board_session WHERE session_id = ANY (%s) RETURNING session_id", [session_ids]
    )
    return [str(row[0]) for row in await cursor.fetchall()]
