"""Data backends."""

from typing import Any, Final

from psycopg.rows import kwargs_row

from services.realms.records.backends import Backend, BackendState, KnownBackend, Names, Realm, StandingBackend
from services.realms.records.values import Stage
from shared.database import Connection

_KNOWN: Final = (
    "SELECT b.backend_key, b.project_key, b.app_key, b.stage, b.state, d.database_name, b.schema_name, b.owner_name,"
    " b.login_name, b.next_login_name, b.old_login_name, b.epoch, b.creator_account_key, b.cluster_key,"
    " EXISTS (SELECT FROM realms.backend_move m WHERE m.backend_key = b.backend_key"
    " AND m.phase NOT IN ('done', 'back')) AS is_moving"
    " FROM realms.backend b JOIN realms.project_database d USING (project_key)"
)
_SHOWN: Final = (
    "SELECT b.backend_key, b.project_key, b.app_key, a.name_canonical AS app_name, b.stage,"
    " d.database_name AS database, b.schema_name AS schema,"
    " b.login_name AS login, b.epoch, r.data_template AS template,"
    " ARRAY (SELECT x.provider FROM realms.app_access x WHERE x.project_key = b.project_key AND x.app_key = b.app_key"
    " AND x.is_granted ORDER BY x.provider) AS providers,"
    " coalesce((SELECT jsonb_object_agg(k.table_name, k.keep_s) FROM realms.retention k"
    " WHERE k.backend_key = b.backend_key), '{}') AS keeps,"
    " (SELECT max(c.change_key) FROM realms.retention_change c WHERE c.backend_key = b.backend_key)"
    " AS retention_change, b.placed,"
    " (SELECT c.name FROM realms.cluster c WHERE c.cluster_key = b.cluster_key) AS cluster,"
    " (SELECT c.name FROM realms.project p JOIN realms.cell c USING (cell_key) WHERE p.project_key = b.project_key)"
    " AS cell"
    " FROM realms.backend b JOIN realms.project_database d USING (project_key) JOIN realms.app a USING (app_key)"
    " LEFT JOIN realms.install i USING (project_key, app_key, stage) LEFT JOIN realms.release r USING (release_key)"
)
_READY: Final = f"{_SHOWN} WHERE b.state = 'ready' AND i.project_key IS NOT NULL"
_CHANGED: Final = "ironflock.realms.backend.changed"


def _known(**row: Any) -> KnownBackend:
    return KnownBackend(**{**row, "stage": Stage(row["stage"]), "state": BackendState(row["state"])})


def _ready(**row: Any) -> Backend:
    return Backend(**{**row, "stage": Stage(row["stage"])})


def _standing(**row: Any) -> StandingBackend:
    return StandingBackend(**{**row, "stage": Stage(row["stage"]), "state": BackendState(row["state"])})


def _realm(**row: Any) -> Realm:
    return Realm(**{**row, "stage": Stage(row["stage"])})


async def project_database_ensure(connection: Connection, project_key: int, database_name: str) -> None:
    """The project has a database, called `database_name` unless it had one before."""
    await connection.execute(
        "INSERT INTO realms.project_database (project_key, database_name) VALUES (%s, %s)"
        " ON CONFLICT (project_key) DO NOTHING",
        [project_key, database_name],
    )


async def project_database_set_ready(connection: Connection, project_key: int) -> None:
    """It is there."""
    await connection.execute(
        "UPDATE realms.project_database SET state = 'ready' WHERE project_key = %s AND state <> 'ready'", [project_key]
    )


async def backend_want(
    connection: Connection, project_key: int, app_key: int, stage: Stage, names: Names, *, creator_account_key: int
) -> int:
    """The backend shall be there: the one that was closed, or a new one of these names. Returns its key."""
    cursor = await connection.execute(
        "INSERT INTO realms.backend (project_key, app_key, stage, schema_name, owner_name, login_name,"
        " creator_account_key, cluster_key) SELECT project_key, %s, %s, %s, %s, %s, %s, cluster_key"
        " FROM realms.project WHERE project_key = %s"
        " ON CONFLICT (project_key, app_key, stage) WHERE state <> 'dropped'"
        " DO UPDATE SET state = 'wanted' RETURNING backend_key",
        [app_key, stage.value, names.schema, names.owner, names.login, creator_account_key, project_key],
    )
    row = await cursor.fetchone()
    if row is None:
        raise LookupError("an insert returned no row")
    return int(row[0])


async def install_list_without_backend(connection: Connection, limit: int) -> list[tuple[int, int, str, int]]:
    """At most `limit` installs whose backend nobody has wanted yet: project, app, stage, owner of the project."""
    cursor = await connection.execute(
        "SELECT i.project_key, i.app_key, i.stage, p.owner_account_key FROM realms.install i"
        " JOIN realms.project p USING (project_key) WHERE NOT EXISTS (SELECT FROM realms.backend b"
        " WHERE b.project_key = i.project_key AND b.app_key = i.app_key AND b.stage = i.stage"
        " AND b.state NOT IN ('closed', 'dropped')) ORDER BY i.project_key, i.app_key, i.stage LIMIT %s",
        [limit],
    )
    return [(row[0], row[1], row[2], row[3]) for row in await cursor.fetchall()]


async def backend_find(connection: Connection, backend_key: int) -> KnownBackend | None:
    """The backend of that key."""
    async with connection.cursor(row_factory=kwargs_row(_known)) as cursor:
        await cursor.execute(f"{_KNOWN} WHERE b.backend_key = %s".encode(), [backend_key])
        return await cursor.fetchone()


async def backend_find_of(connection: Connection, project_key: int, app_key: int, stage: Stage) -> KnownBackend | None:
    """The backend of the app in the project at that stage, unless it was dropped."""
    async with connection.cursor(row_factory=kwargs_row(_known)) as cursor:
        await cursor.execute(
            f"{_KNOWN} WHERE b.project_key = %s AND b.app_key = %s AND b.stage = %s AND b.state <> 'dropped'".encode(),
            [project_key, app_key, stage.value],
        )
        return await cursor.fetchone()


async def backend_lock_in_txn(connection: Connection, backend_key: int) -> KnownBackend | None:
    """As `backend_find`; nobody else changes it until the transaction ends."""
    async with connection.cursor(row_factory=kwargs_row(_known)) as cursor:
        await cursor.execute(f"{_KNOWN} WHERE b.backend_key = %s FOR NO KEY UPDATE OF b".encode(), [backend_key])
        return await cursor.fetchone()


async def backend_set_state(
    connection: Connection, backend_key: int, state: BackendState, *, unless: BackendState
) -> None:
    """That shall be, or is; nothing changes where `unless` is so, or it was dropped."""
    await connection.execute(
        "UPDATE realms.backend SET state = %s WHERE backend_key = %s AND state NOT IN (%s, %s, 'dropped')",
        [state.value, backend_key, state.value, unless.value],
    )


async def backend_close(connection: Connection, backend_key: int) -> None:
    """It shall not be there any more; what is in it stays."""
    await connection.execute("UPDATE realms.backend SET state = 'closed' WHERE backend_key = %s", [backend_key])


async def backend_drop(connection: Connection, backend_key: int) -> None:
    """It shall be deleted with what is in it, of which privileges is to be told."""
    await connection.execute(
        "UPDATE realms.backend SET state = 'dropped', is_told = false WHERE backend_key = %s", [backend_key]
    )
    await connection.execute("DELETE FROM realms.retention WHERE backend_key = %s", [backend_key])


async def backend_list_named(
    connection: Connection, project_key: int, app: int | str, stage: Stage
) -> list[KnownBackend]:
    """The backends of apps of that key or canonical name, also of apps that are installed or there no more."""
    condition = "b.app_key = %s" if isinstance(app, int) else "a.name_canonical = %s"
    async with connection.cursor(row_factory=kwargs_row(_known)) as cursor:
        await cursor.execute(
            f"{_KNOWN} JOIN realms.app a USING (app_key) WHERE {condition} AND b.project_key = %s AND b.stage = %s"
            " AND b.state <> 'dropped'".encode(),
            [app, project_key, stage.value],
        )
        return await cursor.fetchall()


async def app_name_of(connection: Connection, backend_key: int) -> str:
    """What the app of a backend is called, or was."""
    cursor = await connection.execute(
        "SELECT a.name_canonical FROM realms.backend JOIN realms.app a USING (app_key) WHERE backend_key = %s",
        [backend_key],
    )
    row = await cursor.fetchone()
    return "" if row is None else str(row[0])


async def backend_set_next_login(connection: Connection, backend_key: int, login_name: str | None) -> None:
    """It shall have that login next, or none."""
    await connection.execute(
        "UPDATE realms.backend SET next_login_name = %s WHERE backend_key = %s", [login_name, backend_key]
    )


async def backend_rotate(connection: Connection, backend_key: int) -> None:
    """The next login takes the place of the present one, which is the old one now."""
    await connection.execute(
        "UPDATE realms.backend SET old_login_name = login_name, login_name = next_login_name, next_login_name = NULL,"
        " epoch = epoch + 1, rotated_at = clock_timestamp() WHERE backend_key = %s AND next_login_name IS NOT NULL",
        [backend_key],
    )


async def backend_forget_old_login(connection: Connection, backend_key: int) -> None:
    """There is none any more."""
    await connection.execute("UPDATE realms.backend SET old_login_name = NULL WHERE backend_key = %s", [backend_key])


async def backend_list_with_old_login(
    connection: Connection, cluster_key: int, older_than_s: float
) -> list[KnownBackend]:
    """Those of the cluster that were rotated longer than that ago and still have the login before."""
    async with connection.cursor(row_factory=kwargs_row(_known)) as cursor:
        await cursor.execute(
            f"{_KNOWN} WHERE b.old_login_name IS NOT NULL AND b.cluster_key = %s"
            " AND b.rotated_at < clock_timestamp() - make_interval(secs => %s) ORDER BY b.backend_key".encode(),
            [cluster_key, older_than_s],
        )
        return await cursor.fetchall()


async def backend_list_ready(connection: Connection, *, after: int, limit: int) -> list[Backend]:
    """At most `limit` backends that are ready, with keys above `after`, in the order of keys."""
    async with connection.cursor(row_factory=kwargs_row(_ready)) as cursor:
        await cursor.execute(
            f"{_READY} AND b.backend_key > %s ORDER BY b.backend_key LIMIT %s".encode(), [after, limit]
        )
        return await cursor.fetchall()


async def backend_find_ready(connection: Connection, backend_key: int) -> Backend | None:
    """The backend, if it is ready."""
    async with connection.cursor(row_factory=kwargs_row(_ready)) as cursor:
        await cursor.execute(f"{_READY} AND b.backend_key = %s".encode(), [backend_key])
        return await cursor.fetchone()


async def backend_find_moving(connection: Connection, backend_key: int) -> Backend | None:
    """The backend, also where the app is not installed any more and its rows are all that is left."""
    async with connection.cursor(row_factory=kwargs_row(_ready)) as cursor:
        await cursor.execute(f"{_SHOWN} WHERE b.backend_key = %s".encode(), [backend_key])
        return await cursor.fetchone()


async def backend_list_of(connection: Connection, project_key: int) -> list[KnownBackend]:
    """Those of the project that have rows, or are to have them; nobody else changes them until the transaction ends."""
    async with connection.cursor(row_factory=kwargs_row(_known)) as cursor:
        await cursor.execute(
            f"{_KNOWN} WHERE b.project_key = %s AND b.state <> 'dropped' ORDER BY b.backend_key"
            " FOR NO KEY UPDATE OF b".encode(),
            [project_key],
        )
        return await cursor.fetchall()


async def backend_list_on(connection: Connection, cluster_key: int) -> list[KnownBackend]:
    """Those that are on a cluster; nobody else changes them until the transaction ends."""
    async with connection.cursor(row_factory=kwargs_row(_known)) as cursor:
        await cursor.execute(
            f"{_KNOWN} WHERE b.cluster_key = %s AND b.state <> 'dropped' ORDER BY b.backend_key"
            " FOR NO KEY UPDATE OF b".encode(),
            [cluster_key],
        )
        return await cursor.fetchall()


async def realm_list(connection: Connection, project_key: int, *, closed: bool = False) -> list[Realm]:
    """The data realms of the project, in the order of app keys; and what is left of others, if `closed`."""
    async with connection.cursor(row_factory=kwargs_row(_realm)) as cursor:
        await cursor.execute(
            "SELECT format('realm-%%s-%%s-%%s', b.project_key, b.app_key, lower(b.stage)) AS realm, b.app_key,"
            " a.name AS app_name, b.stage, b.state, b.epoch FROM realms.backend b JOIN realms.app a USING (app_key)"
            " WHERE b.project_key = %s AND b.state <> 'dropped' AND (%s OR b.state <> 'closed')"
            " ORDER BY b.app_key, b.stage",
            [project_key, closed],
        )
        return await cursor.fetchall()


async def backend_list_standing(connection: Connection, project_key: int) -> list[StandingBackend]:
    """Every backend of the project whose rows are there, in the order of keys."""
    async with connection.cursor(row_factory=kwargs_row(_standing)) as cursor:
        await cursor.execute(
            "SELECT b.backend_key, b.app_key, a.name AS app_name, b.stage, b.state,"
            " EXISTS (SELECT FROM realms.backend_move m WHERE m.backend_key = b.backend_key"
            " AND m.phase NOT IN ('done', 'back')) AS is_moving"
            " FROM realms.backend b JOIN realms.app a USING (app_key)"
            " WHERE b.project_key = %s AND (b.state <> 'dropped' OR EXISTS ("
            "SELECT FROM realms.provision_job j WHERE j.backend_key = b.backend_key AND j.kind = 'drop'"
            " AND j.done_at IS NULL)) ORDER BY b.backend_key",
            [project_key],
        )
        return await cursor.fetchall()


async def backend_tell_changed(connection: Connection, project_key: int, app_key: int, stage: Stage | None) -> None:
    """Have told what else of a backend that is ready has changed: its template, or whose data it may read."""
    await connection.execute(
        "INSERT INTO realms.news (topic, content) SELECT %(topic)s, jsonb_build_object('backend_key', backend_key,"
        " 'project_key', project_key, 'app_key', app_key, 'stage', stage, 'state', 'ready', 'epoch', epoch)"
        " FROM realms.backend WHERE project_key = %(project)s AND app_key = %(app)s AND state = 'ready'"
        " AND (stage = %(stage)s OR %(stage)s::text IS NULL) ORDER BY backend_key",
        {"topic": _CHANGED, "project": project_key, "app": app_key, "stage": stage and stage.value},
    )


async def backend_list_untold(connection: Connection, limit: int) -> list[KnownBackend]:
    """At most `limit` backends that privileges does not know."""
    async with connection.cursor(row_factory=kwargs_row(_known)) as cursor:
        await cursor.execute(f"{_KNOWN} WHERE NOT b.is_told ORDER BY b.backend_key LIMIT %s".encode(), [limit])
        return await cursor.fetchall()


async def backend_set_told(connection: Connection, told: KnownBackend) -> None:
    """Privileges knows it as it was told; that it was dropped since is still to be told."""
    await connection.execute(
        "UPDATE realms.backend SET is_told = true WHERE backend_key = %s AND (state = 'dropped') = %s",
        [told.backend_key, told.state is BackendState.DROPPED],
    )
