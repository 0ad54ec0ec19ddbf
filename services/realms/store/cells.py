"""Cells, and how many projects each has."""

from typing import Any, Final

from psycopg.rows import class_row, kwargs_row

from services.realms.records.cells import Cell, CellOfProject
from services.realms.records.clusters import ClusterState
from shared.database import Connection

_CELL: Final = (
    "SELECT c.cell_key, c.name, c.region, c.endpoint, c.state, c.capacity,"
    " (SELECT count(*) FROM realms.project p WHERE p.cell_key = c.cell_key) AS projects FROM realms.cell c"
)


def _cell(**row: Any) -> Cell:
    return Cell(**{**row, "state": ClusterState(row["state"])})


async def cell_insert(connection: Connection, *, name: str, region: str, endpoint: str, capacity: int) -> None:
    """A new one, which is open.

    Raises:
        psycopg.errors.UniqueViolation: There is one of that name, or with that endpoint.
    """
    await connection.execute(
        "INSERT INTO realms.cell (name, region, endpoint, capacity) VALUES (%s, %s, %s, %s)",
        [name, region, endpoint, capacity],
    )


async def cell_list(connection: Connection) -> list[Cell]:
    """All of them, in the order in which they were added."""
    async with connection.cursor(row_factory=kwargs_row(_cell)) as cursor:
        await cursor.execute(f"{_CELL} ORDER BY c.cell_key".encode())
        return await cursor.fetchall()


async def cell_lock_in_txn(connection: Connection) -> None:
    """Nobody else places a project, or changes a cell, until the transaction ends."""
    await connection.execute("SELECT FROM realms.cell ORDER BY cell_key FOR NO KEY UPDATE")


async def cell_find(connection: Connection, name: str) -> Cell | None:
    """The one of that name."""
    async with connection.cursor(row_factory=kwargs_row(_cell)) as cursor:
        await cursor.execute(f"{_CELL} WHERE c.name = %s".encode(), [name])
        return await cursor.fetchone()


async def cell_update(connection: Connection, cell: Cell) -> None:
    """Its state and capacity are these."""
    await connection.execute(
        "UPDATE realms.cell SET state = %s, capacity = %s WHERE cell_key = %s",
        [cell.state.value, cell.capacity, cell.cell_key],
    )


async def cell_find_of(connection: Connection, project_key: int) -> CellOfProject | None:
    """In which cell the project is; None where there is no such project."""
    async with connection.cursor(row_factory=class_row(CellOfProject)) as cursor:
        await cursor.execute(
            "SELECT c.name, c.endpoint, CASE WHEN (SELECT count(*) FROM realms.cell) = 1"
            " THEN (SELECT max(project_key) FROM realms.project) END AS all_up_to"
            " FROM realms.project p JOIN realms.cell c USING (cell_key) WHERE p.project_key = %s",
            [project_key],
        )
        return await cursor.fetchone()
