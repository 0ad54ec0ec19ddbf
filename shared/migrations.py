"""Schema migrations: numbered SQL files, forward only, each in one transaction, one process at a time.

A file `0007_add_totp_last_step.sql` holds one schema change and is written so that it may run again. It runs as the
schema's NOLOGIN owner. What ran is remembered with its SHA-256; a file that changed afterwards is refused.
"""

import re
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import psycopg
from attrs import frozen
from psycopg import sql

ADVISORY_LOCK: Final = 0x49_52_4F_4E  # "IRON": one migrating process an installation
_FILE_NAME: Final = re.compile(r"(\d{4})_[a-z0-9_]+\.sql")


class MigrationError(Exception):
    """The migrations at hand do not fit what the database has seen; the text names the file."""


@frozen
class Migration:
    """One numbered file."""

    number: int
    name: str
    text: str

    @property
    def digest(self) -> str:
        """SHA-256 of the text, in hexadecimal."""
        return sha256(self.text.encode()).hexdigest()


def load(folder: Path) -> list[Migration]:
    """The migrations of `folder` in order.

    Raises:
        MigrationError: A name is malformed, or the numbers are not 1, 2, 3, ...
    """
    migrations: list[Migration] = []
    for path in sorted(folder.glob("*.sql")):
        matched = _FILE_NAME.fullmatch(path.name)
        if matched is None or int(matched[1]) != len(migrations) + 1:
            raise MigrationError(f"{path.name} is not the migration after number {len(migrations)}")
        migrations.append(Migration(number=int(matched[1]), name=path.stem, text=path.read_text(encoding="utf-8")))
    return migrations


def pending(migrations: list[Migration], applied: dict[int, str]) -> list[Migration]:
    """The migrations that are not yet in `applied`, a map of number to digest.

    Raises:
        MigrationError: One that ran has changed, or the database has seen a newer one than we have.
    """
    changed = [m.name for m in migrations if applied.get(m.number, m.digest) != m.digest]
    if changed:
        raise MigrationError(f"{changed[0]} was changed after it had run; write a new migration instead")
    if len(applied) > len(migrations):
        raise MigrationError(f"the database has seen migration {max(applied)}; this version knows {len(migrations)}")
    return [m for m in migrations if m.number not in applied]


def migrate(connection: psycopg.Connection[Any], *, schema: str, owner: str, folder: Path) -> list[str]:
    """Bring `schema` up to the newest file of `folder` and return the names of what ran.

    Args:
        connection: Of a login that may SET ROLE to `owner`, in autocommit mode.
        owner: The NOLOGIN role that owns the schema.

    Raises:
        MigrationError: See `pending`.
    """
    migrations = load(folder)
    connection.execute("SELECT pg_advisory_lock(%s)", [ADVISORY_LOCK])
    try:
        _prepare(connection, schema, owner)
        todo = pending(migrations, _applied(connection, schema, owner))
        for migration in todo:
            _apply(connection, schema, owner, migration)
        return [migration.name for migration in todo]
    finally:
        connection.execute("SELECT pg_advisory_unlock(%s)", [ADVISORY_LOCK])


def _become(connection: psycopg.Connection[Any], owner: str) -> None:
    connection.execute(sql.SQL("SET LOCAL ROLE {}").format(sql.Identifier(owner)))


def _prepare(connection: psycopg.Connection[Any], schema: str, owner: str) -> None:
    ledger = sql.SQL(
        "CREATE TABLE IF NOT EXISTS {}.migration (number integer PRIMARY KEY, name text NOT NULL,"
        " digest text NOT NULL, applied_at timestamptz NOT NULL DEFAULT now())"
    )
    with connection.transaction():
        _become(connection, owner)
        connection.execute(ledger.format(sql.Identifier(schema)))


def _applied(connection: psycopg.Connection[Any], schema: str, owner: str) -> dict[int, str]:
    query = sql.SQL("SELECT number, digest FROM {}.migration").format(sql.Identifier(schema))
    with connection.transaction():
        _become(connection, owner)
        return dict(connection.execute(query).fetchall())


def _apply(connection: psycopg.Connection[Any], schema: str, owner: str, migration: Migration) -> None:
    remember = sql.SQL("INSERT INTO {}.migration (number, name, digest) VALUES (%s, %s, %s)")
    with connection.transaction():
        _become(connection, owner)
        connection.execute(sql.SQL("SET LOCAL search_path = {}, pg_temp").format(sql.Identifier(schema)))
        connection.execute(migration.text.encode())
        connection.execute(
            remember.format(sql.Identifier(schema)), [migration.number, migration.name, migration.digest]
        )
