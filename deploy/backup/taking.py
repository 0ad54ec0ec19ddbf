"""Taking a backup: the cluster, or what changed of it; the log since; the files without which it is worth nothing."""

import contextlib
import io
import json
import os
import tarfile
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import IO, Any, Final, cast

import psycopg
from attrs import evolve, frozen

from deploy.backup import person_keys, wal
from deploy.backup.errors import BackupError, LogLostError
from deploy.backup.locking import held
from deploy.backup.manifest import BASE, FILES, FORMAT, Kind, Manifest, new_id, write_manifest
from deploy.backup.remembering import read_remembered, remember
from deploy.backup.sealing import CHUNK, Part, Recipient, seal
from deploy.backup.signing import signer_of
from deploy.backup.tools import Tools, said, tools_of
from deploy.local.files import PRIVATE_FILE, ensure_folder, sync_folder, write_atomically
from deploy.local.records import read_record
from deploy.local.state import StateFolder
from deploy.local.told import settings_told
from shared.tlog.checkpoint import Checkpoint
from shared.tlog.errors import TlogError
from shared.tlog.note import SignedNote

BASE_MANIFEST: Final = "backup_manifest"
"""What PostgreSQL makes the next incremental backup from."""
SETTINGS_FILE: Final = "settings-of-backup.json"
"""With which settings the processes ran, for who has to start them again."""
KEPT_MANIFEST: Final = "backup-manifest"
_SERVER: Final = (
    "SELECT (SELECT system_identifier FROM pg_control_system())::text,"
    " ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int,"
    " current_setting('server_version_num')::int,"
    " (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size')"
)


@frozen
class Taking:
    """One backup in the making: of which installation, where to, for whom."""

    state: StateFolder
    place: Path
    recipients: Sequence[Recipient]
    now: float


def take(taking: Taking, *, is_full: bool) -> Manifest:
    """Take a backup of everything; of what changed since the last one, where there is one in the same place.

    Raises:
        BackupError: It could not be taken whole; what lies there of it has no manifest and counts for nothing.
    """
    with _reached(taking.state) as (tools, connection), _alone(taking.state):
        if not wal.is_kept(connection):
            remember(taking.state, newest="")  # before there is a slot again, which would look as if nothing was lost
            wal.keep_anew(connection, taking.state.postgres)
        parent = None if is_full else _parent(taking)
        kind = Kind.FULL if parent is None else Kind.INCREMENTAL
        draft = _draft(taking, connection, kind, parent)
        folder = _folder(taking, draft.backup_id)
        base, base_manifest = _base(tools, folder, taking.recipients, _kept(taking.state) if parent else None)
        moment = wal.receive(tools, connection, draft.segment_octets, taking.state.postgres)
        retired = _retired(taking.state)
        files, log_size = seal_files(taking.state, folder, taking.recipients)
        parts = wal.seal_spooled(taking.state.postgres, folder, taking.recipients, _after(taking.state, parent))
        made = evolve(draft, restorable_until=moment.at, log_size=log_size, parts=(base, files, *parts))
        _keep_person_keys(taking, connection)
        # Without it the next backup is a full one: cut off anywhere here, none goes on from what is not its parent.
        _kept(taking.state).unlink(missing_ok=True)
        sync_folder(taking.state.postgres)
        _finish(taking, made, place=str(taking.place), newest=made.backup_id, made_at=taking.now)
        write_atomically(_kept(taking.state), base_manifest)
        _forget(retired)
    return made


def take_log(taking: Taking) -> Manifest:
    """Take the write-ahead log since the last backup, and the files: a few seconds of work, for every few minutes.

    Raises:
        LogLostError: There is no backup to go on from: `take` one.
        BackupError: It could not be taken whole.
    """
    with _reached(taking.state) as (tools, connection), _alone(taking.state):
        kept = read_remembered(taking.state)
        if not kept.newest or kept.place != str(taking.place):
            raise LogLostError(f"there is no backup in {taking.place} to go on from: take one first")
        if not wal.is_kept(connection):
            remember(taking.state, newest="")
            raise LogLostError("the server has not kept its log since the last backup: take one now")
        draft = _draft(taking, connection, Kind.WAL, None)
        folder = _folder(taking, draft.backup_id)
        moment = wal.receive(tools, connection, draft.segment_octets, taking.state.postgres)
        retired = _retired(taking.state)
        files, log_size = seal_files(taking.state, folder, taking.recipients)
        parts = wal.seal_spooled(taking.state.postgres, folder, taking.recipients, kept.last_segment)
        made = evolve(draft, restorable_until=moment.at, log_size=log_size, parts=(files, *parts))
        _keep_person_keys(taking, connection)
        _finish(taking, made)
        _forget(retired)
    return made


@contextlib.contextmanager
def _alone(state: StateFolder) -> Iterator[None]:
    """One run has the spool, with what it makes of it; a drill needs neither, and keeps nobody waiting."""
    spool = state.postgres / wal.SPOOL
    ensure_folder(spool)
    with held(spool, "another backup"):
        yield


def _retired(state: StateFolder) -> dict[Path, bytes]:
    """Master keys that left their files since the last backup, which takes them."""
    return {path: path.read_bytes() for path in sorted(state.retired_master_keys.glob("*.json"))}


def _forget(retired: dict[Path, bytes]) -> None:
    """They are in a backup; one that has changed since waits for the next."""
    for path, content in retired.items():
        if path.read_bytes() == content:
            path.unlink()


def _keep_person_keys(taking: Taking, connection: psycopg.Connection[Any]) -> None:
    signer = signer_of(taking.state)
    person_keys.keep(connection, taking.state, taking.place, taking.recipients, signer, now=taking.now)


def _after(state: StateFolder, parent: str | None) -> str:
    """The newest segment that backups before have; a backup that goes on from none needs every one itself."""
    return read_remembered(state).last_segment if parent else ""


def _finish(taking: Taking, made: Manifest, **changes: Any) -> None:
    """From here on there is a backup; `changes` are remembered of it too."""
    write_manifest(taking.place, made, signer_of(taking.state))
    last = max(made.segments, default=read_remembered(taking.state).last_segment)
    remember(taking.state, restorable_until=made.restorable_until, last_segment=last, **changes)
    wal.forget(taking.state.postgres, last)


@contextlib.contextmanager
def _reached(state: StateFolder) -> Iterator[tuple[Tools, psycopg.Connection[Any]]]:
    tools = tools_of(state)
    try:
        with tools.connect() as connection:
            yield tools, connection
    except psycopg.Error as error:
        raise BackupError(f"the database cannot be asked: {str(error).strip()}") from error


def _parent(taking: Taking) -> str | None:
    """The backup that this one goes on from."""
    kept = read_remembered(taking.state)
    is_there = kept.place == str(taking.place) and (taking.place / kept.newest / "manifest").exists()
    return kept.newest if kept.newest and is_there and _kept(taking.state).exists() else None


def _kept(state: StateFolder) -> Path:
    return state.postgres / KEPT_MANIFEST


def _draft(taking: Taking, connection: psycopg.Connection[Any], kind: Kind, parent: str | None) -> Manifest:
    system, timeline, version, segment = wal.one(connection, _SERVER)
    return Manifest(
        format=FORMAT,
        backup_id=new_id(taking.now, kind),
        kind=kind,
        parent=parent,
        began_at=taking.now,
        restorable_until=0.0,
        system_identifier=system,
        timeline=timeline,
        server_version=version,
        segment_octets=segment,
        log_size=0,
        parts=(),
    )


def _folder(taking: Taking, name: str) -> Path:
    folder = taking.place / name
    try:
        taking.place.mkdir(mode=0o700, parents=True, exist_ok=True)
        ensure_folder(folder)
    except OSError as error:
        raise BackupError(f"{folder} cannot be made: {error.strerror}") from error
    return folder


def _base(tools: Tools, folder: Path, recipients: Sequence[Recipient], since: Path | None) -> tuple[Part, bytes]:
    """The cluster as PostgreSQL sends it, and its own list of files in there."""
    arguments = ["--pgdata", "-", "--format", "tar", "--wal-method", "none", "--checkpoint", "fast"]
    if since is not None:
        arguments += ["--incremental", str(since)]
    with tools.begin("pg_basebackup", *arguments, "--manifest-checksums", "SHA256") as process:
        errors: list[bytes] = []
        listener = threading.Thread(target=_listen, args=[process.stderr, errors], daemon=True)
        listener.start()
        split = _Split(cast("IO[bytes]", process.stdout))
        try:
            part = seal(split, folder, BASE, recipients)
        finally:
            split.close()
    listener.join()
    if process.returncode or not split.manifest:
        raise BackupError(f"pg_basebackup failed: {said(b''.join(errors))}")
    return part, split.manifest


def _listen(stream: IO[bytes], said: list[bytes]) -> None:
    """Read what a program complains of, so that it does not wait for a reader."""
    said.append(stream.read())


class _Split:
    """A tar stream that passes through, and of which one member is kept: the list of files at its end."""

    def __init__(self, source: IO[bytes]) -> None:
        self._source = source
        self.manifest = b""
        reading, writing = os.pipe()
        self._copy = os.fdopen(writing, "wb")
        self._worker = threading.Thread(target=self._look, args=[os.fdopen(reading, "rb")], daemon=True)
        self._worker.start()

    def read(self, size: int = -1) -> bytes:
        piece = self._source.read(CHUNK if size < 0 else size)
        self._copy.write(piece)
        return piece

    def close(self) -> None:
        """No more comes; the member is known from here on."""
        self._copy.close()
        self._worker.join()

    def _look(self, copy: IO[bytes]) -> None:
        with copy:
            with contextlib.suppress(tarfile.TarError), tarfile.open(fileobj=copy, mode="r|") as archive:
                for member in archive:
                    content = archive.extractfile(member) if member.name == BASE_MANIFEST else None
                    if content is not None:
                        self.manifest = content.read()
            while copy.read(CHUNK):
                pass  # what follows the end of the archive, so that whoever writes is not kept waiting


def seal_files(state: StateFolder, folder: Path, recipients: Sequence[Recipient]) -> tuple[Part, int]:
    """Authorities, secrets, heads, ledger, settings; and how many entries the newest head covers."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for path in kept_files(state):
            archive.add(path, arcname=str(path.relative_to(state.root)), recursive=False)
        settings = json.dumps(settings_told(read_record(state.processes)), indent=1, sort_keys=True).encode()
        member = tarfile.TarInfo(SETTINGS_FILE)
        member.size, member.mode = len(settings), PRIVATE_FILE
        archive.addfile(member, io.BytesIO(settings))
    buffer.seek(0)
    return seal(buffer, folder, FILES, recipients), head_size(state)


def kept_files(state: StateFolder) -> list[Path]:
    """What the database is worth nothing without; server certificates are made anew, messages are people's own.

    What seals the keys of people is not among it: see `person_keys`.
    """
    single = (state.audit_public_keys, state.audit_head, state.ledger, state.owner_api_key)
    below = (path for folder in (state.ca, state.secrets) for path in sorted(folder.rglob("*")) if path.is_file())
    found = [path for path in (*single, *below) if path.is_file() and not path.is_symlink()]
    return [path for path in found if path != state.person_keys]


def head_size(state: StateFolder) -> int:
    """The entries that the newest signed head covers; none before the first."""
    try:
        return Checkpoint.parse(SignedNote.parse(state.audit_head.read_bytes()).text).size
    except (OSError, TlogError):
        return 0
