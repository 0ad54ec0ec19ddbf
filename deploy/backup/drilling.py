"""A drill: the newest backup is restored beside everything, looked through, and thrown away; nobody else sees it."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import psycopg
from attrs import evolve, frozen

from deploy.backup import person_keys
from deploy.backup.bringing import Bringing, look_for_backends
from deploy.backup.chains import chain_for
from deploy.backup.errors import BackupError
from deploy.backup.keys import unopened
from deploy.backup.leftovers import DRILLING
from deploy.backup.locking import held
from deploy.backup.manifest import manifests
from deploy.backup.materialising import Source, put_files, workshop
from deploy.backup.reviving import revive
from deploy.backup.scratch import Server
from deploy.local.bootstrap import SCHEMAS
from deploy.local.files import Account
from deploy.local.processes import DATABASE_NAME
from deploy.local.state import StateFolder
from shared.clusters import FIRST
from shared.tlog.contents import bundle_octets
from shared.tlog.errors import AbsentError
from shared.tlog.heads import Trust
from shared.tlog.layout import TILE_WIDTH
from shared.tlog.note import VerifierKey
from shared.tlog.verification import verify_log

KEPT_FILES: Final = ("secrets/master-keys.json", "secrets/audit-signing-keys.json", "audit-keys", "ca/ca.key")
HASH_OCTETS: Final = 32


@frozen
class Drilled:
    """What a drill found: what was restored, how much is in it, and each thing that is wrong with it."""

    backup: str
    until: float
    log_size: int
    rows: dict[str, int]
    backends: int
    failures: tuple[str, ...]


@frozen
class Drill:
    """From where, trusted by which keys, with which programs, and where there is room for it."""

    source: Source
    keys: tuple[VerifierKey, ...]
    program: Path
    account: Account | None
    room: Path


def drill(wanted: Drill) -> Drilled:
    """Restore and look.

    Raises:
        UntrustedError: Something is not what the installation wrote.
        BackupError: It cannot be restored at all.
    """
    with held(wanted.room, "another drill"), workshop(wanted.room / DRILLING, wanted.account) as folder:
        chain = chain_for(list(manifests(wanted.source.place, wanted.keys)), None)
        bringing = Bringing(wanted.source, chain, folder, wanted.program, wanted.account, None)
        for line in chain.lines:
            bringing.materialise(line)
        files = folder / "files"
        put_files(wanted.source, chain, files)
        with bringing.recovered(chain.lines) as servers:
            found = _look(servers, files, chain.newest.backup_id, chain.until)
            return evolve(found, failures=(*found.failures, *_keyless(wanted, servers[FIRST], chain.until)))


def _keyless(wanted: Drill, server: Server, moment: float) -> list[str]:
    """Of how many people there is no key beside the backups: what the log says of them would open no more."""
    try:
        kept = person_keys.read_kept(wanted.source.place, wanted.keys, wanted.source.identities, moment)
    except BackupError as error:
        return [str(error)]
    with server.connect(DATABASE_NAME) as connection:
        rows = connection.execute("SELECT account_key FROM auth.person_key").fetchall()
    missing = sum(row[0] not in kept for row in rows)
    return [f"the keys of {missing} people are not beside the backups"] if missing else []


def _look(servers: Mapping[str, Server], files: Path, backup: str, until: float) -> Drilled:
    failures: list[str] = [f"{name} is not in the backup" for name in KEPT_FILES if not (files / name).is_file()]
    with servers[FIRST].connect(DATABASE_NAME) as connection:
        failures += _log_failures(connection, files)
        failures += unopened(connection, StateFolder(files))
        backends, missing = look_for_backends(connection, servers)
        failures += missing
        rows = {schema: _rows(connection, schema) for schema in SCHEMAS}
        size = int(_one(connection, "SELECT count(*) FROM audit.leaf")[0])
        failures += _tried("what must not live on cannot be ended", lambda: revive(connection, [], {"backup": backup}))
    return Drilled(backup, until, size, rows, backends, tuple(failures))


def _tried(what: str, act: Callable[[], object]) -> list[str]:
    try:
        act()
    except psycopg.Error as error:
        return [f"{what}: {str(error).splitlines()[0]}"]
    return []


def _log_failures(connection: psycopg.Connection[Any], files: Path) -> list[str]:
    """The whole log against its newest head, by the keys that were backed up beside it."""
    try:
        words = (files / "audit-keys").read_text(encoding="utf-8").split()
    except OSError:
        return []  # told already
    if connection.execute("SELECT 1 FROM audit.checkpoint LIMIT 1").fetchone() is None:
        return []
    report = verify_log(_DatabaseLog(connection), Trust(keys=tuple(VerifierKey.parse(word) for word in words)))
    return [f"the audit log: {finding.sentence}" for finding in report.findings]


class _DatabaseLog:
    """The log as it lies in a database, for who verifies it."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection

    def checkpoint(self) -> bytes:
        return str(_one(self._connection, "SELECT note FROM audit.checkpoint ORDER BY number DESC LIMIT 1")[0]).encode()

    def tile(self, level: int, index: int, width: int) -> bytes:
        query = "SELECT hashes FROM audit.tile WHERE level = %s AND index = %s"
        row = self._connection.execute(query.encode(), [level, index]).fetchone()
        if row is None:
            raise AbsentError(f"tile {level}/{index}")
        return bytes(row[0])[: width * HASH_OCTETS]

    def entries(self, index: int, width: int) -> bytes:
        first = index * TILE_WIDTH
        query = "SELECT commitment FROM audit.leaf WHERE leaf_index >= %s AND leaf_index < %s ORDER BY leaf_index"
        rows = self._connection.execute(query.encode(), [first, first + width]).fetchall()
        return bundle_octets([bytes(row[0]) for row in rows])


def _rows(connection: psycopg.Connection[Any], schema: str) -> int:
    query = (
        "SELECT coalesce(sum((xpath('/row/c/text()', query_to_xml(format('SELECT count(*) AS c FROM %%I.%%I',"
        " schemaname, tablename), false, true, '')))[1]::text::bigint), 0) FROM pg_tables WHERE schemaname = %s"
    )
    return int(_one(connection, query, schema)[0])


def _one(connection: psycopg.Connection[Any], query: str, *values: Any) -> tuple[Any, ...]:
    row = connection.execute(query.encode(), values or None).fetchone()
    if row is None:
        raise psycopg.DataError("a query of one row had none")
    return tuple(row)
