"""Whose data apps ask to read in projects, and may."""

from typing import Final

from psycopg.rows import class_row

from services.realms.records.installs import Access, Request
from shared.database import Connection

_ACCESS: Final = (
    "SELECT x.project_key, x.app_key, a.name AS app_name, x.provider, x.reason, x.is_granted, x.granted_at"
    " FROM realms.app_access x JOIN realms.app a USING (app_key)"
)


async def access_list(connection: Connection, project_key: int) -> list[Access]:
    """Everything that is asked for in the project."""
    async with connection.cursor(row_factory=class_row(Access)) as cursor:
        await cursor.execute(
            f"{_ACCESS} WHERE x.project_key = %s ORDER BY x.app_key, x.provider".encode(), [project_key]
        )
        return await cursor.fetchall()


async def access_list_of(connection: Connection, project_key: int, app_key: int) -> list[Access]:
    """Everything that one app asks for in the project."""
    async with connection.cursor(row_factory=class_row(Access)) as cursor:
        await cursor.execute(
            f"{_ACCESS} WHERE x.project_key = %s AND x.app_key = %s ORDER BY x.provider".encode(),
            [project_key, app_key],
        )
        return await cursor.fetchall()


async def access_insert(connection: Connection, project_key: int, app_key: int, request: Request) -> None:
    """The app asks for something."""
    await connection.execute(
        "INSERT INTO realms.app_access (project_key, app_key, provider, reason) VALUES (%s, %s, %s, %s)",
        [project_key, app_key, request.provider, request.reason],
    )


async def access_delete(connection: Connection, project_key: int, app_key: int, providers: list[str]) -> None:
    """The app asks for these no more."""
    await connection.execute(
        "DELETE FROM realms.app_access WHERE project_key = %s AND app_key = %s AND provider = ANY (%s)",
        [project_key, app_key, providers],
    )


async def access_set_granted(
    connection: Connection, project_key: int, app_key: int, provider: str, *, is_granted: bool
) -> bool:
    """Let the app read, or do not; False where it was so already, or nobody asked."""
    cursor = await connection.execute(
        "UPDATE realms.app_access SET is_granted = %(granted)s,"
        " granted_at = CASE WHEN %(granted)s THEN clock_timestamp() END WHERE project_key = %(project)s"
        " AND app_key = %(app)s AND provider = %(provider)s AND is_granted <> %(granted)s RETURNING provider",
        {"granted": is_granted, "project": project_key, "app": app_key, "provider": provider},
    )
    return await cursor.fetchone() is not None


async def access_rename_provider(connection: Connection, before: str, after: str) -> None:
    """The provider is called otherwise: what was asked of it stays asked of it, unless the new name stands there."""
    await connection.execute(
        "UPDATE realms.app_access x SET provider = %(after)s WHERE provider = %(before)s AND NOT EXISTS"
        " (SELECT FROM realms.app_access y WHERE y.project_key = x.project_key AND y.app_key = x.app_key"
        " AND y.provider = %(after)s)",
        {"before": before, "after": after},
    )
    await connection.execute("DELETE FROM realms.app_access WHERE provider = %s", [before])


async def access_revoke_provider(connection: Connection, provider: str) -> list[Access]:
    """Nobody may read that provider's data any more, in any project; those who might. Requests stay."""
    async with connection.cursor(row_factory=class_row(Access)) as cursor:
        await cursor.execute(
            "UPDATE realms.app_access x SET is_granted = false, granted_at = NULL FROM realms.app a"
            " WHERE a.app_key = x.app_key AND x.provider = %s AND x.is_granted"
            " RETURNING x.project_key, x.app_key, a.name AS app_name, x.provider, x.reason, x.is_granted, x.granted_at",
            [provider],
        )
        return await cursor.fetchall()
