"""The SQL of realms, one statement a function."""

from typing import Final

from psycopg.rows import class_row

from services.realms.records import Project
from shared.database import Connection

_PROJECT: Final = "project_key, name, description, owner_account_key, created_at, requires_factor"


async def project_insert(
    connection: Connection, *, name: str, name_canonical: str, description: str, owner_account_key: int
) -> Project:
    """A new project.

    Raises:
        psycopg.errors.UniqueViolation: The owner has one of that name.
    """
    async with connection.cursor(row_factory=class_row(Project)) as cursor:
        await cursor.execute(
            "INSERT INTO realms.project (name, name_canonical, description, owner_account_key)"  # noqa: S608
            f" VALUES (%s, %s, %s, %s) RETURNING {_PROJECT}",
            [name, name_canonical, description, owner_account_key],
        )
        project = await cursor.fetchone()
    if project is None:
        raise LookupError("an insert returned no row")
    return project


async def project_find(connection: Connection, project_key: int) -> Project | None:
    """The project of that key."""
    async with connection.cursor(row_factory=class_row(Project)) as cursor:
        await cursor.execute(f"SELECT {_PROJECT} FROM realms.project WHERE project_key = %s", [project_key])  # noqa: S608
        return await cursor.fetchone()


async def project_require_factor(connection: Connection, project_key: int, *, required: bool) -> bool:
    """Ask a second factor of whoever works in the project, or do not; False where it was so already."""
    cursor = await connection.execute(
        "UPDATE realms.project SET requires_factor = %s WHERE project_key = %s AND requires_factor <> %s"
        " RETURNING project_key",
        [required, project_key, required],
    )
    return await cursor.fetchone() is not None


async def project_find_by_name(
    connection: Connection, *, owner_account_key: int, name_canonical: str
) -> Project | None:
    """The owner's project of that name, in canonical form."""
    async with connection.cursor(row_factory=class_row(Project)) as cursor:
        await cursor.execute(
            f"SELECT {_PROJECT} FROM realms.project WHERE owner_account_key = %s AND name_canonical = %s",  # noqa: S608
            [owner_account_key, name_canonical],
        )
        return await cursor.fetchone()


async def project_list_by_owner(
    connection: Connection, *, owner_account_key: int, after: int, limit: int
) -> list[Project]:
    """At most `limit` projects of the owner with keys above `after`, in the order of keys."""
    async with connection.cursor(row_factory=class_row(Project)) as cursor:
        await cursor.execute(
            f"SELECT {_PROJECT} FROM realms.project WHERE owner_account_key = %s AND project_key > %s"  # noqa: S608
            " ORDER BY project_key LIMIT %s",
            [owner_account_key, after, limit],
        )
        return await cursor.fetchall()
