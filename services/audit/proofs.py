"""Nodes of the tree out of the stored tiles, and the proofs that are made of them."""

from collections.abc import Iterable

from services.audit.store import log
from shared.database import Connection
from shared.tlog.contents import node_from_tile, tile_hashes
from shared.tlog.hashing import HASH_LENGTH
from shared.tlog.layout import NodePlace, node_place
from shared.tlog.proof import ProofNodes, assemble, consistency_nodes, inclusion_nodes
from shared.tlog.tree import CompactRange, NodeId, range_nodes


class BrokenLogError(Exception):
    """The database does not hold the log that was published; the text says what is wrong. Nothing is signed then."""


async def node_hashes(connection: Connection, nodes: Iterable[NodeId], size: int) -> dict[NodeId, bytes]:
    """The hashes of complete nodes of the tree of `size` leaves.

    Raises:
        BrokenLogError: A tile is missing or too short.
    """
    places = {node: node_place(node, size) for node in nodes}
    octets = await log.tiles(connection, list({place.tile for place in places.values()})) if places else {}
    return {node: _hash(octets, place) for node, place in places.items()}


def _hash(octets: dict[tuple[int, int], bytes], place: NodePlace) -> bytes:
    tile = place.tile
    found = octets.get((tile.level, tile.index), b"")[: tile.width * HASH_LENGTH]
    if len(found) < tile.width * HASH_LENGTH:
        raise BrokenLogError(f"{tile.path} is missing, or shorter than the log")
    return node_from_tile(tile_hashes(found, tile.width), place)


async def border(connection: Connection, size: int) -> CompactRange:
    """The right border of the tree of `size` leaves, as the tiles have it."""
    nodes = range_nodes(0, size)
    hashes = await node_hashes(connection, nodes, size)
    return CompactRange(size, [hashes[node] for node in nodes])


async def inclusion(connection: Connection, index: int, size: int) -> tuple[bytes, ...]:
    """The proof that leaf `index` is in the tree of `size` leaves. Requires 0 <= index < size."""
    return await _proof(connection, inclusion_nodes(index, size), size)


async def consistency(connection: Connection, size1: int, size2: int) -> tuple[bytes, ...]:
    """The proof that the tree of `size2` leaves begins with that of `size1`. Requires 0 < size1 <= size2."""
    return await _proof(connection, consistency_nodes(size1, size2), size2)


async def _proof(connection: Connection, groups: ProofNodes, size: int) -> tuple[bytes, ...]:
    hashes = await node_hashes(connection, [node for group in groups for node in group], size)
    return assemble(groups, hashes.__getitem__)


class ProofMaker:
    """Inclusion proofs against one head, which keeps the nodes that it has seen: neighbours share most of theirs."""

    def __init__(self, size: int) -> None:
        """Prove inclusion in the tree of `size` leaves."""
        self._size = size
        self._known: dict[NodeId, bytes] = {}

    async def inclusion(self, connection: Connection, indexes: list[int]) -> list[tuple[bytes, ...]]:
        """A proof for each of `indexes`."""
        groups = [inclusion_nodes(index, self._size) for index in indexes]
        wanted = {node for each in groups for group in each for node in group}
        missing = [node for node in wanted if node not in self._known]
        found = await node_hashes(connection, missing, self._size)
        self._known = {node: self._known[node] for node in wanted if node in self._known} | found
        return [assemble(each, self._known.__getitem__) for each in groups]
