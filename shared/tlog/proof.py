"""Inclusion and consistency proofs: which nodes they consist of, and what follows from one.

Making a proof takes two steps, so that nothing here reads anything: `inclusion_nodes` or `consistency_nodes` say which
complete nodes to fetch, `assemble` folds the fetched ones into the proof. A verifier returns nothing or raises.
"""

from collections.abc import Callable, Iterable, Sequence

from shared.tlog.errors import ProofError, RangeError, RootMismatchError
from shared.tlog.hashing import HASH_LENGTH, node_hash
from shared.tlog.tree import MAX_TREE_SIZE, NodeId, fold, range_nodes

ProofNodes = tuple[tuple[NodeId, ...], ...]
"""For each hash of a proof, from the leaf upwards, the complete nodes that fold into it; all but one are single."""


def inclusion_nodes(index: int, size: int) -> ProofNodes:
    """What proves that the leaf `index` is in the tree of `size` leaves. Requires 0 <= index < size.

    Source: RFC 6962 section 2.1.1.
    """
    if not 0 <= index < size <= MAX_TREE_SIZE:
        raise RangeError(f"no leaf {index} in a tree of {size}")
    start, end, ranges = 0, size, []
    while end - start > 1:
        split = _split(start, end)
        if index < split:
            ranges.append((split, end))
            end = split
        else:
            ranges.append((start, split))
            start = split
    return _nodes(ranges)


def consistency_nodes(size1: int, size2: int) -> ProofNodes:
    """What proves that the tree of `size1` leaves is the beginning of that of `size2`. Requires 0 < size1 <= size2.

    Source: RFC 6962 section 2.1.2.
    """
    if not 0 < size1 <= size2 <= MAX_TREE_SIZE:
        raise RangeError(f"no consistency proof from {size1} to {size2}")
    start, end, ranges = 0, size2, []
    while end != size1:
        split = _split(start, end)
        if size1 <= split:
            ranges.append((split, end))
            end = split
        else:
            ranges.append((start, split))
            start = split
    if start:
        ranges.append((start, end))
    return _nodes(ranges)


def _split(start: int, end: int) -> int:
    # The left subtree has the largest power of two that is smaller than the number of leaves.
    return start + (1 << (end - start - 1).bit_length() - 1)


def _nodes(ranges: list[tuple[int, int]]) -> ProofNodes:
    return tuple(range_nodes(start, end) for start, end in reversed(ranges))


def assemble(nodes: ProofNodes, hash_of: Callable[[NodeId], bytes]) -> tuple[bytes, ...]:
    """The proof made of `nodes`; `hash_of` looks up what was fetched."""
    return tuple(fold([hash_of(node) for node in group]) for group in nodes)


def root_from_inclusion_proof(*, index: int, size: int, leaf: bytes, proof: Sequence[bytes]) -> bytes:
    """The root hash of the tree of `size` leaves in which `proof` places the hash `leaf`. Requires 0 <= index < size.

    Raises:
        ProofError: The proof is too long or too short, or has something that is no hash.
    Source: RFC 9162 section 2.1.3.2.
    """
    if not 0 <= index < size <= MAX_TREE_SIZE:
        raise ProofError(f"no leaf {index} in a tree of {size}")
    _require_hashes([leaf, *proof])
    path, last, root = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("the inclusion proof is too long")
        if path & 1 or path == last:
            root = node_hash(sibling, root)
            path, last = _up_to_right_child(path, last)
        else:
            root = node_hash(root, sibling)
        path, last = path >> 1, last >> 1
    if last:
        raise ProofError("the inclusion proof is too short")
    return root


def verify_inclusion(*, index: int, size: int, leaf: bytes, proof: Sequence[bytes], root: bytes) -> None:
    """Check that the hash `leaf` is leaf `index` of the tree of `size` leaves with hash `root`.

    Raises:
        RootMismatchError: The proof leads to another root.
        ProofError: It is no such proof.
    """
    _require_root(root_from_inclusion_proof(index=index, size=size, leaf=leaf, proof=proof), root)


def root_from_consistency_proof(*, size1: int, size2: int, proof: Sequence[bytes], root1: bytes) -> bytes:
    """The root hash at `size2` that `proof` derives from `root1`, that at `size1`. Requires 0 < size1 <= size2.

    Raises:
        RootMismatchError: The proof does not lead to `root1`.
        ProofError: It is too long or too short, or has something that is no hash.
    Source: RFC 9162 section 2.1.4.2.
    """
    if not 0 < size1 <= size2 <= MAX_TREE_SIZE:
        raise ProofError(f"no consistency proof from {size1} to {size2}")
    _require_hashes([root1, *proof])
    if size1 == size2:
        if proof:
            raise ProofError("the consistency proof is too long")
        return root1
    return _climb(size1, size2, proof, root1)


def verify_consistency(*, size1: int, size2: int, proof: Sequence[bytes], root1: bytes, root2: bytes) -> None:
    """Check that the tree of `size2` leaves with hash `root2` begins with that of `size1` with hash `root1`.

    Raises:
        RootMismatchError: The proof leads to another root.
        ProofError: It is no such proof.
    """
    _require_root(root_from_consistency_proof(size1=size1, size2=size2, proof=proof, root1=root1), root2)


def _climb(size1: int, size2: int, proof: Sequence[bytes], root1: bytes) -> bytes:
    # A tree whose size is a power of two is a node of the larger one, and the proof leaves it out.
    path = [*proof] if size1 & (size1 - 1) else [root1, *proof]
    if len(path) < 2:  # noqa: PLR2004 - where to begin, and one step at least
        raise ProofError("the consistency proof is too short")
    first, last = _up_to_left_child(size1 - 1, size2 - 1)
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("the consistency proof is too long")
        if first & 1 or first == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            first, last = _up_to_right_child(first, last)
        else:
            new = node_hash(new, sibling)
        first, last = first >> 1, last >> 1
    if last:
        raise ProofError("the consistency proof is too short")
    _require_root(old, root1)
    return new


def _up_to_right_child(path: int, last: int) -> tuple[int, int]:
    # On the right border a subtree may lack its right part: the levels where it does have no hash in a proof.
    while path and not path & 1:
        path, last = path >> 1, last >> 1
    return path, last


def _up_to_left_child(path: int, last: int) -> tuple[int, int]:
    while path & 1:
        path, last = path >> 1, last >> 1
    return path, last


def _require_hashes(hashes: Iterable[bytes]) -> None:
    if any(len(each) != HASH_LENGTH for each in hashes):
        raise ProofError(f"a hash has {HASH_LENGTH} octets")


def _require_root(computed: bytes, expected: bytes) -> None:
    if computed != expected:
        raise RootMismatchError(computed, expected)
