"""Where a log's tiles are (C2SP tlog-tiles), and what lies in them.

A tile of level L holds up to 256 hashes of the tree's level 8 * L; above each full tile stands one hash of the next
level. Entry bundles are addressed like the tiles of level 0.
"""

import re
from collections.abc import Iterator
from typing import Final

from attrs import frozen

from shared.tlog.errors import MalformedError, RangeError
from shared.tlog.tree import MAX_TREE_SIZE, NodeId

TILE_HEIGHT: Final = 8
TILE_WIDTH: Final = 1 << TILE_HEIGHT
MAX_TILE_LEVEL: Final = 63
"""C2SP tlog-tiles, "Merkle Tree"; a tree of 2**63 - 1 leaves ends with level 7."""
CHECKPOINT_PATH: Final = "checkpoint"
CHECKPOINT_TYPE: Final = "text/plain; charset=utf-8"
TILE_TYPE: Final = "application/octet-stream"
_PATH: Final = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/)*[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)
_MAX_PATH_LENGTH: Final = 60


@frozen
class Tile:
    """The tile `index` of `level` with its first `width` hashes; a full one has 256."""

    level: int
    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """Its path below the log's prefix."""
        return tile_path(self.level, self.index, self.width)


@frozen
class EntryBundle:
    """The entries `[256 * index, 256 * index + width)`."""

    index: int
    width: int = TILE_WIDTH

    @property
    def path(self) -> str:
        """Its path below the log's prefix."""
        return entries_path(self.index, self.width)


@frozen
class NodePlace:
    """A node is the root over the hashes `[first, first + count)` of a tile; `count` is a power of two."""

    tile: Tile
    first: int
    count: int


def tile_path(level: int, index: int, width: int = TILE_WIDTH) -> str:
    """The path of a tile. Requires 0 <= level <= 63, 0 <= index, 1 <= width <= 256."""
    if not 0 <= level <= MAX_TILE_LEVEL:
        raise RangeError(f"no tile level: {level}")
    return f"tile/{level}/{_index_path(index, width)}"


def entries_path(index: int, width: int = TILE_WIDTH) -> str:
    """The path of an entry bundle. Requires 0 <= index, 1 <= width <= 256."""
    return f"tile/entries/{_index_path(index, width)}"


def _index_path(index: int, width: int) -> str:
    if not (0 <= index <= MAX_TREE_SIZE and 1 <= width <= TILE_WIDTH):
        raise RangeError(f"no tile {index} of width {width}")
    digits = str(index)
    digits = digits.zfill(-(-len(digits) // 3) * 3)
    groups = [digits[at : at + 3] for at in range(0, len(digits), 3)]
    path = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
    return path if width == TILE_WIDTH else f"{path}.p/{width}"


def parse_path(path: str) -> Tile | EntryBundle:
    """What `path`, below the log's prefix and without a slash at its ends, addresses: the inverse of `tile_path`.

    Raises:
        MalformedError: It addresses nothing, or is not the one way to write it.
    """
    found = _PATH.fullmatch(path) if len(path) <= _MAX_PATH_LENGTH else None
    if found is None:
        raise MalformedError("not the path of a tile")
    kind, groups, partial = found.groups()
    index, width = int(groups.replace("/", "").replace("x", "")), int(partial or TILE_WIDTH)
    try:
        place = EntryBundle(index, width) if kind == "entries" else Tile(int(kind), index, width)
        canonical = place.path
    except RangeError as error:
        raise MalformedError("not the path of a tile") from error
    if canonical != path:
        raise MalformedError("not the canonical path of a tile")
    return place


def level_width(level: int, size: int) -> int:
    """How many hashes all tiles of `level` hold together in a tree of `size` leaves."""
    return size >> (TILE_HEIGHT * level)


def tile_at(level: int, index: int, size: int) -> Tile:
    """The tile `index` of `level` as wide as a tree of `size` leaves has it. Requires that the tree has it.

    Source: C2SP tlog-tiles, "Partial Tiles".
    """
    width = min(level_width(level, size) - index * TILE_WIDTH, TILE_WIDTH) if level >= 0 <= index else 0
    if width < 1:
        raise RangeError(f"a tree of {size} leaves has no tile {index} of level {level}")
    return Tile(level, index, width)


def bundle_at(index: int, size: int) -> EntryBundle:
    """The entry bundle `index` as wide as a log of `size` entries has it. Requires that the log has it."""
    return EntryBundle(index, tile_at(0, index, size).width)


def tiles(size: int) -> Iterator[Tile]:
    """All tiles of a tree of `size` leaves, level by level, each level from the left."""
    return tiles_changed(0, size)


def tiles_changed(size1: int, size2: int) -> Iterator[Tile]:
    """The tiles of the tree of `size2` leaves that the tree of `size1` does not have or has narrower.

    Requires 0 <= size1 <= size2.
    """
    if not 0 <= size1 <= size2 <= MAX_TREE_SIZE:
        raise RangeError(f"no tree grows from {size1} to {size2}")
    level = 0
    while (before := level_width(level, size1)) < (after := level_width(level, size2)):
        for index in range(before // TILE_WIDTH, -(-after // TILE_WIDTH)):
            yield tile_at(level, index, size2)
        level += 1


def border_tiles(size: int) -> tuple[Tile, ...]:
    """The partial tiles of a tree of `size` leaves, from the top. Its root folds from all that is in them."""
    found = []
    level = 0
    while (width := level_width(level, size)) > 0:
        if width % TILE_WIDTH:
            found.append(tile_at(level, width // TILE_WIDTH, size))
        level += 1
    return tuple(reversed(found))


def node_place(node: NodeId, size: int) -> NodePlace:
    """Where a node of the tree of `size` leaves is found. Requires that the tree has it."""
    level, height = divmod(node.level, TILE_HEIGHT)
    if node.level < 0 or not 0 <= node.index < size >> node.level:
        raise RangeError(f"a tree of {size} leaves has no node {node.index} of level {node.level}")
    first = node.index << height
    tile = tile_at(level, first // TILE_WIDTH, size)
    return NodePlace(tile, first % TILE_WIDTH, 1 << height)
