"""Which backups a restore needs: pure, over the manifests of a folder."""

import itertools
from collections.abc import Sequence

from attrs import frozen

from deploy.backup.errors import BackupError
from deploy.backup.manifest import FILES, Kind, Manifest
from deploy.backup.sealing import Part


@frozen
class Piece:
    """A part, and the backup it is in."""

    backup_id: str
    part: Part


@frozen
class Chain:
    """What a restore takes: the full backup and those on it, in order; the log; the files; the moment it comes to.

    `keys`: the files of the installation as they were around that moment, the oldest first, `files` among them.
    """

    bases: tuple[Manifest, ...]
    segments: dict[str, Piece]
    files: Piece
    keys: tuple[Piece, ...]
    until: float

    @property
    def newest(self) -> Manifest:
        """The backup that the log is replayed on."""
        return self.bases[-1]


def chain_for(manifests: Sequence[Manifest], point: float | None) -> Chain:
    """What brings back `point`, in Unix seconds, or the newest moment there is.

    Args:
        manifests: Every backup of the folder.

    Raises:
        BackupError: They do not reach to it, or one of the chain is missing.
    """
    # A run that had to wait for another began before what is in it.
    manifests = sorted(manifests, key=lambda each: each.restorable_until)
    whole = [each for each in manifests if each.kind is not Kind.WAL]
    usable = [each for each in whole if point is None or each.restorable_until <= point]
    if not usable:
        raise BackupError("there is no backup" if not whole else "the oldest backup is newer than that moment")
    bases = _ancestry(usable[-1], {each.backup_id: each for each in whole})
    related = [
        each
        for each in manifests
        if (each.system_identifier, each.timeline) == (bases[-1].system_identifier, bases[-1].timeline)
        and each.restorable_until >= bases[0].restorable_until
    ]
    until = max(each.restorable_until for each in related)
    if point is not None and point > until:
        raise BackupError("the backups do not reach to that moment")
    moment = until if point is None else point
    _refuse_hole(related, bases[-1], moment)
    before, after = _files(related, moment)
    return Chain(bases, _segments(related), before[-1], (*before[-2:], *after[:1]), moment)


def _refuse_hole(related: Sequence[Manifest], base: Manifest, until: float) -> None:
    """Let pass a log without a hole from `base` on, up to the backup in which `until` is."""
    reached = min(each.restorable_until for each in related if each.restorable_until >= until)
    covering = [each for each in related if each.restorable_until <= reached]
    first, per_log = min(base.segments, default=""), 2**32 // base.segment_octets
    numbers = sorted({_number(name, per_log) for each in covering for name in each.segments if name >= first})
    for before, after in itertools.pairwise(numbers):
        if after != before + 1:
            raise BackupError(f"the log has a hole after backup {base.backup_id}, before that moment: choose another")


def _number(segment: str, per_log: int) -> int:
    """How many segments of the log came before. Source: PostgreSQL, XLogFromFileName."""
    return int(segment[8:16], 16) * per_log + int(segment[16:24], 16)


def spent(manifests: Sequence[Manifest], before: float) -> list[Manifest]:
    """The backups that no moment from `before` on, in Unix seconds, is brought back by: those before a full one."""
    full = [each.restorable_until for each in manifests if each.kind is Kind.FULL and each.restorable_until <= before]
    return [each for each in manifests if full and each.restorable_until < max(full)]


def _ancestry(newest: Manifest, by_id: dict[str, Manifest]) -> tuple[Manifest, ...]:
    line = [newest]
    while line[0].parent is not None:
        parent = by_id.get(line[0].parent)
        if parent is None or len(line) > len(by_id):
            raise BackupError(f"backup {line[0].backup_id} goes on from {line[0].parent}, which is not there")
        line.insert(0, parent)
    return tuple(line)


def _segments(related: Sequence[Manifest]) -> dict[str, Piece]:
    return {name: Piece(each.backup_id, part) for each in related for name, part in each.segments.items()}


def _files(related: Sequence[Manifest], moment: float) -> tuple[list[Piece], list[Piece]]:
    """The files that are no newer than `moment`, and the newer ones, each in order."""
    before, after = list[Piece](), list[Piece]()
    for each in related:
        part = each.part(FILES)
        if part is not None:
            (before if each.restorable_until <= moment else after).append(Piece(each.backup_id, part))
    if not before:
        raise BackupError("no backup of the chain has the files of the installation")
    return before, after
