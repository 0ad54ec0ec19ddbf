"""Releases of apps."""

from typing import Any, Final

from psycopg.rows import class_row, kwargs_row
from psycopg.types.json import Jsonb

from services.realms.records.apps import Release, WholeRelease
from shared.database import Connection
from shared.procedures import answered, plain
from shared.releases import NOTHING, Contents

_RELEASE: Final = (
    "release_key, app_key, version, image, data_template IS NOT NULL AS has_data_template,"
    " contents->'compose' <> 'null' IS TRUE AS has_compose, created_at"
    # what is asked for of the template is read where it is needed
)


def _whole(*, contents: dict[str, Any] | None, **row: Any) -> WholeRelease:
    found = _contents(contents)
    return WholeRelease(
        **row,
        environment=found.environment,
        ports=found.ports,
        compose=found.compose,
        needs_develop=found.needs_develop,
    )


def _contents(kept: dict[str, Any] | None) -> Contents:
    return NOTHING if kept is None else answered(Contents, kept)


async def release_insert(
    connection: Connection,
    app_key: int,
    *,
    version: str,
    version_canonical: str,
    image: str,
    data_template: dict[str, Any] | None,
    contents: Contents,
) -> Release:
    """A new release.

    Raises:
        psycopg.errors.UniqueViolation: The app has one of that version.
    """
    async with connection.cursor(row_factory=class_row(Release)) as cursor:
        await cursor.execute(
            "INSERT INTO realms.release (app_key, version, version_canonical, image, data_template, contents)"  # noqa: S608
            f" VALUES (%s, %s, %s, %s, %s, %s) RETURNING {_RELEASE}",
            [
                app_key,
                version,
                version_canonical,
                image,
                None if data_template is None else Jsonb(data_template),
                None if contents == NOTHING else Jsonb(plain(contents)),
            ],
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
    """As `release_find_by_version`, with all that was kept of it."""
    async with connection.cursor(row_factory=kwargs_row(_whole)) as cursor:
        await cursor.execute(
            "SELECT release_key, app_key, version, image, data_template, contents, created_at FROM realms.release"
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


async def release_find_contents(connection: Connection, release_key: int) -> Contents | None:
    """What the release asks for; None where there is no such release."""
    cursor = await connection.execute("SELECT contents FROM realms.release WHERE release_key = %s", [release_key])
    row = await cursor.fetchone()
    return None if row is None else _contents(row[0])
