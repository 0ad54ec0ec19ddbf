"""Moves of projects, and how far each of their backends is."""

from collections.abc import Sequence
from typing import Any, Final

from psycopg.rows import class_row, kwargs_row

from services.realms.records.moves import BackendMove, BackendOnItsWay, Move, MoveState, Phase, PlacedBackend
from services.realms.records.values import Stage
from shared.database import Connection

_MOVE: Final = (
    "SELECT m.move_key, m.project_key, c.name AS cluster, m.state, m.asked_at, m.ended_at"
    " FROM realms.move m JOIN realms.cluster c ON c.cluster_key = m.to_key"
)
_ON_THE_WAY: Final = (
    "EXISTS (SELECT FROM realms.backend_move b WHERE b.move_key = m.move_key AND b.phase NOT IN ('done', 'back'))"
)


# Of a project that is being brought in the backends are there, what is installed comes last; no service may read
# `realms.project_import`.
_COMING: Final = (
    "EXISTS (SELECT FROM realms.backend n WHERE n.project_key = p.project_key AND n.state IN ('wanted', 'ready')"
    " AND NOT EXISTS (SELECT FROM realms.install i WHERE i.project_key = n.project_key AND i.app_key = n.app_key"
    " AND i.stage = n.stage))"
)


def _move(**row: Any) -> Move:
    return Move(**{**row, "state": MoveState(row["state"]), "backends": []})


def _backend(**row: Any) -> BackendMove:
    return BackendMove(**{**row, "stage": Stage(row["stage"]), "phase": Phase(row["phase"])})


def _on_its_way(**row: Any) -> BackendOnItsWay:
    return BackendOnItsWay(**{**row, "phase": Phase(row["phase"])})


async def move_insert(connection: Connection, project_key: int, to_key: int, account_key: int) -> int:
    """A new one; returns its key.

    Raises:
        psycopg.errors.UniqueViolation: The project is on its way already.
    """
    cursor = await connection.execute(
        "INSERT INTO realms.move (project_key, to_key, account_key) VALUES (%s, %s, %s) RETURNING move_key",
        [project_key, to_key, account_key],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("an insert returned no row")
    return int(row[0])


async def backend_move_insert(connection: Connection, move_key: int, backend_key: int, to_key: int) -> None:
    """The backend is to go there."""
    await connection.execute(
        "INSERT INTO realms.backend_move (move_key, backend_key, from_key, to_key)"
        " SELECT %s, backend_key, cluster_key, %s FROM realms.backend WHERE backend_key = %s",
        [move_key, to_key, backend_key],
    )


async def move_find(connection: Connection, move_key: int) -> Move | None:
    """The move of that key, with its backends."""
    found = await _moves(connection, f"{_MOVE} WHERE m.move_key = %s", [move_key])
    return found[0] if found else None


async def move_list(connection: Connection, project_key: int | None, limit: int) -> list[Move]:
    """At most `limit` of a project, or of those that are under way; the newest first."""
    condition = "m.state = 'moving'" if project_key is None else "m.project_key = %s"
    arguments = [limit] if project_key is None else [project_key, limit]
    return await _moves(connection, f"{_MOVE} WHERE {condition} ORDER BY m.move_key DESC LIMIT %s", arguments)


async def move_list_over(connection: Connection, limit: int) -> list[Move]:
    """At most `limit` that are under way and of which no backend is any more; the oldest first."""
    query = f"{_MOVE} WHERE m.state = 'moving' AND NOT {_ON_THE_WAY} ORDER BY m.move_key LIMIT %s"
    return await _moves(connection, query, [limit])


async def move_end(connection: Connection, move_key: int, state: MoveState) -> bool:
    """It has ended; False where it had already."""
    cursor = await connection.execute(
        "UPDATE realms.move SET state = %s, ended_at = clock_timestamp() WHERE move_key = %s AND state = 'moving'"
        " RETURNING move_key",
        [state.value, move_key],
    )
    return await cursor.fetchone() is not None


async def backend_move_list_placed(connection: Connection, limit: int) -> list[PlacedBackend]:
    """At most `limit` backends that are to be carried over, the oldest first."""
    async with connection.cursor(row_factory=class_row(PlacedBackend)) as cursor:
        await cursor.execute(
            "SELECT m.move_key, m.backend_key, c.name AS to FROM realms.backend_move m"
            " JOIN realms.cluster c ON c.cluster_key = m.to_key WHERE m.phase = 'placed'"
            " ORDER BY m.move_key, m.backend_key LIMIT %s",
            [limit],
        )
        return await cursor.fetchall()


async def backend_move_lock_in_txn(connection: Connection, move_key: int, backend_key: int) -> BackendOnItsWay | None:
    """How far it is; nobody else changes that meanwhile."""
    async with connection.cursor(row_factory=kwargs_row(_on_its_way)) as cursor:
        await cursor.execute(
            "SELECT phase, from_key, to_key FROM realms.backend_move WHERE move_key = %s AND backend_key = %s"
            " FOR NO KEY UPDATE",
            [move_key, backend_key],
        )
        return await cursor.fetchone()


async def backend_move_set_moved(
    connection: Connection, move_key: int, backend_key: int, *, rows_carried: int, paused_ms: int
) -> None:
    """Its rows were carried over: so many, while nobody could write for so long."""
    await connection.execute(
        "UPDATE realms.backend_move SET phase = 'moved', rows_carried = %s, paused_ms = %s"
        " WHERE move_key = %s AND backend_key = %s",
        [rows_carried, paused_ms, move_key, backend_key],
    )
    await connection.execute(
        "UPDATE realms.backend SET cluster_key = (SELECT to_key FROM realms.backend_move"
        " WHERE move_key = %s AND backend_key = %s), placed = placed + 1 WHERE backend_key = %s",
        [move_key, backend_key, backend_key],
    )


async def backend_move_give_up(
    connection: Connection, move_key: int, backend_key: int, problem: str, phase: Phase
) -> None:
    """It stays where it is, and is in that phase now."""
    await connection.execute(
        "UPDATE realms.backend_move SET phase = %s, problem = %s WHERE move_key = %s AND backend_key = %s",
        [phase.value, problem, move_key, backend_key],
    )


async def backend_move_advance(connection: Connection, backend_key: int, after: Phase, phase: Phase) -> None:
    """It is in that phase now, if it was `after` that."""
    await connection.execute(
        "UPDATE realms.backend_move SET phase = %s WHERE backend_key = %s AND phase = %s",
        [phase.value, backend_key, after.value],
    )


async def cluster_has_moves(connection: Connection, cluster_key: int) -> bool:
    """Whether something comes or goes there."""
    cursor = await connection.execute(
        "SELECT FROM realms.backend_move WHERE %s IN (from_key, to_key) AND phase NOT IN ('done', 'back') LIMIT 1",
        [cluster_key],
    )
    return await cursor.fetchone() is not None


async def cluster_end_moves(connection: Connection, cluster_key: int, problem: str) -> list[tuple[int, int]]:
    """End what comes or goes there, as far as that cluster has a part in it.

    Returns those that were on their way from there, each with the cluster on which something of it is left: it has to
    be removed there, and the move is over then.
    """
    await connection.execute(
        "UPDATE realms.backend_move SET phase = 'back', problem = %s"
        " WHERE to_key = %s AND phase IN ('asked', 'placed', 'given_up')",
        [problem, cluster_key],
    )
    await connection.execute(
        "UPDATE realms.backend_move SET phase = 'done' WHERE from_key = %s AND phase = 'moved'", [cluster_key]
    )
    cursor = await connection.execute(
        "UPDATE realms.backend_move SET phase = 'given_up', problem = %s WHERE from_key = %s"
        " AND phase IN ('asked', 'placed') RETURNING backend_key, to_key",
        [problem, cluster_key],
    )
    return [(row[0], row[1]) for row in await cursor.fetchall()]


async def project_is_coming(connection: Connection, project_key: int) -> bool:
    """Whether the project is being brought in: whoever does that writes into its databases where they are."""
    cursor = await connection.execute(
        f"SELECT FROM realms.project p WHERE p.project_key = %s AND {_COMING}".encode(), [project_key]
    )
    return await cursor.fetchone() is not None


async def project_next_to_leave(
    connection: Connection, cluster_key: int, pause_s: float, refused: Sequence[int]
) -> int | None:
    """A project that has something on that cluster and is not on its way, nor was within `pause_s` seconds.

    None of those that are being brought in, nor of those that were `refused`. None at all where another one is just
    leaving it: one after the other.
    """
    cursor = await connection.execute(
        "SELECT p.project_key FROM realms.project p WHERE (p.cluster_key = %(cluster)s OR EXISTS"  # noqa: S608
        " (SELECT FROM realms.backend b WHERE b.project_key = p.project_key AND b.cluster_key = %(cluster)s"
        " AND b.state <> 'dropped')) AND NOT EXISTS (SELECT FROM realms.move m WHERE m.project_key = p.project_key"
        " AND (m.state = 'moving' OR m.ended_at > clock_timestamp() - make_interval(secs => %(pause)s)))"
        " AND NOT EXISTS (SELECT FROM realms.backend_move o WHERE o.from_key = %(cluster)s"
        f" AND o.phase NOT IN ('done', 'back')) AND NOT {_COMING}"
        " AND p.project_key <> ALL (%(refused)s::bigint[]) ORDER BY p.project_key LIMIT 1",
        {"cluster": cluster_key, "pause": pause_s, "refused": list(refused)},
    )
    row = await cursor.fetchone()
    return None if row is None else int(row[0])


async def project_send_back(connection: Connection, move_key: int) -> None:
    """New backends of the project go where the others are, if none of them was moved."""
    await connection.execute(
        "UPDATE realms.project p SET cluster_key = b.from_key"
        " FROM realms.move m JOIN realms.backend_move b USING (move_key)"
        " WHERE m.move_key = %s AND p.project_key = m.project_key AND NOT EXISTS (SELECT FROM realms.backend_move d"
        " WHERE d.move_key = m.move_key AND d.phase <> 'back') AND EXISTS (SELECT FROM realms.cluster c"
        " WHERE c.cluster_key = b.from_key AND c.forgotten_at IS NULL)",
        [move_key],
    )


async def project_is_elsewhere(connection: Connection, backend_key: int, cluster_key: int) -> bool:
    """Whether nothing of the backend's project is on that cluster, or comes or goes there, but for that backend."""
    cursor = await connection.execute(
        "SELECT p.cluster_key <> %(cluster)s AND NOT EXISTS (SELECT FROM realms.backend b"
        " LEFT JOIN realms.backend_move m ON m.backend_key = b.backend_key AND m.phase NOT IN ('done', 'back')"
        " WHERE b.project_key = p.project_key AND b.backend_key <> %(backend)s AND b.state <> 'dropped'"
        " AND %(cluster)s IN (b.cluster_key, m.from_key, m.to_key))"
        " FROM realms.project p WHERE p.project_key ="
        " (SELECT o.project_key FROM realms.backend o WHERE o.backend_key = %(backend)s)",
        {"backend": backend_key, "cluster": cluster_key},
    )
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def _moves(connection: Connection, query: str, arguments: Sequence[Any]) -> list[Move]:
    async with connection.cursor(row_factory=kwargs_row(_move)) as cursor:
        await cursor.execute(query.encode(), arguments)
        moves = await cursor.fetchall()
    for move in moves:
        async with connection.cursor(row_factory=kwargs_row(_backend)) as cursor:
            await cursor.execute(
                "SELECT m.backend_key, b.app_key, b.stage, m.phase, m.rows_carried, m.paused_ms, m.problem"
                " FROM realms.backend_move m JOIN realms.backend b USING (backend_key) WHERE m.move_key = %s"
                " ORDER BY m.backend_key",
                [move.move_key],
            )
            move.backends.extend(await cursor.fetchall())
    return moves
