"""The SQL that deletes a data backend: its tables one by one, its schema, its roles. Each step may be done again."""

from typing import Any, Final

from psycopg import sql

from shared.database import Connection

AT_ONCE: Final = 200


async def drop_tables(inside: Connection, schema: str, owner: str) -> None:
    """Drop every table in `schema`, the longest names first, since partitions are called after their tables.

    One statement each: a whole schema at once could ask for more locks than the server has.
    """
    # Catalogs are closed here; what a role owns, the information schema shows it.
    await _run(inside, "GRANT {} TO CURRENT_USER WITH INHERIT FALSE, SET TRUE, ADMIN FALSE", owner)
    await _run(inside, "SET ROLE {}", owner)
    while names := await _tables(inside, schema):
        for name in names:
            await _run(inside, "DROP TABLE IF EXISTS {}.{} CASCADE", schema, name)
    await inside.execute("RESET ROLE")


async def drop_schema(inside: Connection, schema: str) -> None:
    """Drop the schema with whatever else is in it."""
    await _run(inside, "DROP SCHEMA IF EXISTS {} CASCADE", schema)


async def drop_role(inside: Connection, name: str) -> None:
    """Drop a role with what it has left in the backend's database, and with every right that it has anywhere."""
    await _run(inside, "GRANT {} TO CURRENT_USER WITH INHERIT TRUE, SET TRUE, ADMIN FALSE", name)
    await _run(inside, "DROP OWNED BY {} CASCADE", name)
    await _run(inside, "DROP ROLE {}", name)


async def drop_database(server: Connection, database: str) -> None:
    """Drop a project's database, in which no backend is any more, and the role that is called like it."""
    await _run(server, "DROP DATABASE IF EXISTS {} WITH (FORCE)", database)
    await _run(server, "DROP ROLE IF EXISTS {}", database)


async def _tables(inside: Connection, schema: str) -> list[str]:
    cursor = await inside.execute(
        "SELECT table_name FROM information_schema.tables WHERE table_schema = %s AND table_type = 'BASE TABLE'"
        " ORDER BY length(table_name) DESC, table_name LIMIT %s",
        [schema, AT_ONCE],
    )
    return [row[0] for row in await cursor.fetchall()]


async def _run(connection: Connection, statement: str, *names: str) -> None:
    quoted: list[Any] = [sql.Identifier(name) for name in names]
    await connection.execute(sql.SQL(statement).format(*quoted))
