"""A project that is never brought in whole: its pieces go, and its server can be drained empty.

It is nobody's, and no service knows of it, so that whoever brings projects in takes it away again: the databases and
roles that the provisioner has made, then the rows. Whatever dies in between goes on when it is asked for again; brought
in it is no more from the first step on, since then it has no keys.
"""

import threading
import time
from typing import Any, Final

import psycopg
from psycopg import sql

from deploy.backup.errors import BackupError
from deploy.carrying.databases import Databases
from deploy.carrying.importing import LOOK_S, MADE_WITHIN_S, alone, record
from deploy.carrying.rows import run_forget
from deploy.local.processes import DATABASE_NAME

# What is left says which apps and releases were made for it.
_UNKEY: Final = "DELETE FROM realms.import_key WHERE import_id = %s AND kind NOT IN ('app', 'release')"
_UNASK: Final = (
    "DELETE FROM realms.provision_job j USING realms.backend b WHERE b.backend_key = j.backend_key"
    " AND b.project_key = %s AND NOT j.is_begun"
)
_BEGUN: Final = (
    "SELECT EXISTS (SELECT FROM realms.provision_job j JOIN realms.backend b USING (backend_key)"
    " WHERE b.project_key = %s AND j.is_begun AND j.done_at IS NULL)"
)
_MADE: Final = (
    "SELECT DISTINCT c.name, d.database_name FROM realms.project_database d JOIN realms.backend b USING (project_key)"
    " JOIN realms.cluster c ON c.cluster_key = b.cluster_key WHERE d.project_key = %s AND c.forgotten_at IS NULL"
)
_ROLES: Final = "SELECT owner_name, login_name FROM realms.backend WHERE project_key = %s"


def forget_import(databases: Databases, import_id: str) -> int:
    """Take away what there is of the project; returns the key that it had.

    Raises:
        BackupError: There is no such import, it is done or under way, or a server does not answer.
    """
    try:
        with databases.connect(DATABASE_NAME) as connection, alone(connection, import_id):
            project_key = _unfinished(connection, import_id)
            with connection.transaction():
                connection.execute(_UNKEY, [import_id])
                connection.execute(_UNASK, [project_key])
            _await_provisioner(connection, project_key)
            roles = [name for row in connection.execute(_ROLES, [project_key]).fetchall() for name in row]
            for server, database in connection.execute(_MADE, [project_key]).fetchall():
                _drop(databases, server, database, roles)
            with connection.transaction():
                run_forget(connection, import_id, project_key)
                record(connection, "project.import_forgotten", project_key, {"import_id": import_id})
    except psycopg.Error as error:
        raise BackupError(f"the import cannot be forgotten: {str(error).strip()}") from error
    return project_key


def _unfinished(connection: psycopg.Connection[Any], import_id: str) -> int:
    query = "SELECT project_key, done_at FROM realms.project_import WHERE import_id = %s"
    found = connection.execute(query, [import_id]).fetchone()
    if found is None:
        raise BackupError("there is no such import: `flockctl project imports` lists those that are not finished")
    if found[1] is not None:
        raise BackupError("it was brought in whole: it is a project like any other")
    return int(found[0])


def _await_provisioner(connection: psycopg.Connection[Any], project_key: int) -> None:
    """Let it end what it has begun: it would make again what is taken away."""
    end, pause = time.monotonic() + MADE_WITHIN_S, threading.Event()
    while True:
        row = connection.execute(_BEGUN, [project_key]).fetchone()
        if row is not None and not row[0]:
            return
        if time.monotonic() > end:
            raise BackupError("the provisioner is at it and does not end: start the platform, then repeat this")
        pause.wait(LOOK_S)


def _drop(databases: Databases, server: str, database: str, roles: list[str]) -> None:
    with databases.connect(DATABASE_NAME, server) as connection:
        connection.execute(sql.SQL("DROP DATABASE IF EXISTS {} WITH (FORCE)").format(sql.Identifier(database)))
        for role in (*roles, database):
            connection.execute(sql.SQL("DROP ROLE IF EXISTS {}").format(sql.Identifier(role)))
