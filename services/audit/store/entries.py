"""Reading entries: what a scope and a filter choose, in the order of the log."""

from collections.abc import Iterable
from typing import Any, Final

from psycopg.rows import class_row

from services.audit.records import Filter, Leaf, Question, Row, Scope, Tombstone
from services.audit.store.log import FIELDS
from shared.database import Connection

_ENTRY: Final = f"{FIELDS}, leaf_index, salt"
# The account's own: what it did, what was done in its name, and what was done to it.
_ACCOUNT: Final = (
    "((actor ->> 'kind') = 'person' AND (actor ->> 'key') = %(account)s"
    " OR (actor ->> 'on_behalf_of') = %(account)s"
    " OR (asset ->> 'kind') = 'account' AND (asset ->> 'key') = %(account)s)"
)


async def entry_find(connection: Connection, entry_id: int) -> Row | None:
    """The entry of that id, unless it is redacted or not integrated yet."""
    async with connection.cursor(row_factory=class_row(Row)) as cursor:
        await cursor.execute(f"SELECT {_ENTRY} FROM audit.entry WHERE id = %s AND salt IS NOT NULL", [entry_id])  # noqa: S608
        return await cursor.fetchone()


async def entries_before(
    connection: Connection, question: Question, *, below: int, offset: int, limit: int
) -> list[Row]:
    """Entries with a leaf index under `below`, newest first, the first `offset` left out."""
    where, values = _where(question.scope, question.conditions)
    async with connection.cursor(row_factory=class_row(Row)) as cursor:
        await cursor.execute(
            f"SELECT {_ENTRY} FROM audit.entry WHERE {where} AND leaf_index < %(below)s"  # noqa: S608
            " ORDER BY leaf_index DESC OFFSET %(offset)s LIMIT %(limit)s",
            {**values, "below": below, "offset": offset, "limit": limit},
        )
        return await cursor.fetchall()


async def entries_from(connection: Connection, question: Question, *, start: int, end: int, limit: int) -> list[Row]:
    """Entries with a leaf index in `[start, end)`, oldest first."""
    where, values = _where(question.scope, question.conditions)
    async with connection.cursor(row_factory=class_row(Row)) as cursor:
        await cursor.execute(
            f"SELECT {_ENTRY} FROM audit.entry WHERE {where} AND leaf_index >= %(start)s AND leaf_index < %(end)s"  # noqa: S608
            " ORDER BY leaf_index LIMIT %(limit)s",
            {**values, "start": start, "end": end, "limit": limit},
        )
        return await cursor.fetchall()


async def entries_all(connection: Connection, *, start: int, limit: int) -> list[Row]:
    """Every entry that is not redacted, from leaf index `start`."""
    async with connection.cursor(row_factory=class_row(Row)) as cursor:
        await cursor.execute(
            f"SELECT {_ENTRY} FROM audit.entry WHERE leaf_index >= %s AND salt IS NOT NULL"  # noqa: S608
            " ORDER BY leaf_index LIMIT %s",
            [start, limit],
        )
        return await cursor.fetchall()


async def entries_of(connection: Connection, actions: Iterable[str], *, start: int, end: int) -> list[Row]:
    """The entries of these actions with a leaf index in `[start, end)` that are not redacted, oldest first."""
    async with connection.cursor(row_factory=class_row(Row)) as cursor:
        await cursor.execute(
            f"SELECT {_ENTRY} FROM audit.entry WHERE leaf_index >= %s AND leaf_index < %s AND salt IS NOT NULL"  # noqa: S608
            " AND action = ANY (%s) ORDER BY leaf_index",
            [start, end, list(actions)],
        )
        return await cursor.fetchall()


async def leaves(connection: Connection, *, start: int, limit: int) -> list[Leaf]:
    """Leaves from index `start` on with what there is for them, as of one moment."""
    cursor = await connection.execute(
        "SELECT l.leaf_index, l.commitment, r.leaf_index IS NOT NULL, e.id, e.recorded_at, e.service, e.action,"
        " e.aspect, e.actor, e.asset, e.project, e.before, e.after, e.reason, e.source, e.outcome, e.leaf_index, e.salt"
        " FROM audit.leaf l LEFT JOIN audit.entry e USING (leaf_index) LEFT JOIN audit.redaction r USING (leaf_index)"
        " WHERE l.leaf_index >= %s ORDER BY l.leaf_index LIMIT %s",
        [start, limit],
    )
    return [
        Leaf(index, committed, Row(*fields) if fields[-1] is not None else None, is_redacted)
        for index, committed, is_redacted, *fields in await cursor.fetchall()
    ]


async def tombstones(connection: Connection, projects: tuple[int, ...], *, start: int, end: int) -> list[Tombstone]:
    """What is left of the projects' redacted entries with a leaf index in `[start, end)`, oldest first."""
    async with connection.cursor(row_factory=class_row(Tombstone)) as cursor:
        await cursor.execute(
            "SELECT leaf_index, commitment, cause, redacted_at FROM audit.redaction JOIN audit.leaf USING (leaf_index)"
            " WHERE project = ANY(%s) AND leaf_index >= %s AND leaf_index < %s ORDER BY leaf_index",
            [list(projects), start, end],
        )
        return await cursor.fetchall()


def _where(scope: Scope, conditions: Filter) -> tuple[str, dict[str, Any]]:
    values = {
        "projects": list(scope.projects),
        "account": None if scope.account_key is None else str(scope.account_key),
        "aspect": conditions.aspect,
        "action": conditions.action,
        "outcome": conditions.outcome,
        "since": conditions.since,
        "until": conditions.until,
    }
    parts = [f"(project = ANY(%(projects)s){f' OR {_ACCOUNT}' if scope.account_key is not None else ''})"]
    parts += [f"{name} = %({name})s" for name in ("aspect", "action", "outcome") if values[name] is not None]
    if conditions.since is not None:
        parts.append("recorded_at >= %(since)s")
    if conditions.until is not None:
        parts.append("recorded_at < %(until)s")
    for column, pair in (("actor", conditions.actor), ("asset", scope.asset)):
        if pair is not None:
            parts.append(f"({column} ->> 'kind') = %({column}_kind)s AND ({column} ->> 'key') = %({column}_key)s")
            values[f"{column}_kind"], values[f"{column}_key"] = pair
    return " AND ".join(parts), values
