"""How long rows are kept, where people say otherwise than the release."""

from collections.abc import Mapping
from typing import Any

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.realms.records.retention import Change
from shared.database import Connection


async def retention_list(connection: Connection, backend_key: int) -> dict[str, int]:
    """What was said of the backend's tables, in seconds."""
    cursor = await connection.execute(
        "SELECT table_name, keep_s FROM realms.retention WHERE backend_key = %s", [backend_key]
    )
    return {row[0]: row[1] for row in await cursor.fetchall()}


async def retention_put(connection: Connection, backend_key: int, table: str, keep_s: int) -> None:
    """So much is kept of the table."""
    await connection.execute(
        "INSERT INTO realms.retention (backend_key, table_name, keep_s) VALUES (%s, %s, %s)"
        " ON CONFLICT (backend_key, table_name) DO UPDATE SET keep_s = excluded.keep_s",
        [backend_key, table, keep_s],
    )


async def retention_delete(connection: Connection, backend_key: int, table: str) -> None:
    """Nothing is said of the table."""
    await connection.execute(
        "DELETE FROM realms.retention WHERE backend_key = %s AND table_name = %s", [backend_key, table]
    )


async def retention_change_insert(
    connection: Connection, backend_key: int, account_key: int, spans: Mapping[str, int | None]
) -> None:
    """Something was said that is not in force yet."""
    await connection.execute(
        "INSERT INTO realms.retention_change (backend_key, account_key, spans) VALUES (%s, %s, %s)",
        [backend_key, account_key, Jsonb(dict(spans))],
    )


async def retention_is_in_force(connection: Connection, backend_key: int) -> bool:
    """Whether everything that was said is."""
    cursor = await connection.execute(
        "SELECT NOT EXISTS (SELECT FROM realms.retention_change WHERE backend_key = %s)", [backend_key]
    )
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def retention_change_take(connection: Connection, backend_key: int, upto: int) -> list[Change]:
    """Those that are in force now, `upto` and before it, in their order; nobody waits for them any more."""
    async with connection.cursor(row_factory=class_row(Change)) as cursor:
        await cursor.execute(
            "DELETE FROM realms.retention_change WHERE backend_key = %s AND change_key <= %s"
            " RETURNING change_key, account_key, spans",
            [backend_key, upto],
        )
        return sorted(await cursor.fetchall(), key=lambda change: change.change_key)


async def template_find(connection: Connection, backend_key: int) -> dict[str, Any] | None:
    """The data template of the release that is installed there."""
    cursor = await connection.execute(
        "SELECT r.data_template FROM realms.backend b JOIN realms.install i USING (project_key, app_key, stage)"
        " JOIN realms.release r USING (release_key) WHERE b.backend_key = %s",
        [backend_key],
    )
    row = await cursor.fetchone()
    template: dict[str, Any] | None = None if row is None else row[0]
    return template
