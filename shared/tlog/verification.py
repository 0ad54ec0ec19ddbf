"""Verifying a log: all of it, or some entries of it. Nothing is believed but the keys and the last head.

What is wrong comes back as findings, in the order in which it was found; only what keeps a reader from reading at all
(a network, a disk) is raised, by the reader itself.
"""

from collections.abc import Iterator, Sequence

from attrs import field, mutable

from shared.tlog.checkpoint import Checkpoint
from shared.tlog.findings import Code, Finding, Report
from shared.tlog.hashing import leaf_hash
from shared.tlog.heads import Trust, head_findings, read_head
from shared.tlog.layout import TILE_HEIGHT, TILE_WIDTH, Tile, border_tiles, bundle_at, level_width, tile_at
from shared.tlog.reading import LogReader, WrongError, first_leaf, read_entries, read_tile
from shared.tlog.tree import CompactRange, fold, perfect_root


def verify_log(reader: LogReader, trust: Trust) -> Report:
    """Verify every entry, every tile and the head of a log, and that it continues the last head."""
    head = read_head(reader, trust)
    if isinstance(head, Finding):
        return Report(findings=(head,))
    findings = list(head_findings(head.checkpoint, trust.last_head))
    is_comparable = trust.last_head is not None and not findings
    whole = _WholeLog(reader, head.checkpoint, trust.last_head if is_comparable else None)
    findings += whole.verify()
    return head.report(findings, entries=whole.entries, tells=is_comparable and not findings)


def verify_range(reader: LogReader, trust: Trust, *, start: int, end: int) -> Report:
    """Verify the entries `[start, end)` against the head, and that the head continues the last one.

    What lies outside the range is taken at its tiles' word, which the head vouches for.
    """
    head = read_head(reader, trust)
    if isinstance(head, Finding):
        return Report(findings=(head,))
    findings = list(head_findings(head.checkpoint, trust.last_head))
    is_comparable = trust.last_head is not None and not findings
    if not 0 <= start < end <= head.checkpoint.size:
        missing = max(min(start, end), head.checkpoint.size)
        findings.append(Finding(Code.MISSING_ENTRY, f"the log has {head.checkpoint.size} entries, not these", missing))
        return head.report(findings)
    some = _SomeEntries(reader, head.checkpoint, trust.last_head if is_comparable else None)
    findings += some.verify(start, end)
    return head.report(findings, entries=end - start, tells=is_comparable and not findings)


def _compare_leaves(entries: Sequence[bytes], leaves: Sequence[bytes], first: int) -> Iterator[Finding]:
    for at, (entry, leaf) in enumerate(zip(entries, leaves, strict=True)):
        if leaf_hash(entry) != leaf:
            sentence = f"entry {first + at} is not the one that the tree commits to"
            yield Finding(Code.WRONG_COMMITMENT, sentence, first + at)
            return


def _root_over(tile_roots: Sequence[bytes], leaves: Sequence[bytes]) -> bytes:
    """The root over full tiles and the fewer than 256 leaves behind them."""
    above, below = CompactRange(), CompactRange()
    above.extend(tile_roots)
    below.extend(leaves)
    return fold([*above.hashes, *below.hashes])


@mutable
class _WholeLog:
    """One reading of a whole log, from the leaves upwards, so that the first difference has a place."""

    reader: LogReader
    head: Checkpoint
    last: Checkpoint | None
    entries: int = 0
    _roots: list[bytes] = field(factory=list)
    _border: Sequence[bytes] = ()
    _last_border: Sequence[bytes] = ()

    def verify(self) -> list[Finding]:
        findings = [finding for index in range(-(-self.head.size // TILE_WIDTH)) for finding in self._leaves(index)]
        if not self._is_read():
            return findings
        difference = self._difference_in_tiles()
        if difference is None and self._root() != self.head.root:
            difference = self._difference_to_head()
        if difference is not None:
            return [*findings, difference]
        return [*findings, *self._fork()]

    def _is_read(self) -> bool:
        return len(self._roots) * TILE_WIDTH + len(self._border) == self.head.size

    def _leaves(self, index: int) -> list[Finding]:
        tile, bundle = tile_at(0, index, self.head.size), bundle_at(index, self.head.size)
        leaves: Sequence[bytes] = ()
        entries: Sequence[bytes] = ()
        findings: list[Finding] = []
        try:
            leaves = read_tile(self.reader, tile)
        except WrongError as wrong:
            findings.append(wrong.finding)
        try:
            entries = read_entries(self.reader, bundle)
        except WrongError as wrong:
            findings.append(wrong.finding)
        if leaves:
            self._keep(index, leaves)
        if leaves and entries:
            self.entries += len(entries)
            findings += _compare_leaves(entries, leaves, index * TILE_WIDTH)
        return findings

    def _keep(self, index: int, leaves: Sequence[bytes]) -> None:
        if len(leaves) == TILE_WIDTH:
            self._roots.append(perfect_root(leaves))
        else:
            self._border = leaves
        if self.last is not None and self.last.size // TILE_WIDTH == index:
            self._last_border = leaves[: self.last.size % TILE_WIDTH]

    def _root(self) -> bytes:
        return _root_over(self._roots, self._border)

    def _root_at_last(self, last: Checkpoint) -> bytes:
        return _root_over(self._roots[: last.size // TILE_WIDTH], self._last_border)

    def _difference_in_tiles(self) -> Finding | None:
        level, computed = 1, self._roots
        while level_width(level, self.head.size):
            try:
                finding = self._difference_in_level(level, computed)
            except WrongError as wrong:
                finding = wrong.finding
            if finding is not None:
                return finding
            full = range(0, len(computed) - TILE_WIDTH + 1, TILE_WIDTH)
            level, computed = level + 1, [perfect_root(computed[at : at + TILE_WIDTH]) for at in full]
        return None

    def _difference_in_level(self, level: int, computed: Sequence[bytes]) -> Finding | None:
        for index in range(-(-len(computed) // TILE_WIDTH)):
            served = read_tile(self.reader, tile_at(level, index, self.head.size))
            for at, hash_ in enumerate(served, index * TILE_WIDTH):
                if hash_ != computed[at]:
                    return _difference(at << (TILE_HEIGHT * level), (at + 1) << (TILE_HEIGHT * level))
        return None

    def _difference_to_head(self) -> Finding:
        last = self.last
        start = last.size if last is not None and self._root_at_last(last) == last.root else 0
        return _difference(start, self.head.size)

    def _fork(self) -> Iterator[Finding]:
        last = self.last
        if last is not None and self._root_at_last(last) != last.root:
            yield _forked(last)


def _difference(start: int, end: int) -> Finding:
    sentence = (
        f"the tree that the head commits to is another one: the first difference lies in entries {start} to {end - 1}"
    )
    return Finding(Code.FIRST_DIFFERENCE, sentence, start)


def _forked(last: Checkpoint) -> Finding:
    sentence = f"the first {last.size} entries are not those that were verified last: the log was forked or rewritten"
    return Finding(Code.FORKED, sentence)


@mutable
class _SomeEntries:
    """One reading of a part of a log: each tile is believed once the tile above it, and so the head, vouches for it."""

    reader: LogReader
    head: Checkpoint
    last: Checkpoint | None
    _believed: dict[tuple[int, int], tuple[bytes, ...]] = field(factory=dict)

    def verify(self, start: int, end: int) -> list[Finding]:
        findings: list[Finding] = []
        try:
            self._believe_border()
            self._compare_with_last()
            for index in range(start // TILE_WIDTH, -(-end // TILE_WIDTH)):
                findings += self._compare_entries(index, start, end)
        except WrongError as wrong:
            findings.append(wrong.finding)
        return findings

    def _believe_border(self) -> None:
        hashes: list[bytes] = []
        for tile in border_tiles(self.head.size):
            served = read_tile(self.reader, tile)
            self._believed[tile.level, tile.index] = served
            hashes += _folded(served)
        if fold(hashes) != self.head.root:
            raise WrongError(Code.FIRST_DIFFERENCE, "the tiles do not lead to the head that is signed", None)

    def _compare_with_last(self) -> None:
        if self.last is None:
            return
        hashes: list[bytes] = []
        for tile in border_tiles(self.last.size):
            hashes += _folded(self._tile(tile.level, tile.index)[: tile.width])
        if fold(hashes) != self.last.root:
            raise WrongError(Code.FORKED, _forked(self.last).sentence, None)

    def _tile(self, level: int, index: int) -> tuple[bytes, ...]:
        found = self._believed.get((level, index))
        if found is None:
            tile = tile_at(level, index, self.head.size)
            found = read_tile(self.reader, tile)
            if perfect_root(found) != self._tile(level + 1, index // TILE_WIDTH)[index % TILE_WIDTH]:
                difference = _difference(first_leaf(tile), first_leaf(Tile(level, index + 1)))
                raise WrongError(difference.code, difference.sentence, first_leaf(tile))
            self._believed[level, index] = found
        return found

    def _compare_entries(self, index: int, start: int, end: int) -> Iterator[Finding]:
        first = index * TILE_WIDTH
        leaves, entries = self._tile(0, index), read_entries(self.reader, bundle_at(index, self.head.size))
        inside = slice(max(start - first, 0), end - first)
        return _compare_leaves(entries[inside], leaves[inside], first + inside.start)


def _folded(hashes: Sequence[bytes]) -> tuple[bytes, ...]:
    compact = CompactRange()
    compact.extend(hashes)
    return compact.hashes
