"""Projects."""

from datetime import datetime
from typing import Any, Final

from psycopg.rows import kwargs_row

from services.realms.records.projects import Project
from services.realms.records.values import LegacyMode
from shared.database import Connection

_PROJECT: Final = (
    "project_key, name, description, owner_account_key, created_at, requires_factor, requires_same_address,"
    " legacy_mode, legacy_until,"
    " (SELECT c.region FROM realms.cluster c WHERE c.cluster_key = project.cluster_key) AS region,"
    " (SELECT c.name FROM realms.cluster c WHERE c.cluster_key = project.cluster_key) AS cluster,"
    " (SELECT c.name FROM realms.cell c WHERE c.cell_key = project.cell_key) AS cell"
)


def _project(**row: Any) -> Project:
    return Project(**{**row, "legacy_mode": LegacyMode(row["legacy_mode"])})


async def project_insert(
    connection: Connection,
    *,
    name: str,
    name_canonical: str,
    description: str,
    owner_account_key: int,
    cluster_key: int,
    cell_key: int,
) -> Project:
    """A new project.

    Raises:
        psycopg.errors.UniqueViolation: The owner has one of that name.
    """
    async with connection.cursor(row_factory=kwargs_row(_project)) as cursor:
        await cursor.execute(
            "INSERT INTO realms.project (name, name_canonical, description, owner_account_key,"  # noqa: S608
            f" cluster_key, cell_key) VALUES (%s, %s, %s, %s, %s, %s) RETURNING {_PROJECT}",
            [name, name_canonical, description, owner_account_key, cluster_key, cell_key],
        )
        project = await cursor.fetchone()
    if project is None:
        raise LookupError("an insert returned no row")
    return project


async def project_find(connection: Connection, project_key: int) -> Project | None:
    """The project of that key."""
    async with connection.cursor(row_factory=kwargs_row(_project)) as cursor:
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


async def project_require_same_address(connection: Connection, project_key: int, *, required: bool) -> bool:
    """Ask of tunnel clients that they come from where their agents do, or do not; False where it was so already."""
    cursor = await connection.execute(
        "UPDATE realms.project SET requires_same_address = %s WHERE project_key = %s AND requires_same_address <> %s"
        " RETURNING project_key",
        [required, project_key, required],
    )
    return await cursor.fetchone() is not None


async def project_lock_in_txn(connection: Connection, project_key: int) -> bool:
    """Lock the project's row until the transaction ends: changes in it come one after the other; False without one."""
    cursor = await connection.execute(
        "SELECT project_key FROM realms.project WHERE project_key = %s FOR NO KEY UPDATE", [project_key]
    )
    return await cursor.fetchone() is not None


async def project_set_legacy_mode(
    connection: Connection, project_key: int, mode: LegacyMode, until: datetime | None
) -> bool:
    """Let old containers in otherwise; False where it was so already."""
    cursor = await connection.execute(
        "UPDATE realms.project SET legacy_mode = %(mode)s, legacy_until = %(until)s WHERE project_key = %(key)s"
        " AND (legacy_mode, legacy_until) IS DISTINCT FROM (%(mode)s, %(until)s::timestamptz) RETURNING project_key",
        {"mode": mode.value, "until": until, "key": project_key},
    )
    return await cursor.fetchone() is not None


async def project_lock_legacy_over(connection: Connection, limit: int) -> list[Project]:
    """At most `limit` projects that let old containers in until a date that is over; locked where nobody else has."""
    async with connection.cursor(row_factory=kwargs_row(_project)) as cursor:
        await cursor.execute(
            f"SELECT {_PROJECT} FROM realms.project WHERE legacy_mode <> 'strict'"  # noqa: S608
            " AND legacy_until <= clock_timestamp() ORDER BY legacy_until LIMIT %s FOR NO KEY UPDATE SKIP LOCKED",
            [limit],
        )
        return await cursor.fetchall()


async def project_find_by_name(connection: Connection, keys: list[int], name_canonical: str) -> list[Project]:
    """Those of the projects of these keys that have that name, in canonical form."""
    async with connection.cursor(row_factory=kwargs_row(_project)) as cursor:
        await cursor.execute(
            f"SELECT {_PROJECT} FROM realms.project WHERE project_key = ANY (%s) AND name_canonical = %s",  # noqa: S608
            [keys, name_canonical],
        )
        return await cursor.fetchall()


async def project_named(connection: Connection, name_canonical: str) -> list[Project]:
    """Two projects at most that have that name, in canonical form, whoever owns them."""
    async with connection.cursor(row_factory=kwargs_row(_project)) as cursor:
        await cursor.execute(
            f"SELECT {_PROJECT} FROM realms.project WHERE name_canonical = %s ORDER BY project_key LIMIT 2",  # noqa: S608
            [name_canonical],
        )
        return await cursor.fetchall()


async def project_set_cluster(connection: Connection, project_key: int, cluster_key: int) -> None:
    """New backends of the project go there."""
    await connection.execute(
        "UPDATE realms.project SET cluster_key = %s WHERE project_key = %s", [cluster_key, project_key]
    )


async def project_list(connection: Connection, keys: list[int], *, after: int, limit: int) -> list[Project]:
    """At most `limit` of the projects of those keys, with keys above `after`, in the order of keys."""
    async with connection.cursor(row_factory=kwargs_row(_project)) as cursor:
        await cursor.execute(
            f"SELECT {_PROJECT} FROM realms.project WHERE project_key = ANY (%s) AND project_key > %s"  # noqa: S608
            " ORDER BY project_key LIMIT %s",
            [keys, after, limit],
        )
        return await cursor.fetchall()


async def project_set_owner(connection: Connection, project_key: int, owner_account_key: int) -> bool:
    """Give the project to somebody else; False where there is none of that key.

    Raises:
        psycopg.errors.UniqueViolation: They have one of that name.
    """
    cursor = await connection.execute(
        "UPDATE realms.project SET owner_account_key = %s WHERE project_key = %s RETURNING project_key",
        [owner_account_key, project_key],
    )
    return await cursor.fetchone() is not None


async def project_set_told(connection: Connection, project_key: int) -> None:
    """Privileges knows the project."""
    await connection.execute("UPDATE realms.project SET is_told = true WHERE project_key = %s", [project_key])


async def project_list_untold(connection: Connection, limit: int) -> list[Project]:
    """At most `limit` projects that privileges does not know, as far as is known here."""
    async with connection.cursor(row_factory=kwargs_row(_project)) as cursor:
        await cursor.execute(
            f"SELECT {_PROJECT} FROM realms.project WHERE NOT is_told ORDER BY project_key LIMIT %s",  # noqa: S608
            [limit],
        )
        return await cursor.fetchall()
