"""Apps."""

from typing import Final

from psycopg.rows import class_row

from services.realms.records.apps import App, ToldApp
from shared.database import Connection

_APP: Final = "app_key, name, description, owner_account_key, is_public, created_at"
_TOLD: Final = "app_key, name, owner_account_key, is_public, revision, is_deleted"


async def app_insert(
    connection: Connection, *, name: str, name_canonical: str, description: str, owner_account_key: int
) -> App:
    """A new app.

    Raises:
        psycopg.errors.UniqueViolation: There is one of that name.
    """
    async with connection.cursor(row_factory=class_row(App)) as cursor:
        await cursor.execute(
            "INSERT INTO realms.app (name, name_canonical, description, owner_account_key)"  # noqa: S608
            f" VALUES (%s, %s, %s, %s) RETURNING {_APP}",
            [name, name_canonical, description, owner_account_key],
        )
        app = await cursor.fetchone()
    if app is None:
        raise LookupError("an insert returned no row")
    return app


async def app_find(connection: Connection, app_key: int) -> App | None:
    """The app of that key."""
    async with connection.cursor(row_factory=class_row(App)) as cursor:
        await cursor.execute(f"SELECT {_APP} FROM realms.app WHERE app_key = %s AND NOT is_deleted", [app_key])  # noqa: S608
        return await cursor.fetchone()


async def app_find_by_name(connection: Connection, name_canonical: str) -> App | None:
    """The app of that name, in canonical form."""
    async with connection.cursor(row_factory=class_row(App)) as cursor:
        await cursor.execute(
            f"SELECT {_APP} FROM realms.app WHERE name_canonical = %s AND NOT is_deleted",  # noqa: S608
            [name_canonical],
        )
        return await cursor.fetchone()


async def app_lock_in_txn(connection: Connection, app_key: int) -> App | None:
    """The app, its row locked until the transaction ends."""
    async with connection.cursor(row_factory=class_row(App)) as cursor:
        await cursor.execute(
            f"SELECT {_APP} FROM realms.app WHERE app_key = %s AND NOT is_deleted FOR NO KEY UPDATE",  # noqa: S608
            [app_key],
        )
        return await cursor.fetchone()


async def app_lock_to_delete_in_txn(connection: Connection, app_key: int) -> App | None:
    """As `app_lock_in_txn`, and whoever installs it meanwhile waits (a foreign key holds the row shared)."""
    async with connection.cursor(row_factory=class_row(App)) as cursor:
        await cursor.execute(
            f"SELECT {_APP} FROM realms.app WHERE app_key = %s AND NOT is_deleted FOR UPDATE",  # noqa: S608
            [app_key],
        )
        return await cursor.fetchone()


async def app_is_there(connection: Connection, app_key: int) -> bool:
    """Whether it is not deleted."""
    cursor = await connection.execute("SELECT FROM realms.app WHERE app_key = %s AND NOT is_deleted", [app_key])
    return await cursor.fetchone() is not None


async def app_is_installed(connection: Connection, app_key: int) -> bool:
    """Whether it is in any project."""
    cursor = await connection.execute("SELECT FROM realms.install WHERE app_key = %s LIMIT 1", [app_key])
    return await cursor.fetchone() is not None


async def app_delete(connection: Connection, app_key: int) -> None:
    """It is there no more, of which privileges is to be told; its name is free."""
    await connection.execute(
        "UPDATE realms.app SET is_deleted = true, is_public = false, description = '', revision = revision + 1,"
        " is_told = false WHERE app_key = %s",
        [app_key],
    )


async def app_list(connection: Connection, keys: list[int], *, after: int, limit: int) -> list[App]:
    """At most `limit` of the apps of those keys and of the public ones, with keys above `after`, in their order."""
    async with connection.cursor(row_factory=class_row(App)) as cursor:
        await cursor.execute(
            f"SELECT {_APP} FROM realms.app WHERE (app_key = ANY (%s) OR is_public) AND NOT is_deleted"  # noqa: S608
            " AND app_key > %s"
            " ORDER BY app_key LIMIT %s",
            [keys, after, limit],
        )
        return await cursor.fetchall()


async def app_rename(connection: Connection, app_key: int, *, name: str, name_canonical: str) -> None:
    """Another name for the app, of which privileges is to be told.

    Raises:
        psycopg.errors.UniqueViolation: There is one of that name.
    """
    await connection.execute(
        "UPDATE realms.app SET name = %s, name_canonical = %s, revision = revision + 1, is_told = false"
        " WHERE app_key = %s",
        [name, name_canonical, app_key],
    )


async def app_set_public(connection: Connection, app_key: int, *, is_public: bool) -> None:
    """For everybody, or not any more; privileges is to be told."""
    await connection.execute(
        "UPDATE realms.app SET is_public = %s, revision = revision + 1, is_told = false WHERE app_key = %s",
        [is_public, app_key],
    )


async def app_set_owner(connection: Connection, app_key: int, owner_account_key: int) -> None:
    """It is somebody else's, as privileges says, which needs not be told; of no effect where there is none."""
    await connection.execute(
        "UPDATE realms.app SET owner_account_key = %s WHERE app_key = %s", [owner_account_key, app_key]
    )


async def app_find_untold(connection: Connection, app_key: int) -> ToldApp | None:
    """What privileges does not know of the app yet, as far as is known here."""
    async with connection.cursor(row_factory=class_row(ToldApp)) as cursor:
        await cursor.execute(
            f"SELECT {_TOLD} FROM realms.app WHERE app_key = %s AND NOT is_told",  # noqa: S608
            [app_key],
        )
        return await cursor.fetchone()


async def app_list_untold(connection: Connection, limit: int) -> list[ToldApp]:
    """At most `limit` apps that privileges does not know as they are now."""
    async with connection.cursor(row_factory=class_row(ToldApp)) as cursor:
        await cursor.execute(
            f"SELECT {_TOLD} FROM realms.app WHERE NOT is_told ORDER BY app_key LIMIT %s",  # noqa: S608
            [limit],
        )
        return await cursor.fetchall()


async def app_set_told(connection: Connection, app_key: int, revision: int) -> None:
    """Privileges knows the app as it was at that revision; what has changed since is still to be told."""
    await connection.execute(
        "UPDATE realms.app SET is_told = true WHERE app_key = %s AND revision = %s", [app_key, revision]
    )
