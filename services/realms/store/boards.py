"""The SQL of boards."""

from typing import Any, Final

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.realms.records.boards import Board, ListedBoard, ToldBoard
from shared.database import Connection

_LISTED: Final = "board_key, project_key, name, description, revision, creator_account_key, created_at"
_BOARD: Final = f"{_LISTED}, content"
_TOLD: Final = "board_key, project_key, creator_account_key, deleted_at IS NOT NULL AS is_deleted"


async def board_insert(
    connection: Connection,
    project_key: int,
    *,
    name: str,
    name_canonical: str,
    description: str,
    content: dict[str, Any] | None,
    creator_account_key: int,
) -> Board:
    """A new board.

    Raises:
        psycopg.errors.UniqueViolation: The project has one of that name.
    """
    async with connection.cursor(row_factory=class_row(Board)) as cursor:
        await cursor.execute(
            "INSERT INTO realms.board (project_key, name, name_canonical, description, content, creator_account_key)"  # noqa: S608
            f" VALUES (%s, %s, %s, %s, %s, %s) RETURNING {_BOARD}",
            [project_key, name, name_canonical, description, _json(content), creator_account_key],
        )
        board = await cursor.fetchone()
    if board is None:
        raise LookupError("an insert returned no row")
    return board


async def board_find(connection: Connection, board_key: int) -> Board | None:
    """The board of that key."""
    async with connection.cursor(row_factory=class_row(Board)) as cursor:
        await cursor.execute(
            f"SELECT {_BOARD} FROM realms.board WHERE board_key = %s AND deleted_at IS NULL",  # noqa: S608
            [board_key],
        )
        return await cursor.fetchone()


async def board_find_by_name(connection: Connection, project_key: int, name_canonical: str) -> Board | None:
    """The board of that name in the project."""
    async with connection.cursor(row_factory=class_row(Board)) as cursor:
        await cursor.execute(
            f"SELECT {_BOARD} FROM realms.board WHERE project_key = %s AND name_canonical = %s"  # noqa: S608
            " AND deleted_at IS NULL",
            [project_key, name_canonical],
        )
        return await cursor.fetchone()


async def board_lock_in_txn(connection: Connection, board_key: int) -> Board | None:
    """As `board_find`; nobody else changes it until the transaction ends."""
    async with connection.cursor(row_factory=class_row(Board)) as cursor:
        await cursor.execute(
            f"SELECT {_BOARD} FROM realms.board WHERE board_key = %s AND deleted_at IS NULL FOR UPDATE",  # noqa: S608
            [board_key],
        )
        return await cursor.fetchone()


async def board_list(connection: Connection, keys: list[int], *, after: int, limit: int) -> list[ListedBoard]:
    """At most `limit` of the boards of these keys, above `after`, in the order of keys."""
    async with connection.cursor(row_factory=class_row(ListedBoard)) as cursor:
        await cursor.execute(
            f"SELECT {_LISTED} FROM realms.board WHERE board_key = ANY (%s) AND board_key > %s"  # noqa: S608
            " AND deleted_at IS NULL ORDER BY board_key LIMIT %s",
            [keys, after, limit],
        )
        return await cursor.fetchall()


async def board_list_keys(connection: Connection, project_key: int) -> list[int]:
    """The keys of every board of the project."""
    cursor = await connection.execute(
        "SELECT board_key FROM realms.board WHERE project_key = %s AND deleted_at IS NULL ORDER BY board_key",
        [project_key],
    )
    return [int(row[0]) for row in await cursor.fetchall()]


async def board_update(connection: Connection, board: Board, name_canonical: str) -> None:
    """The board is as `board` says, its next revision.

    Raises:
        psycopg.errors.UniqueViolation: The project has another one of that name.
    """
    await connection.execute(
        "UPDATE realms.board SET name = %s, name_canonical = %s, description = %s, content = %s,"
        " revision = revision + 1 WHERE board_key = %s",
        [board.name, name_canonical, board.description, _json(board.content), board.board_key],
    )


async def board_delete(connection: Connection, board_key: int) -> None:
    """It is gone, but for its key, until privileges knows that."""
    await connection.execute(
        "UPDATE realms.board SET deleted_at = now(), is_told = false, name = '', name_canonical = '', description = '',"
        " content = NULL WHERE board_key = %s",
        [board_key],
    )


async def board_find_untold(connection: Connection, board_key: int) -> ToldBoard | None:
    """The board, if privileges does not know it as it is."""
    async with connection.cursor(row_factory=class_row(ToldBoard)) as cursor:
        await cursor.execute(
            f"SELECT {_TOLD} FROM realms.board WHERE board_key = %s AND NOT is_told",  # noqa: S608
            [board_key],
        )
        return await cursor.fetchone()


async def board_list_untold(connection: Connection, limit: int) -> list[ToldBoard]:
    """At most `limit` boards that privileges does not know as they are."""
    async with connection.cursor(row_factory=class_row(ToldBoard)) as cursor:
        await cursor.execute(
            f"SELECT {_TOLD} FROM realms.board WHERE NOT is_told ORDER BY board_key LIMIT %s",  # noqa: S608
            [limit],
        )
        return await cursor.fetchall()


async def board_set_told(connection: Connection, told: ToldBoard) -> None:
    """Privileges knows it as it was told; one that is gone leaves nothing."""
    if told.is_deleted:
        await connection.execute(
            "DELETE FROM realms.board WHERE board_key = %s AND deleted_at IS NOT NULL", [told.board_key]
        )
    else:
        await connection.execute(
            "UPDATE realms.board SET is_told = true WHERE board_key = %s AND deleted_at IS NULL", [told.board_key]
        )


def _json(content: dict[str, Any] | None) -> Jsonb | None:
    return None if content is None else Jsonb(content)
