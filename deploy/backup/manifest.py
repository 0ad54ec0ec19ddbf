"""What a backup is: a manifest, signed by the installation (C2SP signed-note), which names every part by its SHA-256.

<place>/<id>/manifest        the note
<place>/<id>/*.gz.age        the parts
"""

import datetime as dt
import json
import re
import shutil
from collections.abc import Iterator, Sequence
from enum import StrEnum
from pathlib import Path
from typing import Final

import msgspec
from attrs import evolve, frozen

from deploy.backup.errors import BackupError, UntrustedError
from deploy.backup.sealing import SUFFIX, Part
from deploy.local.files import write_atomically
from shared.clusters import FIRST
from shared.tlog.errors import TlogError
from shared.tlog.note import SignedNote, Signer, VerifierKey, signed_by

FILE_NAME: Final = "manifest"
KEY_NAME: Final = "ironflock.local/backup"
FORMAT: Final = 1
FORMAT_OF_SEVERAL: Final = 2
"""Of an installation with more than one database server: a release that knows the first alone must not restore it."""
BASE: Final = "base.tar"
FILES: Final = "files.tar"
WAL: Final = "wal-"
LEFT_S: Final = 86_400.0
"""What has no manifest and was not written to for so long is in nobody's making any more."""
AWAY: Final = "to go on without this backup, move its folder out of there"
_ID: Final = re.compile(r"[0-9]{8}T[0-9]{12}Z-(full|incremental|wal)")
HISTORY: Final = ".history"
"""How PostgreSQL calls the file that tells which timeline another one goes on from: `0000000N.history`."""


class Kind(StrEnum):
    """What a backup holds: all of the cluster, what changed since its parent, or the write-ahead log alone."""

    FULL = "full"
    INCREMENTAL = "incremental"
    WAL = "wal"


@frozen
class Member:
    """What a backup has of a database server beside the first, in the folder `<id>/<name>`; otherwise as `Manifest`."""

    name: str
    kind: Kind
    parent: str | None
    system_identifier: str
    timeline: int
    server_version: int
    segment_octets: int
    parts: tuple[Part, ...]


@frozen
class Manifest:
    """A backup; moments in Unix seconds, positions in the write-ahead log as PostgreSQL writes them.

    `restorable_until`: all that was acknowledged before is in it. `log_size`: entries that the audit log's head
    covered when the files were taken, by which a ledger is read on. What is told of a server is of the first one;
    `members` are the others, and `absent` those that could not be reached, of which there is nothing in it.
    """

    format: int
    backup_id: str
    kind: Kind
    parent: str | None
    began_at: float
    restorable_until: float
    system_identifier: str
    timeline: int
    server_version: int
    segment_octets: int
    log_size: int
    parts: tuple[Part, ...]
    members: tuple[Member, ...] = ()
    absent: tuple[str, ...] = ()

    @property
    def octets(self) -> int:
        """How much there is in all."""
        parts = (*self.parts, *(part for member in self.members for part in member.parts))
        return sum(part.octets for part in parts)

    def seen_from(self, server: str) -> "Manifest | None":
        """This backup as that database server's own; None where it has nothing of it."""
        if server == FIRST:
            return self
        member = next((each for each in self.members if each.name == server), None)
        if member is None:
            return None
        parent = None if member.parent is None else f"{member.parent}/{server}"
        return evolve(
            self, backup_id=f"{self.backup_id}/{server}", kind=member.kind, parent=parent,
            system_identifier=member.system_identifier, timeline=member.timeline,
            server_version=member.server_version, segment_octets=member.segment_octets,
            parts=member.parts, members=(), absent=(),
        )  # fmt: skip

    def part(self, name: str) -> Part | None:
        """The part that begins with `name`."""
        return next((part for part in self.parts if part.name.startswith(f"{name}.")), None)

    @property
    def log(self) -> dict[str, Part]:
        """What it has of the write-ahead log, histories of timelines too, by the names that PostgreSQL gives them."""
        parts = (part for part in self.parts if part.name.startswith(WAL))
        return {part.name.removeprefix(WAL).removesuffix(SUFFIX): part for part in parts}

    @property
    def segments(self) -> dict[str, Part]:
        """The pieces of the write-ahead log in it, which are numbered without a hole."""
        return {name: part for name, part in self.log.items() if not name.endswith(HISTORY)}


def new_id(now: float, kind: Kind) -> str:
    """A name that sorts by time."""
    return f"{dt.datetime.fromtimestamp(now, dt.UTC):%Y%m%dT%H%M%S%f}Z-{kind.value}"


def write_manifest(place: Path, manifest: Manifest, signer: Signer) -> None:
    """Sign `manifest` and put it beside its parts: from then on there is a backup."""
    text = json.dumps(msgspec.to_builtins(manifest), separators=(",", ":")) + "\n"
    note = SignedNote(text, ()).with_signatures([signer.sign(text)])
    write_atomically(place / manifest.backup_id / FILE_NAME, note.octets)


def read_manifest(folder: Path, keys: Sequence[VerifierKey]) -> Manifest:
    """The manifest in `folder`.

    Raises:
        UntrustedError: It was not signed by one of `keys`, or is not one of this release.
    """
    try:
        note = SignedNote.parse((folder / FILE_NAME).read_bytes())
        signed_by(note, keys)
        found = msgspec.json.decode(note.text.encode(), type=Manifest, strict=True)
    except TlogError as error:
        raise UntrustedError(
            f"{folder}: the manifest was not signed by the key of this installation; {AWAY}"
        ) from error
    except (OSError, msgspec.MsgspecError) as error:
        raise UntrustedError(f"{folder}: there is no manifest that can be read; {AWAY}") from error
    if found.format not in (FORMAT, FORMAT_OF_SEVERAL) or found.backup_id != folder.name:
        raise UntrustedError(f"{folder}: the manifest is of another backup, or of another release")
    return found


def remove(place: Path, manifest: Manifest) -> None:
    """Delete a backup; the manifest goes first, so that half of one never counts.

    Raises:
        BackupError: It cannot be deleted.
    """
    folder = place / manifest.backup_id
    try:
        (folder / FILE_NAME).unlink()
        shutil.rmtree(folder)
    except OSError as error:
        raise BackupError(f"{folder} cannot be deleted: {error.strerror}") from error


def left_behind(place: Path, now: float) -> list[str]:
    """The ids of what runs that died have left in `place`, of making a backup or of deleting one; `now`: Unix seconds.

    Raises:
        BackupError: It cannot be looked at.
    """
    try:
        folders = [path for path in sorted(place.iterdir()) if _ID.fullmatch(path.name) and path.is_dir()]
        unfinished = [folder for folder in folders if not (folder / FILE_NAME).exists()]
        return [folder.name for folder in unfinished if _written_at(folder) < now - LEFT_S]
    except FileNotFoundError:
        return []  # there is no such place; or somebody else deletes them just now
    except OSError as error:
        raise BackupError(f"{place} cannot be looked at: {error.strerror}") from error


def _written_at(folder: Path) -> float:
    """When anything in there was written last."""
    return max(path.stat().st_mtime for path in (folder, *folder.rglob("*")))


def remove_left(place: Path, backup_id: str) -> None:
    """Delete what `left_behind` told of.

    Raises:
        BackupError: It cannot be deleted.
    """
    try:
        shutil.rmtree(place / backup_id)
    except OSError as error:
        raise BackupError(f"{place / backup_id} cannot be deleted: {error.strerror}") from error


def manifests(place: Path, keys: Sequence[VerifierKey]) -> Iterator[Manifest]:
    """Every backup in `place`, the oldest first; what has no manifest was not finished, and is left out.

    Raises:
        UntrustedError: One is not what it should be.
    """
    for folder in sorted(place.iterdir()) if place.is_dir() else ():
        if (folder / FILE_NAME).exists():
            yield read_manifest(folder, keys)
