"""From queue rows to a batch: commitments, and what they add to each tile. Pure."""

from collections.abc import Iterable, Sequence

from services.audit.records import Batch, Growth
from shared.tlog.hashing import commitment, leaf_hash
from shared.tlog.layout import TILE_HEIGHT, TILE_WIDTH
from shared.tlog.tree import CompactRange, Node


def make_batch(border: CompactRange, entries: Sequence[tuple[int, bytes]], salts: Sequence[bytes]) -> Batch:
    """The batch that appends `entries`, ids and canonical octets, to the tree with `border`, which grows by them."""
    size = border.size
    commitments = [commitment(salt, octets) for salt, (_, octets) in zip(salts, entries, strict=True)]
    nodes = border.extend(leaf_hash(each) for each in commitments)
    return Batch(
        size=size,
        ids=[entry_id for entry_id, _ in entries],
        salts=list(salts),
        commitments=commitments,
        growths=growths(nodes),
    )


def growths(nodes: Iterable[Node]) -> list[Growth]:
    """What complete nodes, in the order in which they were made, add to the tiles."""
    added: dict[tuple[int, int], list[Node]] = {}
    for node in nodes:
        level, height = divmod(node.level, TILE_HEIGHT)
        if height == 0:
            added.setdefault((level, node.index // TILE_WIDTH), []).append(node)
    return [
        Growth(level, index, found[0].index % TILE_WIDTH, b"".join(node.hash for node in found))
        for (level, index), found in added.items()
    ]
