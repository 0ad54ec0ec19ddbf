"""Bringing a project in: its keys and its data backends first, then their rows, then everything that shows it.

Until the last step, one transaction, privileges does not know of it, so that it is nobody's. Whatever dies in between
goes on when the same project is brought in again.
"""

import contextlib
import datetime as dt
import threading
import time
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

import psycopg
from attrs import frozen
from psycopg.types.json import Jsonb

from deploy.backup.errors import BackupError
from deploy.backup.sealing import Identity, opened
from deploy.carrying.databases import Databases
from deploy.carrying.filling import Devices, Target, fill_backend
from deploy.carrying.manifest import Carried
from deploy.carrying.rows import REVIEW, Importing, Keys, Row, fill, new_keys, refusals, row_of, run
from deploy.carrying.sealed_values import ensured_sealer, with_sealed_environment
from deploy.local.fitting import master_files
from deploy.local.processes import DATABASE_NAME
from deploy.local.state import StateFolder
from shared.clusters import FIRST
from shared.names import canonical_name

MADE_WITHIN_S: Final = 600.0
LOOK_S: Final = 0.1
GONE: Final = "its database server was forgotten meanwhile: `project imports --forget` this one, then bring it in anew"
FORGETTING: Final = "its forgetting was cut off: `project imports --forget` it once more, then bring it in anew"
_KNOWN: Final = (
    "SELECT owner_account_key, name, done_at, EXISTS (SELECT FROM realms.import_key k WHERE k.import_id = i.import_id"
    " AND k.kind = 'project') FROM realms.project_import i WHERE import_id = %s"
)
LOCK: Final = 0x49_4D_50_54  # "IMPT"
_BACKENDS: Final = (
    "SELECT b.backend_key, d.database_name, b.schema_name, b.owner_name, c.name, b.state FROM realms.backend b"
    " JOIN realms.project_database d USING (project_key) JOIN realms.cluster c ON c.cluster_key = b.cluster_key"
    " WHERE b.project_key = %s ORDER BY b.backend_key"
)
_NEW_DEVICE: Final = (
    "INSERT INTO realms.import_key VALUES (%s, 'device', %s,"
    " nextval(pg_get_serial_sequence('devices.device', 'device_key'))) RETURNING new"
)
_UNFINISHED: Final = (
    "SELECT i.import_id, i.project_key, i.name, i.began_at, c.name FROM realms.project_import i"
    " JOIN realms.project p USING (project_key) JOIN realms.cluster c USING (cluster_key)"
    " WHERE i.done_at IS NULL ORDER BY i.began_at"
)
_RECORD: Final = (
    "SELECT audit.record(%s, 'existence', %s, %s, %s, NULL, %s, NULL,"
    ' \'{"session": null, "address": null, "request": null}\', \'done\')'
)
_ACTOR: Final = {"kind": "operator", "key": "flockctl", "credential": None, "on_behalf_of": None}


@frozen
class Wanted:
    """What is brought in and what opens it; where to; whose it becomes, and how it is called there.

    `owner`: a login name; None: the first owner's. `name`: None: as it was. `is_beside`: out of a backup of here.
    `cluster`: the database server that it comes to; one that was begun goes on where it was begun.
    """

    folder: Path
    carried: Carried
    identities: tuple[Identity, ...]
    databases: Databases
    files: StateFolder
    owner: str | None
    name: str | None
    is_beside: bool
    cluster: str = FIRST


@frozen
class Imported:
    """What came of it: the project's key, how many devices came, and what people have to look through themselves."""

    project_key: int
    name: str
    owner: str
    devices: int
    review: Mapping[str, list[dict[str, Any]]]


@frozen
class Unfinished:
    """A project that was begun to be brought in: by which id, under which new key, when, and to which server."""

    import_id: str
    project_key: int
    name: str
    began_at: dt.datetime
    cluster: str


def bring_in(wanted: Wanted) -> Imported:
    """Make the project.

    Raises:
        UntrustedError: A part is not what it was.
        BackupError: It cannot be made as it is, or a part of the platform is away: repeating it goes on.
    """
    rows = list(_rows(wanted))
    try:
        with wanted.databases.connect(DATABASE_NAME) as connection, alone(connection, wanted.carried.import_id):
            importing = _importing(connection, wanted)
            _begin(connection, wanted, importing, rows)
            project_key = _fill_backends(connection, wanted)
            return _take(connection, wanted, importing, rows, project_key)
    except (psycopg.Error, OSError) as error:
        raise BackupError(f"the project cannot be brought in: {str(error).strip()}") from error


def unfinished(databases: Databases) -> list[Unfinished]:
    """Projects that were begun to be brought in, and are nobody's yet.

    Raises:
        BackupError: The database cannot be asked.
    """
    try:
        with databases.connect(DATABASE_NAME) as connection:
            return [Unfinished(*row) for row in connection.execute(_UNFINISHED).fetchall()]
    except psycopg.Error as error:
        raise BackupError(f"the database cannot be asked: {str(error).strip()}") from error


def record_exported(databases: Databases, carried: Carried, recipients: int) -> None:
    """That it was taken out, in the log of the project.

    Raises:
        BackupError: The database does not take it.
    """
    try:
        with databases.connect(DATABASE_NAME) as connection:
            after = {"import_id": carried.import_id, "recipients": recipients}
            record(connection, "project.exported", carried.project_key, after)
    except psycopg.Error as error:
        raise BackupError(f"it was done, but the audit log did not take it: {str(error).strip()}") from error


def _rows(wanted: Wanted) -> Iterator[Row]:
    with opened(wanted.folder, wanted.carried.control, wanted.identities) as content:
        for line in content:
            yield row_of(line)


@contextlib.contextmanager
def alone(connection: psycopg.Connection[Any], import_id: str) -> Iterator[None]:
    """Nobody else brings in the same project; the lock ends with the connection."""
    query = "SELECT pg_try_advisory_lock(%s, hashtext(%s))"
    taken = connection.execute(query, [LOCK, import_id]).fetchone()
    if taken is None or not taken[0]:
        raise BackupError("the same project is being brought in already")
    yield


def _importing(connection: psycopg.Connection[Any], wanted: Wanted) -> Importing:
    name = wanted.name or wanted.carried.name
    query = "SELECT account_key, login_name FROM auth.account WHERE state = 'active' AND "
    if wanted.owner is None:
        found = connection.execute(f"{query} is_first_owner ORDER BY account_key LIMIT 1".encode()).fetchone()
    else:
        found = connection.execute(f"{query} login_canonical = %s".encode(), [canonical_name(wanted.owner)]).fetchone()
    if found is None:
        raise BackupError(f"there is no account {wanted.owner or ''} that could own it")
    return Importing(found[0], found[1], name, canonical_name(name), wanted.is_beside, wanted.cluster)


def _begin(connection: psycopg.Connection[Any], wanted: Wanted, importing: Importing, rows: list[Row]) -> None:
    """Make its keys and have its backends made; of no effect where that was done."""
    import_id = wanted.carried.import_id
    known = connection.execute(_KNOWN, [import_id]).fetchone()
    if known is not None:
        _refuse_other(known, importing)
        return
    with connection.transaction():
        fill(connection, importing, rows, {})
        reasons = refusals(connection)
        if reasons:
            raise BackupError("; ".join(reasons))
        run(connection, "begin")
        keys = new_keys(connection)
        project_key = keys["project", wanted.carried.project_key]
        connection.execute(
            "INSERT INTO realms.project_import (import_id, project_key, owner_account_key, name)"
            " VALUES (%s, %s, %s, %s)",
            [import_id, project_key, importing.owner_account_key, importing.name],
        )
        connection.execute("INSERT INTO realms.import_key SELECT %s, kind, old, new FROM new_key", [import_id])


def _refuse_other(known: tuple[Any, ...], importing: Importing) -> None:
    owner_key, name, done_at, has_keys = known
    if done_at is not None:
        raise BackupError(f"it was brought in already, as {name}: take it out anew to have it twice")
    if not has_keys:
        raise BackupError(FORGETTING)
    if (owner_key, name) != (importing.owner_account_key, importing.name):
        raise BackupError(f"it is being brought in as {name}, for another owner or name: repeat that")


def _fill_backends(connection: psycopg.Connection[Any], wanted: Wanted) -> int:
    """Have the rows of each data backend come; returns the project's new key."""
    keys = _keys(connection, wanted.carried)
    project_key = keys["project", wanted.carried.project_key]
    targets = made_backends(connection, project_key)
    sealer = ensured_sealer(connection, "fleetdb", master_files(wanted.files)["fleetdb"])
    known = {old: new for (kind, old), new in keys.items() if kind == "device"}
    devices = Devices(known, partial(_new_device, connection, wanted.carried.import_id))
    for backend in wanted.carried.backends:
        if ("loaded", backend.backend_key) in keys:
            continue
        target = targets[keys["backend", backend.backend_key]]
        with (
            wanted.databases.connect(target.database, target.server) as inside,
            opened(wanted.folder, backend.tables, wanted.identities) as content,
        ):
            fill_backend(inside, content, target, devices, sealer)
        connection.execute(
            "INSERT INTO realms.import_key VALUES (%s, 'loaded', %s, %s)",
            [wanted.carried.import_id, backend.backend_key, target.backend_key],
        )
    return project_key


def _keys(connection: psycopg.Connection[Any], carried: Carried) -> Keys:
    query = "SELECT kind, old, new FROM realms.import_key WHERE import_id = %s"
    return {(kind, old): new for kind, old, new in connection.execute(query, [carried.import_id])}


def _new_device(connection: psycopg.Connection[Any], import_id: str, old: int) -> int:
    row = connection.execute(_NEW_DEVICE, [import_id, old]).fetchone()
    if row is None:
        raise psycopg.DataError("an insert returned no row")
    return int(row[0])


def made_backends(connection: psycopg.Connection[Any], project_key: int) -> dict[int, Target]:
    """The new backends, once the provisioner has made them.

    Raises:
        BackupError: It did not, in time, or their database server was forgotten.
    """
    end, pause = time.monotonic() + MADE_WITHIN_S, threading.Event()
    while True:
        rows = connection.execute(_BACKENDS, [project_key]).fetchall()
        if all(state == "ready" for *_, state in rows):
            return {row[0]: Target(*row[:-1]) for row in rows}
        if any(state == "dropped" for *_, state in rows):
            raise BackupError(GONE)
        if time.monotonic() > end:
            raise BackupError("the data backends are not made: start the platform, then repeat this")
        pause.wait(LOOK_S)


def _take(
    connection: psycopg.Connection[Any], wanted: Wanted, importing: Importing, rows: list[Row], project_key: int
) -> Imported:
    """The last step: from then on there is such a project."""
    keys = _keys(connection, wanted.carried)
    sealer = ensured_sealer(connection, "devices", master_files(wanted.files)["devices"])
    sealed = [
        (part, with_sealed_environment(content, sealer, keys) if part == "devices.device_app" else content)
        for part, content in rows
    ]
    with connection.transaction():
        fill(connection, importing, sealed, keys)
        run(connection, "take")
        connection.execute(
            "UPDATE realms.project_import SET done_at = clock_timestamp() WHERE import_id = %s",
            [wanted.carried.import_id],
        )
        after = {"import_id": wanted.carried.import_id, "name": importing.name, "is_beside": importing.is_beside}
        record(connection, "project.imported", project_key, after)
    devices = sum(part == "devices.device" for part, _ in rows)
    return Imported(project_key, importing.name, importing.owner_name, devices, _review(rows))


def _review(rows: list[Row]) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for part, content in rows:
        if part.startswith(REVIEW):
            found.setdefault(part.removeprefix(REVIEW), []).append(content)
    return found


def record(connection: psycopg.Connection[Any], action: str, project_key: int, after: dict[str, Any]) -> None:
    """Put it into the log's queue, of that project, as an operator's."""
    asset = Jsonb({"kind": "project", "key": project_key})
    connection.execute(_RECORD.encode(), [action, Jsonb(_ACTOR), asset, project_key, Jsonb(after)])
