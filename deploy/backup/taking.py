"""Taking a backup: each database server, or what changed of it; the log since; the files that they need.

All servers come to one moment: the one up to which the log of each is there.
"""

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import psycopg
from attrs import asdict, evolve, frozen

from deploy.backup import person_keys, wal
from deploy.backup.basing import seal_base
from deploy.backup.errors import BackupError, LogLostError
from deploy.backup.filing import seal_files
from deploy.backup.locking import held
from deploy.backup.manifest import (
    FILE_NAME as MANIFEST,
)
from deploy.backup.manifest import (
    FORMAT,
    FORMAT_OF_SEVERAL,
    Kind,
    Manifest,
    Member,
    new_id,
    read_manifest,
    write_manifest,
)
from deploy.backup.remembering import Remembered, read_remembered, remember
from deploy.backup.sealing import Part, Recipient
from deploy.backup.servers import KEPT_MANIFEST, Server, reached
from deploy.backup.signing import signer_of
from deploy.local.files import ensure_folder, sync_folder, write_atomically
from deploy.local.state import StateFolder
from shared.clusters import FIRST


@frozen
class Taking:
    """One backup in the making: of which installation, where to, for whom.

    `is_partial`: without the database servers that cannot be reached, but never without the first.
    """

    state: StateFolder
    place: Path
    recipients: Sequence[Recipient]
    now: float
    is_partial: bool = False


@frozen
class _Taken:
    """What there is of one server so far: its parts, and from which backup its cluster goes on."""

    server: Server
    kind: Kind
    parent: str | None
    folder: Path
    parts: tuple[Part, ...] = ()
    base_manifest: bytes = b""

    def member(self) -> Member:
        """As a manifest has it of a server beside the first."""
        about = asdict(self.server.about())
        return Member(name=self.server.name, kind=self.kind, parent=self.parent, parts=self.parts, **about)


def take(taking: Taking, *, is_full: bool) -> Manifest:
    """Take a backup of everything; of what changed since the last one, where there is one in the same place.

    Raises:
        BackupError: It could not be taken whole, and nothing is left of it.
    """
    with reached(taking.state, is_partial=taking.is_partial) as (servers, absent), _alone(servers):
        for server in servers:
            _have_log_kept(taking.state, server)
        parent = None if is_full else _parent(taking)
        kind = servers[0].kind(goes_on=parent is not None)
        with _begun(taking, servers[0], kind, parent, absent) as made:
            return _whole(taking, made, servers, absent)


def _whole(taking: Taking, made: Manifest, servers: Sequence[Server], absent: Sequence[str]) -> Manifest:
    based = [_based(taking, made, server) for server in servers]
    retired = _retired(taking.state)
    made, taken = _with_log(taking, made, based, _last_segments(taking.state, based))
    _keep_person_keys(taking, servers[0].connection)
    # Without it the next backup is a full one: cut off anywhere here, none goes on from what is not its parent.
    for folder in (*(each.server.folder for each in taken), *map(taking.state.postgres_of, absent)):
        (folder / KEPT_MANIFEST).unlink(missing_ok=True)
    for each in taken:
        sync_folder(each.server.folder)
    _finish(taking, made, place=str(taking.place), newest=made.backup_id, made_at=taking.now)
    for each in taken:
        write_atomically(each.server.kept_manifest, each.base_manifest)
    _forget(retired)
    return made


def take_log(taking: Taking) -> Manifest:
    """Take the write-ahead log since the last backup, and the files: a few seconds of work, for every few minutes.

    Raises:
        LogLostError: There is no backup to go on from, or a server's log does not go on from it: `take` one.
        BackupError: It could not be taken whole, and nothing is left of it.
    """
    with reached(taking.state, is_partial=taking.is_partial) as (servers, absent), _alone(servers):
        kept = read_remembered(taking.state)
        if not kept.newest or kept.place != str(taking.place):
            raise LogLostError(f"there is no backup in {taking.place} to go on from: take one first")
        newest = _newest(taking, kept)
        for server in servers:
            _check_log(taking.state, server, kept)
            _check_same(server, newest)
        with _begun(taking, servers[0], Kind.WAL, None, absent) as empty:
            begun = [_Taken(server, Kind.WAL, None, _folder_of(taking, empty, server)) for server in servers]
            retired = _retired(taking.state)
            made, _ = _with_log(taking, empty, begun, {FIRST: kept.last_segment, **kept.others})
            _keep_person_keys(taking, servers[0].connection)
            _finish(taking, made)
            _forget(retired)
            return made


@contextlib.contextmanager
def _alone(servers: Sequence[Server]) -> Iterator[None]:
    """One run has the spools, with what it makes of them; a drill needs none, and keeps nobody waiting."""
    for server in servers:
        if not server.folder.exists():  # of a server that runs elsewhere; where one runs here, its user may cross it
            ensure_folder(server.folder)
        ensure_folder(server.folder / wal.SPOOL)
    with held(servers[0].folder / wal.SPOOL, "another backup"):
        yield


def _have_log_kept(state: StateFolder, server: Server) -> None:
    if wal.is_kept(server.connection):
        return
    # Before there is a slot again, which would look as if nothing was lost: the next backup of it is a whole one.
    if server.name == FIRST:
        remember(state, newest="")
    else:
        others = read_remembered(state).others
        remember(state, others={name: last for name, last in others.items() if name != server.name})
    server.kept_manifest.unlink(missing_ok=True)
    sync_folder(server.folder)
    wal.keep_anew(server.connection, server.folder)


def _check_log(state: StateFolder, server: Server, kept: Remembered) -> None:
    if server.name != FIRST and server.name not in kept.others:
        raise LogLostError(f"there is no backup of the database server {server.name} to go on from: take one first")
    if not wal.is_kept(server.connection):
        remember(state, newest="")
        raise LogLostError(f"the server {server.name} has not kept its log since the last backup: take one now")


def _newest(taking: Taking, kept: Remembered) -> Manifest:
    if not (taking.place / kept.newest / MANIFEST).exists():
        raise LogLostError(f"the backup {kept.newest} to go on from is not in {taking.place}: take one now")
    return read_manifest(taking.place / kept.newest, [signer_of(taking.state).verifier_key])


def _check_same(server: Server, newest: Manifest) -> None:
    """Its log goes on where the newest backup ends: after it went over to another instance, it begins anew."""
    view, about = newest.seen_from(server.name), server.about()
    if view is None or (view.system_identifier, view.timeline) != (about.system_identifier, about.timeline):
        raise LogLostError(
            f"the server {server.name} went over to another instance since the last backup: take one now"
        )


@contextlib.contextmanager
def _begun(taking: Taking, first: Server, kind: Kind, parent: str | None, absent: Sequence[str]) -> Iterator[Manifest]:
    """The manifest of a backup of which nothing is there but its folder; it goes where the block does not finish it."""
    made = Manifest(
        format=FORMAT,
        backup_id=new_id(taking.now, kind),
        kind=kind,
        parent=parent if kind is Kind.INCREMENTAL else None,
        began_at=taking.now,
        restorable_until=0.0,
        **asdict(first.about()),
        log_size=0,
        parts=(),
        absent=tuple(absent),
    )
    signer_of(taking.state)  # made before the files are sealed, which it is one of: a restored installation has it
    folder = taking.place / made.backup_id
    try:
        taking.place.mkdir(mode=0o700, parents=True, exist_ok=True)
        ensure_folder(folder)
    except OSError as error:
        raise BackupError(f"{folder} cannot be made: {error.strerror}") from error
    try:
        yield made
    finally:
        if not (folder / MANIFEST).exists():  # or a place that was full would stay so
            shutil.rmtree(folder, ignore_errors=True)


def _folder_of(taking: Taking, made: Manifest, server: Server) -> Path:
    folder = taking.place / made.backup_id
    if server.name != FIRST:
        folder /= server.name
        ensure_folder(folder)
    return folder


def _based(taking: Taking, made: Manifest, server: Server) -> _Taken:
    """The server's cluster, whole, or what changed since its parent, which the manifest has."""
    kind = server.kind(goes_on=made.parent is not None)
    parent = made.parent if kind is Kind.INCREMENTAL else None
    folder = _folder_of(taking, made, server)
    since = server.kept_manifest if parent is not None else None
    base, base_manifest = seal_base(server.tools, folder, taking.recipients, since)
    return _Taken(server, kind, parent, folder, (base,), base_manifest)


def _with_log(
    taking: Taking, made: Manifest, begun: Sequence[_Taken], last: Mapping[str, str]
) -> tuple[Manifest, list[_Taken]]:
    """The log of each server up to now, and the files: the moment is the earliest one of theirs.

    Args:
        last: The newest segment of each server that a backup has already, by its name.
    """
    moments = [
        wal.receive(each.server.tools, each.server.connection, each.server.about().segment_octets, each.server.folder)
        for each in begun
    ]
    files, log_size = seal_files(taking.state, taking.place / made.backup_id, taking.recipients)
    taken = [_with_segments(taking, each, last.get(each.server.name, "")) for each in begun]
    first, *others = taken
    # The files stand behind the cluster, as they always did.
    parts = (*begun[0].parts, files, *first.parts[len(begun[0].parts) :])
    made = evolve(
        made,
        format=FORMAT_OF_SEVERAL if others or made.absent else FORMAT,
        restorable_until=min(moment.at for moment in moments),
        log_size=log_size,
        parts=parts,
        members=tuple(each.member() for each in others),
    )
    return made, taken


def _with_segments(taking: Taking, each: _Taken, after: str) -> _Taken:
    segments = wal.seal_spooled(each.server.folder, each.folder, taking.recipients, after)
    return evolve(each, parts=(*each.parts, *segments))


def _last_segments(state: StateFolder, based: Sequence[_Taken]) -> dict[str, str]:
    """The newest segments that backups before have; one that goes on from none needs every one itself."""
    kept = read_remembered(state)
    last = {FIRST: kept.last_segment, **kept.others}
    return {each.server.name: last.get(each.server.name, "") for each in based if each.parent is not None}


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


def _parent(taking: Taking) -> str | None:
    """The backup that this one goes on from."""
    kept = read_remembered(taking.state)
    is_there = kept.place == str(taking.place) and (taking.place / kept.newest / MANIFEST).exists()
    has_list = (taking.state.postgres / KEPT_MANIFEST).exists()
    return kept.newest if kept.newest and is_there and has_list else None


def _finish(taking: Taking, made: Manifest, **changes: Any) -> None:
    """From here on there is a backup; `changes` are remembered of it too."""
    write_manifest(taking.place, made, signer_of(taking.state))
    kept = read_remembered(taking.state)
    last = max(made.segments, default=kept.last_segment)
    views = {member.name: made.seen_from(member.name) for member in made.members}
    # One that was away for a moment goes on with its log; with its cluster it has to begin anew.
    others = dict(kept.others) if made.kind is Kind.WAL else {}
    others |= {name: max(view.segments, default=kept.others.get(name, "")) for name, view in views.items() if view}
    remember(
        taking.state, restorable_until=made.restorable_until, last_segment=last, others=others,
        absent=list(made.absent), **changes,
    )  # fmt: skip
    for name, segment in {FIRST: last, **others}.items():
        wal.forget(taking.state.postgres_of(name), segment)
