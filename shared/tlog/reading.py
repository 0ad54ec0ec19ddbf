"""Reading a log: what a source of tiles offers, and tiles and entries taken from it in their one possible form."""

from typing import Protocol

from shared.tlog.contents import bundle_entries, tile_hashes
from shared.tlog.errors import AbsentError, MalformedError, TlogError
from shared.tlog.findings import Code, Finding
from shared.tlog.hashing import HASH_LENGTH
from shared.tlog.layout import TILE_HEIGHT, TILE_WIDTH, EntryBundle, Tile


class LogReader(Protocol):
    """Where a log is read from; each method answers the octets as they are served.

    Each raises `AbsentError` where the log has no such thing.
    """

    def checkpoint(self) -> bytes:
        """The signed head."""
        ...

    def tile(self, level: int, index: int, width: int) -> bytes:
        """The content of a tile."""
        ...

    def entries(self, index: int, width: int) -> bytes:
        """The content of an entry bundle."""
        ...


class WrongError(TlogError):
    """Reading came upon something wrong; `finding` says what."""

    def __init__(self, code: Code, sentence: str, index: int | None) -> None:
        """Carry a finding."""
        super().__init__(sentence)
        self.finding = Finding(code, sentence, index)


def first_leaf(tile: Tile) -> int:
    """The first leaf that `tile` covers."""
    return tile.index << (TILE_HEIGHT * (tile.level + 1))


def read_tile(reader: LogReader, tile: Tile) -> tuple[bytes, ...]:
    """The hashes of `tile`, not verified.

    Raises:
        WrongError: It is not there, or not of its form.
    """
    first = first_leaf(tile)
    try:
        try:
            return tile_hashes(reader.tile(tile.level, tile.index, tile.width), tile.width)
        except AbsentError:
            # A log may delete a partial tile once the full one is there (C2SP tlog-tiles, "Partial Tiles").
            if tile.width == TILE_WIDTH:
                raise
            return tile_hashes(reader.tile(tile.level, tile.index, TILE_WIDTH), TILE_WIDTH)[: tile.width]
    except AbsentError as error:
        raise WrongError(
            Code.MISSING_ENTRY, f"{tile.path} is not there; it covers entries from {first}", first
        ) from error
    except MalformedError as error:
        raise WrongError(Code.MALFORMED, f"{tile.path}: {error}", first) from error


def read_entries(reader: LogReader, bundle: EntryBundle) -> tuple[bytes, ...]:
    """The leaf data in `bundle`, not verified.

    Raises:
        WrongError: It is not there, too short, or not of its form.
    """
    first = bundle.index * TILE_WIDTH
    try:
        entries = _entries_of(reader, bundle)
    except AbsentError as error:
        raise WrongError(
            Code.MISSING_ENTRY, f"{bundle.path} is not there: entries from {first} are lost", first
        ) from error
    except MalformedError as error:
        raise WrongError(Code.MALFORMED, f"{bundle.path}: {error}", first) from error
    if len(entries) < bundle.width:
        lost = first + len(entries)
        raise WrongError(Code.MISSING_ENTRY, f"{bundle.path} ends before entry {lost}", lost)
    return entries


def _entries_of(reader: LogReader, bundle: EntryBundle) -> tuple[bytes, ...]:
    try:
        entries, most = bundle_entries(reader.entries(bundle.index, bundle.width)), bundle.width
    except AbsentError:
        if bundle.width == TILE_WIDTH:
            raise
        entries, most = bundle_entries(reader.entries(bundle.index, TILE_WIDTH)), TILE_WIDTH
    if len(entries) > most:
        raise MalformedError(f"it has {len(entries)} entries, not {most}")
    if any(len(entry) != HASH_LENGTH for entry in entries):
        raise MalformedError(f"an entry is no commitment of {HASH_LENGTH} octets")
    return entries[: bundle.width]
