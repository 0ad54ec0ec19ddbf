"""Taking a project out: its rows of the control database as of one moment, each data backend as of one of its own.

Nothing is in clear on a disk: what is read is sealed to the recipients as it comes.
"""

import uuid
from collections.abc import Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

import msgspec
import psycopg
from attrs import frozen
from psycopg import sql

from deploy.backup.errors import BackupError
from deploy.backup.sealing import Recipient, seal
from deploy.carrying.databases import Databases
from deploy.carrying.lines import END, SEALED, Rows, carried_secret
from deploy.carrying.manifest import FORMAT, KIND, Carried, CarriedBackend, write_carried
from deploy.carrying.rows import Row, line_of, rows_of
from deploy.carrying.sealed_values import place_of_secret, sealer_of, with_clear_environment
from deploy.carrying.structure import tables_of
from deploy.local.files import ensure_folder
from deploy.local.fitting import master_files
from deploy.local.processes import DATABASE_NAME
from deploy.local.state import StateFolder
from shared.sealed_texts import octets_of
from shared.secrets import Sealer, SecretsError
from shared.tlog.note import Signer

ON_THE_WAY: Final = (
    "SELECT a.name FROM realms.backend b JOIN realms.app a USING (app_key) JOIN realms.backend_move m"
    " ON m.backend_key = b.backend_key AND m.phase NOT IN ('done', 'back')"
    " WHERE b.project_key = %s AND b.state = 'ready' ORDER BY b.backend_key LIMIT 1"
)
"""Backends whose rows may leave their server while they are read."""
PLACES: Final = (
    "SELECT b.backend_key, b.placed FROM realms.backend b WHERE b.project_key = %s AND b.state = 'ready'"
    " ORDER BY b.backend_key"
)
MOVING: Final = "the data of the app {} are on their way to another database server: try again when they are there"
ONE_MOMENT: Final = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"


@frozen
class Exporting:
    """From where, by whose master keys (the files of an installation), to where, for whom, signed by whom, when."""

    databases: Databases
    files: StateFolder
    folder: Path
    recipients: Sequence[Recipient]
    signer: Signer
    now: float


class _Lines:
    """Lines, as what is read from."""

    def __init__(self, lines: Iterable[bytes]) -> None:
        self._lines = iter(lines)
        self._rest = b""

    def read(self, size: int = -1, /) -> bytes:
        while size < 0 or len(self._rest) < size:
            line = next(self._lines, None)
            if line is None:
                break
            self._rest += line
        taken, self._rest = (self._rest, b"") if size < 0 else (self._rest[:size], self._rest[size:])
        return taken


def export(wanted: Exporting, project: int | str) -> Carried:
    """Take the project of that key, or of that canonical name, out; it stays where it is.

    Raises:
        BackupError: There is none, or more than one; its data are moving; something cannot be read or written.
    """
    try:
        with wanted.databases.connect(DATABASE_NAME) as connection:
            key, name = _meant(connection, project)
            places = _places(connection, key)
            ensure_folder(wanted.folder)
            connection.execute(ONE_MOMENT)
            rows = [_opened(row, sealer_of(connection, "devices", master_files(wanted.files)["devices"]))
                    for row in rows_of(connection, key)]  # fmt: skip
            sealer = sealer_of(connection, "fleetdb", master_files(wanted.files)["fleetdb"])
            connection.execute("COMMIT")
            control = seal(_Lines(line_of(row) for row in rows), wanted.folder, "control", wanted.recipients)
            backends = [_backend(wanted, content, sealer) for part, content in rows if part == "realms.backend"]
            if _places(connection, key) != places:  # one that has left meanwhile was perhaps read without its rows
                raise BackupError("its data have moved to another database server meanwhile: do it again")
            carried = Carried(
                kind=KIND,
                format=FORMAT,
                import_id=str(uuid.uuid4()),
                name=name,
                project_key=key,
                made_at=wanted.now,
                server_version=connection.info.server_version,
                control=control,
                backends=tuple(backends),
            )
            write_carried(wanted.folder, carried, wanted.signer)
    except (psycopg.Error, OSError) as error:
        raise BackupError(f"the project cannot be taken out: {str(error).strip()}") from error
    return carried


def _meant(connection: psycopg.Connection[Any], project: int | str) -> tuple[int, str]:
    column = "project_key" if isinstance(project, int) else "name_canonical"
    query = sql.SQL("SELECT project_key, name FROM realms.project WHERE {} = %s LIMIT 2").format(sql.Identifier(column))
    found = connection.execute(query, [project]).fetchall()
    if len(found) != 1:
        raise BackupError("there is no such project" if not found else "there are two projects of that name: say a key")
    return found[0][0], found[0][1]


def _places(connection: psycopg.Connection[Any], project_key: int) -> list[tuple[int, int]]:
    """How often each of its backends was placed: another number, and it is elsewhere.

    Raises:
        BackupError: One is on its way.
    """
    found = connection.execute(ON_THE_WAY, [project_key]).fetchone()
    if found is not None:
        raise BackupError(MOVING.format(found[0]))
    return connection.execute(PLACES, [project_key]).fetchall()


def _opened(row: Row, sealer: Sealer | None) -> Row:
    part, content = row
    return (part, with_clear_environment(content, sealer)) if part == "devices.device_app" else row


def _backend(wanted: Exporting, backend: dict[str, Any], sealer: Sealer | None) -> CarriedBackend:
    """All of its tables, as of one moment."""
    key = backend["backend_key"]
    with wanted.databases.connect(backend["database_name"], backend["cluster"]) as connection:
        connection.execute(ONE_MOMENT)
        lines = _Lines(_tables(connection, key, backend["schema_name"], sealer))
        return CarriedBackend(key, seal(lines, wanted.folder, str(key), wanted.recipients))


def _tables(
    connection: psycopg.Connection[Any], backend_key: int, schema: str, sealer: Sealer | None
) -> Iterator[bytes]:
    for table in tables_of(connection, schema):
        yield msgspec.json.encode(table) + b"\n"
        names = tuple(column.name for column in table.columns)
        rows = Rows(names, SEALED, partial(_carried, sealer, backend_key, table.name))
        query = sql.SQL("COPY (SELECT {} FROM {}) TO STDOUT").format(
            sql.SQL(", ").join(map(sql.Identifier, names)), sql.Identifier(schema, table.name)
        )
        with connection.cursor() as cursor, cursor.copy(query) as copy:
            yield from rows.changed(map(bytes, copy))
        yield END


def _carried(sealer: Sealer | None, backend_key: int, table: str, column: str, field: bytes) -> bytes:
    """A secret value on its way; one that does not open here goes as it is, and opens there no more than here."""
    octets = octets_of(field.decode())
    if octets is None or sealer is None:
        return field
    try:
        return carried_secret(sealer.open(octets, context=place_of_secret(backend_key, table, column)).decode())
    except SecretsError:
        return field
