"""The SQL that makes databases, roles and schemas. Each statement may be done again; names are quoted by the driver."""

from typing import Any, Final

import psycopg
from psycopg import sql

from shared.database import Connection

TEMPLATE_NAME: Final = "ironflock_project"
BACKEND_LOGIN: Final = "backend_login"
SESSIONS_OF_LOGIN: Final = 8
SESSIONS_OF_PROJECT: Final = 48
LOCK_KEY: Final = 0x49_52_50_56
"""One provisioner at a time: of another one that died, the last statement may still be at work."""
# For comfort: whoever has a login may set them otherwise. What holds is the limit of sessions, and the watch below.
SETTINGS: Final = {
    "statement_timeout": "30s",
    "lock_timeout": "10s",
    "idle_in_transaction_session_timeout": "30s",
    "transaction_timeout": "60s",
}
ENDING_S: Final = 5
INDEX_S: Final = 6 * 3_600.0


async def take_turn(connection: Connection) -> None:
    """Wait until no other provisioner is at work; the turn lasts as long as the connection."""
    await connection.execute("SELECT pg_advisory_lock(%s)", [LOCK_KEY])


async def ensure_role(connection: Connection, name: str) -> None:
    """A role that nobody logs in with."""
    if not await has_role(connection, name):
        await _run(connection, "CREATE ROLE {} NOLOGIN NOINHERIT", name)


async def has_role(connection: Connection, name: str) -> bool:
    """Whether there is one of that name."""
    cursor = await connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [name])
    return await cursor.fetchone() is not None


async def has_database(connection: Connection, name: str) -> bool:
    """Whether there is one of that name."""
    cursor = await connection.execute("SELECT FROM pg_database WHERE datname = %s", [name])
    return await cursor.fetchone() is not None


async def ensure_database(connection: Connection, name: str) -> None:
    """A database like the template, which nobody may do anything with yet."""
    if not await has_database(connection, name):
        await _run(
            connection, f"CREATE DATABASE {{}} TEMPLATE {TEMPLATE_NAME} CONNECTION LIMIT {SESSIONS_OF_PROJECT}", name
        )
    await _run(connection, "REVOKE ALL ON DATABASE {} FROM PUBLIC", name)


async def keeps_hypertables(inside: Connection) -> bool:
    """Whether tables in a project's database are made TimescaleDB's. Source: services/fleetdb/store/catalog.py."""
    try:
        cursor = await inside.execute("SELECT to_regclass('timescaledb_information.hypertables') IS NOT NULL")
    except psycopg.errors.InsufficientPrivilege:  # there is such a schema, and we may not look into it
        return True
    row = await cursor.fetchone()
    return row is not None and bool(row[0])


async def ensure_schema(connection: Connection, schema: str, owner: str) -> None:
    """A schema in which `owner` may make tables; it is not theirs, so that they give nobody else a way in."""
    await _run(connection, "CREATE SCHEMA IF NOT EXISTS {}", schema)
    await _run(connection, "GRANT USAGE, CREATE ON SCHEMA {} TO {}", schema, owner)


async def ensure_login(connection: Connection, login: str, *, owner: str, schema: str, database: str) -> None:
    """A login that works as `owner` in that database alone. It is open at the end, and not before."""
    await ensure_role(connection, login)
    await _run(connection, f"ALTER ROLE {{}} CONNECTION LIMIT {SESSIONS_OF_LOGIN}", login)
    await _run(connection, "GRANT {} TO {} WITH INHERIT FALSE, SET TRUE, ADMIN FALSE", owner, login)
    # pg_hba.conf lets in who is a member of both, to the database that the first is called as.
    for group in (database, BACKEND_LOGIN):
        await _run(connection, "GRANT {} TO {} WITH INHERIT FALSE, SET FALSE, ADMIN FALSE", group, login)
    await _run(connection, "ALTER ROLE {} SET role = {}", login, owner)
    await _run(connection, "ALTER ROLE {} SET search_path = {}", login, schema)
    for name, value in SETTINGS.items():
        await connection.execute(
            sql.SQL("ALTER ROLE {} SET {} = {}").format(sql.Identifier(login), sql.SQL(name), sql.Literal(value))
        )
    await _run(connection, "GRANT CONNECT ON DATABASE {} TO {}", database, login)
    await _run(connection, "ALTER ROLE {} LOGIN", login)


async def close_login(connection: Connection, login: str) -> None:
    """Nobody logs in with it any more, and whoever was there is put out; of no effect where there is none."""
    if not await has_role(connection, login):
        return
    await _run(connection, "ALTER ROLE {} NOLOGIN", login)
    await connection.execute(
        "SELECT pg_terminate_backend(pid, %s) FROM pg_stat_activity WHERE usename = %s", [ENDING_S * 1_000, login]
    )


async def drop_login(connection: Connection, login: str, *, database: str, owner: str) -> bool:
    """End a login for good; False where something that its holder has left keeps its name, closed as it is."""
    if not await has_role(connection, login):
        return True
    await _run(connection, "REVOKE ALL ON DATABASE {} FROM {}", database, login)
    for group in (owner, database, BACKEND_LOGIN):
        await _run(connection, "REVOKE {} FROM {}", group, login)
    try:
        await _run(connection, "DROP ROLE {}", login)
    except psycopg.errors.DependentObjectsStillExist:
        return False
    return True


async def end_long_transactions(connection: Connection, older_than_s: float) -> int:
    """End sessions of data backends whose transaction is older than that, whatever they set; returns how many.

    An old transaction keeps dead rows of the whole server from being cleared away, and its notifications from ending.
    Who makes an index beside others' work, as fleetdb does before a move, has `INDEX_S`.
    """
    cursor = await connection.execute(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE usesysid IS NOT NULL"
        " AND pg_has_role(usesysid, %s, 'MEMBER') AND usename <> current_user"
        " AND NOT (SELECT rolsuper FROM pg_roles WHERE oid = usesysid)"
        " AND xact_start < clock_timestamp() - make_interval(secs => %s)"
        " AND NOT EXISTS (SELECT FROM pg_stat_progress_create_index i WHERE i.pid = pg_stat_activity.pid"
        " AND i.command = 'CREATE INDEX CONCURRENTLY' AND xact_start > clock_timestamp() - make_interval(secs => %s))",
        [BACKEND_LOGIN, older_than_s, INDEX_S],
    )
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def end_closed_sessions(connection: Connection) -> int:
    """End sessions of logins that are closed or gone; returns how many.

    One that is just coming in when its login is closed shows as nobody's yet, and would stay for as long as it likes.
    """
    cursor = await connection.execute(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity LEFT JOIN pg_roles r ON r.oid = usesysid"
        " WHERE usesysid IS NOT NULL AND backend_type = 'client backend'"
        " AND NOT coalesce(r.rolcanlogin OR r.rolsuper, false)"
    )
    row = await cursor.fetchone()
    return 0 if row is None else int(row[0])


async def _run(connection: Connection, statement: str, *names: str) -> None:
    quoted: list[Any] = [sql.Identifier(name) for name in names]
    await connection.execute(sql.SQL(statement).format(*quoted))
