"""What tiles and entry bundles hold (C2SP tlog-tiles, "Merkle Tree" and "Log entries")."""

from collections.abc import Sequence
from typing import Final

from shared.tlog.errors import MalformedError, RangeError
from shared.tlog.hashing import HASH_LENGTH
from shared.tlog.layout import NodePlace
from shared.tlog.tree import perfect_root

LENGTH_OCTETS: Final = 2
MAX_ENTRY_LENGTH: Final = 2**16 - 1
"""The length prefix is a big-endian uint16."""


def tile_octets(hashes: Sequence[bytes]) -> bytes:
    """The content of a tile with these hashes."""
    if any(len(each) != HASH_LENGTH for each in hashes):
        raise RangeError(f"a hash has {HASH_LENGTH} octets")
    return b"".join(hashes)


def tile_hashes(octets: bytes, width: int) -> tuple[bytes, ...]:
    """The hashes of a tile of `width`.

    Raises:
        MalformedError: The content is longer or shorter than that.
    """
    if len(octets) != width * HASH_LENGTH:
        raise MalformedError(f"a tile of width {width} has {width * HASH_LENGTH} octets, not {len(octets)}")
    return tuple(octets[at : at + HASH_LENGTH] for at in range(0, len(octets), HASH_LENGTH))


def node_from_tile(hashes: Sequence[bytes], place: NodePlace) -> bytes:
    """The hash of the node at `place`, from the hashes of its tile. Requires that the tile is wide enough."""
    return perfect_root(hashes[place.first : place.first + place.count])


def bundle_octets(entries: Sequence[bytes]) -> bytes:
    """The content of an entry bundle with these leaf data."""
    if any(len(each) > MAX_ENTRY_LENGTH for each in entries):
        raise RangeError(f"an entry has at most {MAX_ENTRY_LENGTH} octets")
    return b"".join(len(each).to_bytes(LENGTH_OCTETS, "big") + each for each in entries)


def bundle_entries(octets: bytes) -> tuple[bytes, ...]:
    """The leaf data in an entry bundle, however many there are.

    Raises:
        MalformedError: It ends within an entry.
    """
    entries, at = [], 0
    while at < len(octets):
        start = at + LENGTH_OCTETS
        at = start + int.from_bytes(octets[at:start], "big")
        if at > len(octets) or start > len(octets):
            raise MalformedError("the bundle ends within an entry")
        entries.append(octets[start:at])
    return tuple(entries)
