"""The database's roles and rights, made as they shall be at each start by the superuser, over verified TLS.

PUBLIC loses everything; a schema belongs to a role that nobody logs in with; `migrate` may act as these roles; a
service's login may connect and, until its migrations grant more, nothing else.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import psycopg
from attrs import field, frozen
from psycopg import sql

from deploy.local.processes import DATABASE_NAME, PROVISIONER, SERVICES
from deploy.local.project_template import DIGEST, TEMPLATE_NAME, statements
from shared.database import Password, by_either

SUPERUSER: Final = "postgres"
MIGRATE: Final = "migrate"
SCHEMAS: Final = ("audit", "auth", "realms", "devices", "privileges", "gateway", "fleetdb", "tunnels")
BACKEND_LOGIN: Final = "backend_login"
"""Every login of a data backend is a member of it, which pg_hba.conf knows them by; it opens nothing."""
BACKUP: Final = "backup"
"""Reads the whole cluster as a replica does, for backups; in the control database it can close a segment of the log."""
DOCTOR: Final = "doctor"
"""Looks whether all is well, from within a cluster: migrations let it read what `flockctl doctor` asks for."""
LOGINS: Final = (MIGRATE, DOCTOR, *(f"svc_{name}" for name in SERVICES))
WITH_PASSWORD: Final = (PROVISIONER, BACKUP, *LOGINS)
"""Every login, besides the superuser, that needs a password before roles are made."""
CONNECT_TIMEOUT_S: Final = 5
_NOT_SPECIAL: Final = "NOSUPERUSER NOCREATEDB NOCREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT"
_MAKES_ROLES: Final = "NOSUPERUSER CREATEDB CREATEROLE NOREPLICATION NOBYPASSRLS NOINHERIT"
_REPLICATES: Final = "NOSUPERUSER NOCREATEDB NOCREATEROLE REPLICATION NOBYPASSRLS NOINHERIT"
# What the provisioner ends sessions of data backends with, and sees them by; the doctor sees how many there are.
_SEES_SESSIONS: Final = "pg_read_all_stats"
_WATCHING: Final = ("pg_signal_backend", _SEES_SESSIONS)


@frozen
class Server:
    """A PostgreSQL server and the password of `login` there; its certificate says `host`.

    `before` is the password before it, while the server may have that still.
    """

    port: int
    ca: Path
    password: str = field(repr=False)
    host: str = "localhost"
    login: str = SUPERUSER
    before: str = field(default="", repr=False)


def connect(server: Server, database: str) -> psycopg.Connection[Any]:
    """An autocommit connection of the server's login to `database`.

    Raises:
        psycopg.OperationalError: The server does not answer, or is not who it should be.
    """

    def by(password: str) -> psycopg.Connection[Any]:
        return psycopg.connect(
            host=server.host,
            hostaddr="127.0.0.1" if server.host == "localhost" else "",
            port=server.port,
            dbname=database,
            user=server.login,
            password=password,
            sslmode="verify-full",
            sslrootcert=str(server.ca),
            channel_binding="require",
            connect_timeout=CONNECT_TIMEOUT_S,
            application_name="launcher",
            autocommit=True,
        )

    return by_either(Password(server.password, server.before), by)


def answers(server: Server) -> bool:
    """Whether the server takes connections and runs a statement."""
    try:
        with connect(server, "postgres") as connection:
            connection.execute("SELECT 1")
    except psycopg.Error:
        return False
    return True


def bootstrap(server: Server, passwords: Mapping[str, str]) -> None:
    """Bring roles, databases, schemas and rights into their state; `passwords` has one for each login."""
    with connect(server, "postgres") as connection:
        _ensure_database(connection)
        for database in (DATABASE_NAME, "postgres", "template1"):
            _run(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", database)
        for login in LOGINS:
            _ensure_login(connection, login, passwords[login], _NOT_SPECIAL)
        _run(connection, "GRANT {} TO {} WITH INHERIT TRUE", _SEES_SESSIONS, DOCTOR)
        _ensure_provisioner(connection, passwords[PROVISIONER])
        _ensure_login(connection, BACKUP, passwords[BACKUP], _REPLICATES)
        unlike = _databases_unlike_the_template(connection)
        for schema in SCHEMAS:
            _ensure_owner(connection, f"{schema}_owner")
    with connect(server, DATABASE_NAME) as connection:
        _run(connection, "REVOKE ALL ON SCHEMA {} FROM PUBLIC", "public")
        _let_back_up(connection)
        for schema in SCHEMAS:
            _ensure_schema(connection, schema, f"{schema}_owner")
    for database in unlike:
        _close_database(server, database)


def bootstrap_cluster(server: Server, passwords: Mapping[str, str]) -> None:
    """Bring a server into its state that has projects' databases and nothing else.

    `passwords` has the provisioner's, and that of `BACKUP` where it is backed up as the first one is.
    """
    with connect(server, "postgres") as connection:
        _ensure_database(connection)  # empty: where the provisioner comes in
        for database in (DATABASE_NAME, "postgres", "template1"):
            _run(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", database)
        _ensure_provisioner(connection, passwords[PROVISIONER])
        if BACKUP in passwords:
            _ensure_login(connection, BACKUP, passwords[BACKUP], _REPLICATES)
        unlike = _databases_unlike_the_template(connection)
    if BACKUP in passwords:
        with connect(server, DATABASE_NAME) as connection:
            _let_back_up(connection)
    for database in unlike:
        _close_database(server, database)


def _let_back_up(connection: psycopg.Connection[Any]) -> None:
    """Whoever takes backups closes a segment of the log, and asks which cluster it is."""
    _run(connection, "GRANT EXECUTE ON FUNCTION pg_catalog.pg_switch_wal() TO {}", BACKUP)
    _run(connection, "GRANT EXECUTE ON FUNCTION pg_catalog.pg_control_system() TO {}", BACKUP)


def set_password(connection: psycopg.Connection[Any], login: str, password: str) -> None:
    """Give `login` the password; what it has open stays open."""
    # Hashed on this side, so that the password itself is in no statement that anything could write down.
    verifier = connection.pgconn.encrypt_password(password.encode(), login.encode(), b"scram-sha-256")
    alter = sql.SQL("ALTER ROLE {} PASSWORD {}")
    connection.execute(alter.format(sql.Identifier(login), sql.Literal(verifier.decode())))


def _ensure_database(connection: psycopg.Connection[Any]) -> None:
    if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", DATABASE_NAME):
        _run(connection, "CREATE DATABASE {} TEMPLATE template0", DATABASE_NAME)


def _ensure_provisioner(connection: psycopg.Connection[Any], password: str) -> None:
    """Who makes databases and roles, for data backends and for nothing else."""
    _ensure_login(connection, PROVISIONER, password, _MAKES_ROLES)
    _ensure_role(connection, BACKEND_LOGIN)
    _run(connection, "GRANT {} TO {} WITH ADMIN TRUE, INHERIT FALSE, SET FALSE", BACKEND_LOGIN, PROVISIONER)
    for role in _WATCHING:
        _run(connection, "GRANT {} TO {} WITH INHERIT TRUE", role, PROVISIONER)


def _databases_unlike_the_template(connection: psycopg.Connection[Any]) -> list[str]:
    """The template, and every database made of it, that is not as the template shall be now."""
    if not _exists(connection, "SELECT 1 FROM pg_database WHERE datname = %s", TEMPLATE_NAME):
        _run(connection, "CREATE DATABASE {} TEMPLATE template0", TEMPLATE_NAME)
    rows = connection.execute(
        "SELECT datname FROM pg_database WHERE (datname = %s OR datdba = (SELECT oid FROM pg_roles WHERE rolname = %s))"
        " AND shobj_description(oid, 'pg_database') IS DISTINCT FROM %s AND datconnlimit <> -2 ORDER BY datname",
        [TEMPLATE_NAME, PROVISIONER, DIGEST],
    )
    return [str(row[0]) for row in rows]


def _close_database(server: Server, database: str) -> None:
    """Take from PUBLIC what the template takes; nobody connects to the template itself."""
    is_template = database == TEMPLATE_NAME
    with connect(server, "postgres") as connection:
        _run(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", database)
        if is_template:
            _run(connection, "ALTER DATABASE {} ALLOW_CONNECTIONS true", database)
    with connect(server, database) as connection, connection.transaction():
        for statement in statements():
            connection.execute(statement.encode())
    with connect(server, "postgres") as connection:
        if is_template:
            _run(connection, "ALTER DATABASE {} IS_TEMPLATE true ALLOW_CONNECTIONS false", database)
        comment = sql.SQL("COMMENT ON DATABASE {} IS {}")
        connection.execute(comment.format(sql.Identifier(database), sql.Literal(DIGEST)))


def _ensure_login(connection: psycopg.Connection[Any], login: str, password: str, attributes: str) -> None:
    _ensure_role(connection, login)
    _run(connection, f"ALTER ROLE {{}} LOGIN {attributes}", login)
    set_password(connection, login, password)
    _run(connection, "GRANT CONNECT ON DATABASE {} TO {}", DATABASE_NAME, login)
    _run(connection, "GRANT pg_use_reserved_connections TO {} WITH INHERIT TRUE", login)


def _ensure_owner(connection: psycopg.Connection[Any], owner: str) -> None:
    _ensure_role(connection, owner)
    _run(connection, f"ALTER ROLE {{}} NOLOGIN {_NOT_SPECIAL} PASSWORD NULL", owner)
    _run(connection, "GRANT {} TO {} WITH INHERIT FALSE, SET TRUE, ADMIN FALSE", owner, MIGRATE)


def _ensure_schema(connection: psycopg.Connection[Any], schema: str, owner: str) -> None:
    _run(connection, "CREATE SCHEMA IF NOT EXISTS {} AUTHORIZATION {}", schema, owner)
    _run(connection, "REVOKE ALL ON SCHEMA {} FROM PUBLIC", schema)
    # PostgreSQL gives these two to everybody with each new function and type.
    _run(connection, "ALTER DEFAULT PRIVILEGES FOR ROLE {} REVOKE EXECUTE ON FUNCTIONS FROM PUBLIC", owner)
    _run(connection, "ALTER DEFAULT PRIVILEGES FOR ROLE {} REVOKE USAGE ON TYPES FROM PUBLIC", owner)


def _ensure_role(connection: psycopg.Connection[Any], role: str) -> None:
    if not _exists(connection, "SELECT 1 FROM pg_roles WHERE rolname = %s", role):
        _run(connection, "CREATE ROLE {} NOLOGIN", role)


def _exists(connection: psycopg.Connection[Any], query: str, name: str) -> bool:
    return connection.execute(query.encode(), [name]).fetchone() is not None


def _run(connection: psycopg.Connection[Any], statement: str, *names: str) -> None:
    """Execute a statement of ours with `names` quoted into its places."""
    quoted = [sql.Identifier(name) for name in names]
    connection.execute(sql.SQL(statement).format(*quoted))
