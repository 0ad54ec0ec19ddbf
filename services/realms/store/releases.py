"""Releases of apps."""

from typing import Any, Final

from psycopg.rows import class_row
from psycopg.types.json import Jsonb

from services.realms.records.apps import Release, WholeRelease
from shared.database import Connection

_RELEASE: Final = (
    "release_key, app_key, version, image, data_template IS NOT NULL AS has_data_template, created_at"
    # what is asked for of the template is read where it is needed
)


async def release_insert(
    connection: Connection,
    app_key: int,
    *,
    version: str,
    version_canonical: str,
    image: str,
    data_template: dict[str, Any] | None,
) -> Release:
    """A new release.

    Raises:
        psycopg.errors.UniqueViolation: The app has one of that version.
    """
    async with connection.cursor(row_factory=class_row(Release)) as cursor:
        await cursor.execute(
            "INSERT INTO realms.release (app_key, version, version_canonical, image, data_template)"  # noqa: S608
            f" VALUES (%s, %s, %s, %s, %s) RETURNING {_RELEASE}",
            [app_key, version, version_canonical, image, None if data_template is None else Jsonb(data_template)],
        )
        release = await cursor.fetchone()
    if release is None:
        raise LookupError("an insert returned no row")
    return release


async def release_list(connection: Connection, app_key: int, *, after: int, limit: int) -> list[Release]:
    """At most `limit` releases of the app with keys above `after`, oldest first."""
    async with connection.cursor(row_factory=class_row(Release)) as cursor:
        await cursor.execute(
            f"SELECT {_RELEASE} FROM realms.release WHERE app_key = %s AND release_key > %s"  # noqa: S608
            " ORDER BY release_key LIMIT %s",
            [app_key, after, limit],
        )
        return await cursor.fetchall()


async def release_find_by_version(connection: Connection, app_key: int, version_canonical: str) -> Release | None:
    """The app's release of that version, in canonical form."""
    async with connection.cursor(row_factory=class_row(Release)) as cursor:
        await cursor.execute(
            f"SELECT {_RELEASE} FROM realms.release WHERE app_key = %s AND version_canonical = %s",  # noqa: S608
            [app_key, version_canonical],
        )
        return await cursor.fetchone()


async def release_find_whole(connection: Connection, app_key: int, version_canonical: str) -> WholeRelease | None:
    """As `release_find_by_version`, with its data template."""
    async with connection.cursor(row_factory=class_row(WholeRelease)) as cursor:
        await cursor.execute(
            "SELECT release_key, app_key, version, image, data_template, created_at FROM realms.release"
            " WHERE app_key = %s AND version_canonical = %s",
            [app_key, version_canonical],
        )
        return await cursor.fetchone()


async def release_find_newest(connection: Connection, app_key: int) -> Release | None:
    """The app's newest release, if it has any."""
    async with connection.cursor(row_factory=class_row(Release)) as cursor:
        await cursor.execute(
            f"SELECT {_RELEASE} FROM realms.release WHERE app_key = %s ORDER BY release_key DESC LIMIT 1",  # noqa: S608
            [app_key],
        )
        return await cursor.fetchone()
