"""Apps in projects."""

from typing import Any, Final

from psycopg.rows import kwargs_row

from services.realms.records.installs import AskStanding, Install, Provider, Standing
from services.realms.records.values import LegacyMode, Stage
from shared.database import Connection

_INSTALL: Final = (
    "SELECT i.project_key, i.app_key, a.name AS app_name, i.stage, i.release_key, r.version, i.installed_at"
    " FROM realms.install i JOIN realms.app a USING (app_key) LEFT JOIN realms.release r USING (release_key)"
)


def _install(**row: Any) -> Install:
    return Install(**{**row, "stage": Stage(row["stage"])})


async def install_insert(
    connection: Connection, project_key: int, app_key: int, stage: Stage, release_key: int | None
) -> None:
    """The app is in the project."""
    await connection.execute(
        "INSERT INTO realms.install (project_key, app_key, stage, release_key) VALUES (%s, %s, %s, %s)",
        [project_key, app_key, stage.value, release_key],
    )


async def install_set_release(
    connection: Connection, project_key: int, app_key: int, stage: Stage, release_key: int
) -> None:
    """Another release of the app is in the project."""
    await connection.execute(
        "UPDATE realms.install SET release_key = %s WHERE project_key = %s AND app_key = %s AND stage = %s",
        [release_key, project_key, app_key, stage.value],
    )


async def install_delete(connection: Connection, project_key: int, app_key: int, stage: Stage) -> None:
    """The app is in the project no more."""
    await connection.execute(
        "DELETE FROM realms.install WHERE project_key = %s AND app_key = %s AND stage = %s",
        [project_key, app_key, stage.value],
    )


async def install_find(connection: Connection, project_key: int, app_key: int, stage: Stage) -> Install | None:
    """The app in the project, if it is there for that stage."""
    async with connection.cursor(row_factory=kwargs_row(_install)) as cursor:
        await cursor.execute(
            f"{_INSTALL} WHERE i.project_key = %s AND i.app_key = %s AND i.stage = %s".encode(),
            [project_key, app_key, stage.value],
        )
        return await cursor.fetchone()


async def install_list(connection: Connection, project_key: int) -> list[Install]:
    """Every app in the project, in the order of app keys."""
    async with connection.cursor(row_factory=kwargs_row(_install)) as cursor:
        await cursor.execute(f"{_INSTALL} WHERE i.project_key = %s ORDER BY i.app_key, i.stage".encode(), [project_key])
        return await cursor.fetchall()


async def template_list_of(connection: Connection, project_key: int, app_key: int) -> list[dict[str, Any]]:
    """The data templates of the releases of the app that are in the project, the oldest release first."""
    cursor = await connection.execute(
        "SELECT data_template FROM realms.release WHERE data_template IS NOT NULL AND release_key IN"
        " (SELECT release_key FROM realms.install WHERE project_key = %s AND app_key = %s) ORDER BY release_key",
        [project_key, app_key],
    )
    return [row[0] for row in await cursor.fetchall()]


async def standing_read(connection: Connection, asked: AskStanding) -> Standing:
    """What decides whether an app of a device may join a data realm, as of one moment."""
    own = [] if asked.app_key is None else [asked.app_key]
    cursor = await connection.execute(
        "SELECT EXISTS (SELECT FROM realms.install WHERE project_key = %(project)s AND app_key = %(app)s"
        " AND stage = %(stage)s),"
        " (SELECT name_canonical FROM realms.app WHERE app_key = %(app)s),"
        " ARRAY (SELECT DISTINCT provider FROM realms.app_access WHERE project_key = %(project)s"
        " AND app_key = ANY (%(consumers)s) AND is_granted ORDER BY provider),"
        " (SELECT legacy_mode FROM realms.project WHERE project_key = %(project)s"
        " AND legacy_until > clock_timestamp())",
        {
            "project": asked.project_key,
            "app": asked.realm_app_key,
            "stage": asked.realm_stage.value,
            "consumers": own or asked.app_keys,
        },
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("a query of constants returned no row")
    is_installed, name, grants, mode = row
    provider = None if name is None else Provider(name, "APP")
    return Standing(is_installed, provider, grants, LegacyMode(mode or "strict"))
