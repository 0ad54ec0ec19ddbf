"""Building a tree from the left, keeping no more than one hash a level.

A node is addressed by its level (leaves are 0) and its index within the level; it covers the leaves
`[index << level, (index + 1) << level)`. Only complete nodes have addresses; a root over other numbers of leaves is
folded from the complete nodes along the tree's right border.
"""

from collections.abc import Iterable, Sequence
from functools import reduce
from typing import Final

from attrs import frozen

from shared.tlog.errors import RangeError
from shared.tlog.hashing import EMPTY_ROOT, HASH_LENGTH, node_hash

MAX_TREE_SIZE: Final = 2**63 - 1
"""What a PostgreSQL bigint holds."""


@frozen
class NodeId:
    """The address of a complete node."""

    level: int
    index: int


@frozen
class Node:
    """A complete node and its hash; it never changes however the tree grows."""

    level: int
    index: int
    hash: bytes


def range_nodes(start: int, end: int) -> tuple[NodeId, ...]:
    """The fewest complete nodes that cover the leaves `[start, end)`, from left to right. Requires 0 <= start <= end.

    For a range that begins a subtree of RFC 6962 they fold, right to left, into that subtree's hash.
    """
    if not 0 <= start <= end <= MAX_TREE_SIZE:
        raise RangeError(f"no range of leaves: {start} to {end}")
    nodes = []
    while start < end:
        aligned = (start & -start).bit_length() - 1 if start else MAX_TREE_SIZE.bit_length()
        level = min(aligned, (end - start).bit_length() - 1)
        nodes.append(NodeId(level, start >> level))
        start += 1 << level
    return tuple(nodes)


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash over subtrees of falling size, from left to right; of none it is the empty root."""
    if not hashes:
        return EMPTY_ROOT
    return reduce(lambda right, left: node_hash(left, right), reversed(hashes))


def perfect_root(hashes: Sequence[bytes]) -> bytes:
    """The root over hashes of one level whose number is a power of two.

    Raises:
        RangeError: It is not.
    """
    count = len(hashes)
    if count == 0 or count & (count - 1):
        raise RangeError(f"{count} is not a power of two")
    while len(hashes) > 1:
        hashes = [node_hash(left, right) for left, right in zip(hashes[::2], hashes[1::2], strict=True)]
    return hashes[0]


class CompactRange:
    """The tree's right border: all that is needed to append leaves and to say the root."""

    def __init__(self, size: int = 0, hashes: Sequence[bytes] = ()) -> None:
        """Go on from a tree of `size` leaves; `hashes` are those of `range_nodes(0, size)`.

        Raises:
            RangeError: Number or length of the hashes do not fit.
        """
        if not 0 <= size <= MAX_TREE_SIZE:
            raise RangeError(f"no tree size: {size}")
        if len(hashes) != size.bit_count() or any(len(each) != HASH_LENGTH for each in hashes):
            raise RangeError(f"a tree of {size} leaves goes on from {size.bit_count()} hashes of {HASH_LENGTH} octets")
        self._size = size
        self._hashes = list(hashes)

    @property
    def size(self) -> int:
        """How many leaves the tree has."""
        return self._size

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The hashes of `range_nodes(0, size)`, from left to right."""
        return tuple(self._hashes)

    @property
    def root(self) -> bytes:
        """The root hash of the tree as it is now."""
        return fold(self._hashes)

    def append(self, leaf: bytes) -> tuple[Node, ...]:
        """Append a leaf hash; the answer has every node that became complete: the leaf first, then upwards.

        Raises:
            RangeError: It is no hash, or the tree is as large as trees get.
        """
        if len(leaf) != HASH_LENGTH or self._size == MAX_TREE_SIZE:
            raise RangeError("not a hash, or the tree is full")
        made = [Node(0, self._size, leaf)]
        remaining = self._size
        while remaining & 1:
            below = made[-1]
            made.append(Node(below.level + 1, below.index >> 1, node_hash(self._hashes.pop(), below.hash)))
            remaining >>= 1
        self._hashes.append(made[-1].hash)
        self._size += 1
        return tuple(made)

    def extend(self, leaves: Iterable[bytes]) -> tuple[Node, ...]:
        """Append many leaf hashes; the answer has every node that became complete, in the order of `append`."""
        return tuple(node for leaf in leaves for node in self.append(leaf))
