"""The SQL of transforms: views in a backend's own schema, and in fleetdb's what they were made of.

A transform's statement is the app's own. It is run as the backend's login, which reaches nothing but the backend's
schema, and by the extended protocol, in which there is one statement and no second.
"""

from typing import Final

from psycopg import sql
from psycopg.rows import class_row

from services.fleetdb.records.transforms import Made, Transform
from shared.database import Connection

VIEWS: Final = {"v": "VIEW", "m": "MATERIALIZED VIEW"}
"""By `pg_class.relkind`."""


async def made_list(connection: Connection, backend_key: int) -> dict[str, Made]:
    """The views that stand for transforms of the backend, by name."""
    async with connection.cursor(row_factory=class_row(Made)) as cursor:
        await cursor.execute(
            "SELECT name, digest, is_materialized FROM fleetdb.transform WHERE backend_key = %s", [backend_key]
        )
        return {made.name: made for made in await cursor.fetchall()}


async def made_upsert(connection: Connection, backend_key: int, made: Made) -> None:
    """Remember `made`."""
    await connection.execute(
        "INSERT INTO fleetdb.transform (backend_key, name, digest, is_materialized) VALUES (%s, %s, %s, %s)"
        " ON CONFLICT (backend_key, name) DO UPDATE SET digest = excluded.digest,"
        " is_materialized = excluded.is_materialized",
        [backend_key, made.name, made.digest, made.is_materialized],
    )


async def made_delete(connection: Connection, backend_key: int, names: list[str]) -> None:
    """These are no more."""
    await connection.execute(
        "DELETE FROM fleetdb.transform WHERE backend_key = %s AND name = ANY (%s)", [backend_key, names]
    )


async def kinds_of(connection: Connection, schema: str, names: list[str]) -> dict[str, str]:
    """What there is of `names` in `schema`: `v`, `m`, or `r` for a table, as `pg_class.relkind`, which is not shown.

    The information schema knows no materialized views, and shows no others than those that the login may see.
    """
    cursor = await connection.execute(
        "SELECT n.name, CASE t.table_type WHEN 'VIEW' THEN 'v' WHEN 'BASE TABLE' THEN 'r' ELSE 'm' END"
        " FROM unnest(%(names)s::text[]) AS n (name) LEFT JOIN information_schema.tables AS t"
        " ON t.table_schema = %(schema)s AND t.table_name = n.name"
        " WHERE to_regclass(quote_ident(%(schema)s) || '.' || quote_ident(n.name)) IS NOT NULL",
        {"schema": schema, "names": names},
    )
    return {str(name): str(kind) for name, kind in await cursor.fetchall()}


async def view_drop(connection: Connection, schema: str, name: str, kind: str) -> None:
    """Drop it, and the views that are made of it."""
    statement = sql.SQL("DROP {} {} CASCADE").format(sql.SQL(VIEWS[kind]), sql.Identifier(schema, name))
    await connection.execute(statement)


async def view_make(connection: Connection, schema: str, transform: Transform) -> None:
    """Make the view of `transform`, of whose name there is nothing.

    Raises:
        psycopg.Error: The app's statement is none, or not one that a view can be made of.
    """
    kind = VIEWS["m" if transform.is_materialized else "v"]
    begin = sql.SQL("CREATE {} {} AS ").format(sql.SQL(kind), sql.Identifier(schema, transform.name))
    statement = begin.as_bytes(connection) + transform.sql.encode()
    await connection.execute(statement, binary=True)


async def view_refresh(connection: Connection, schema: str, name: str) -> None:
    """Let a materialized view hold what its statement gives now."""
    await connection.execute(sql.SQL("REFRESH MATERIALIZED VIEW {}").format(sql.Identifier(schema, name)))
