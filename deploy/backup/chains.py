"""Which backups a restore needs: pure, over the manifests of a folder."""

import itertools
from collections.abc import Collection, Sequence

from attrs import frozen

from deploy.backup.errors import BackupError
from deploy.backup.manifest import FILES, Kind, Manifest
from deploy.backup.sealing import Part
from shared.clusters import FIRST


@frozen
class Piece:
    """A part, and the backup it is in."""

    backup_id: str
    part: Part


@frozen
class Line:
    """What one database server is brought back by: its full backup and those on it, in order, and its log.

    Each backup is told as that server's own (`Manifest.seen_from`). The moment is in no log that ends before `through`,
    an octet of the log. `newest_timeline` is the newest one that backups have of that cluster: by its number what a
    restore has written since is told from what another one has, so that none may be given twice.
    """

    server: str
    bases: tuple[Manifest, ...]
    log: dict[str, Piece]
    through: int
    newest_timeline: int

    @property
    def newest(self) -> Manifest:
        """The backup that the log is replayed on."""
        return self.bases[-1]


@frozen
class Chain:
    """What a restore takes: a line for each database server, the first one's first; the files; the moment it comes to.

    `keys`: the files of the installation as they were around that moment, the oldest first, `files` among them.
    """

    lines: tuple[Line, ...]
    files: Piece
    keys: tuple[Piece, ...]
    until: float

    @property
    def first(self) -> Line:
        """The line of the server that the control database is on."""
        return self.lines[0]

    @property
    def newest(self) -> Manifest:
        """The backup that the log of the first server is replayed on."""
        return self.first.newest

    @property
    def target(self) -> float | None:
        """Up to which moment each log is replayed; None: to its end, where there is one server alone."""
        return self.until if len(self.lines) > 1 else None


def chain_for(manifests: Sequence[Manifest], point: float | None, without: Collection[str] = ()) -> Chain:
    """What brings back `point`, in Unix seconds, or the newest moment that there is of every server.

    Args:
        manifests: Every backup of the folder.
        without: Names of database servers that are not brought back.

    Raises:
        BackupError: They do not reach to it, or one of the chain is missing.
    """
    # A run that had to wait for another began before what is in it.
    manifests = sorted(manifests, key=lambda each: each.restorable_until)
    whole = [each for each in manifests if each.kind is not Kind.WAL]
    usable = [each for each in whole if point is None or each.restorable_until <= point]
    if not usable:
        raise BackupError("there is no backup" if not whole else "the oldest backup is newer than that moment")
    moment = _newest(manifests, usable[-1], without) if point is None else point
    first, related = _line(FIRST, manifests, moment)
    names = [name for name in _servers(related, moment) if name not in without]
    before, after = _files(related, moment)
    lines = (first, *(_line(name, manifests, moment)[0] for name in names))
    return Chain(lines, before[-1], (*before[-2:], *after[:1]), moment)


def _newest(manifests: Sequence[Manifest], base: Manifest, without: Collection[str]) -> float:
    """The newest moment of a backup that no server was missing from; of any, where none is like that."""
    related = [each for each in manifests if _is_of(each, base)]
    complete = [each.restorable_until for each in related if not set(each.absent) - set(without)]
    return max(complete or [each.restorable_until for each in related])


def _servers(related: Sequence[Manifest], moment: float) -> list[str]:
    """Which servers there were beside the first, as the first backup tells that has the moment in it."""
    reached = next(each for each in related if each.restorable_until >= moment)
    return sorted({*(member.name for member in reached.members), *reached.absent})


def _line(server: str, manifests: Sequence[Manifest], moment: float) -> tuple[Line, list[Manifest]]:
    """The line of one server up to `moment`, and every backup that its log is in."""
    seen = [view for each in manifests if (view := each.seen_from(server)) is not None]
    whole = [each for each in seen if each.kind is not Kind.WAL and each.restorable_until <= moment]
    where = "" if server == FIRST else f" of the database server {server}"
    if not whole:
        raise BackupError(f"there is no backup{where} from before that moment")
    bases = _ancestry(whole[-1], {each.backup_id: each for each in seen if each.kind is not Kind.WAL})
    related = [each for each in seen if _is_of(each, bases[-1]) and each.restorable_until >= bases[0].restorable_until]
    if moment > max(each.restorable_until for each in related):
        raise BackupError(f"the backups{where} do not reach to that moment")
    covering = _covering(related, moment)
    _refuse_hole(covering, bases[-1])
    newest_timeline = max(each.timeline for each in seen if each.system_identifier == bases[-1].system_identifier)
    return Line(server, bases, _log(related), _end(covering), newest_timeline), related


def _is_of(each: Manifest, base: Manifest) -> bool:
    """Whether its log is that of the same cluster, on the same timeline."""
    return (each.system_identifier, each.timeline) == (base.system_identifier, base.timeline)


def _covering(related: Sequence[Manifest], moment: float) -> list[Manifest]:
    """The backups up to the one in which the moment is."""
    reached = min(each.restorable_until for each in related if each.restorable_until >= moment)
    return [each for each in related if each.restorable_until <= reached]


def _refuse_hole(covering: Sequence[Manifest], base: Manifest) -> None:
    """Let pass a log without a hole from `base` on."""
    first = min(base.segments, default="")
    octets = base.segment_octets
    numbers = sorted({_number(name, octets) for each in covering for name in each.segments if name >= first})
    for before, after in itertools.pairwise(numbers):
        if after != before + 1:
            raise BackupError(f"the log has a hole after backup {base.backup_id}, before that moment: choose another")


def _end(covering: Sequence[Manifest]) -> int:
    """Where their log ends: the octet that the last segment begins with, which is closed when a backup is taken."""
    return max(
        (_number(name, each.segment_octets) * each.segment_octets for each in covering for name in each.segments),
        default=0,
    )


def _number(segment: str, segment_octets: int) -> int:
    """How many segments of the log came before. Source: PostgreSQL, XLogFromFileName."""
    return int(segment[8:16], 16) * (2**32 // segment_octets) + int(segment[16:24], 16)


def spent(manifests: Sequence[Manifest], before: float) -> list[Manifest]:
    """The backups that no moment from `before` on, in Unix seconds, is brought back by: those before a full one."""
    # One that a server is missing from begins nothing anew for that server.
    full = [
        each.restorable_until
        for each in manifests
        if each.kind is Kind.FULL and not each.absent and each.restorable_until <= before
    ]
    return [each for each in manifests if full and each.restorable_until < max(full)]


def _ancestry(newest: Manifest, by_id: dict[str, Manifest]) -> tuple[Manifest, ...]:
    line = [newest]
    while line[0].parent is not None:
        parent = by_id.get(line[0].parent)
        if parent is None or len(line) > len(by_id):
            raise BackupError(f"backup {line[0].backup_id} goes on from {line[0].parent}, which is not there")
        line.insert(0, parent)
    return tuple(line)


def _log(related: Sequence[Manifest]) -> dict[str, Piece]:
    """Their log; of what several have, the oldest piece: one that goes on elsewhere under the same name is newer."""
    log: dict[str, Piece] = {}
    for each in related:
        for name, part in each.log.items():
            log.setdefault(name, Piece(each.backup_id, part))
    return log


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
