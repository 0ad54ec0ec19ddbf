"""Inclusion and consistency proofs."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.tlog.errors import ProofError, RangeError, RootMismatchError
from shared.tlog.hashing import leaf_hash
from shared.tlog.proof import (
    assemble,
    consistency_nodes,
    inclusion_nodes,
    root_from_consistency_proof,
    verify_consistency,
    verify_inclusion,
)
from shared.tlog.tree import MAX_TREE_SIZE, CompactRange, NodeId
from tests.unit.tlog import reference

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "vectors" / "rfc6962.json").read_text(encoding="utf-8"))
ROOTS = [bytes.fromhex(root) for root in VECTORS["roots"]]
LEAVES = [bytes.fromhex(leaf) for leaf in VECTORS["leaf_hashes"]]
DATA = [number.to_bytes(2, "big") for number in range(600)]


def lookup(data: list[bytes]) -> Callable[[NodeId], bytes]:
    made = CompactRange().extend(leaf_hash(each) for each in data)
    hashes = {NodeId(node.level, node.index): node.hash for node in made}
    return hashes.__getitem__


HASH_OF = lookup(DATA)


def hexed(proof: list[str]) -> list[bytes]:
    return [bytes.fromhex(each) for each in proof]


def mutations(proof: list[bytes]) -> Iterator[list[bytes]]:
    """Proofs that differ from `proof`: a bit flipped, cut, longer, swapped, a hash cut or longer."""
    yield [*proof, b"\x00" * 32]
    yield [b"\x00" * 32, *proof]
    for at, each in enumerate(proof):
        for bit in (0, 77, 255):
            flipped = (int.from_bytes(each, "big") ^ (1 << bit)).to_bytes(32, "big")
            yield [*proof[:at], flipped, *proof[at + 1 :]]
        yield [*proof[:at], *proof[at + 1 :]]
        yield [*proof[:at], each[:31], *proof[at + 1 :]]
        yield [*proof[:at], each + b"\x00", *proof[at + 1 :]]
        yield [*proof[:at], b"", *proof[at + 1 :]]
    for at in range(len(proof) - 1):
        yield [*proof[:at], proof[at + 1], proof[at], *proof[at + 2 :]]


@pytest.mark.parametrize("vector", VECTORS["inclusion"])
def test_inclusion_matches_certificate_transparency(vector: dict[str, Any]) -> None:
    index, size, proof = vector["index"], vector["size"], hexed(vector["proof"])
    hash_of = lookup([bytes.fromhex(each) for each in VECTORS["leaf_data"]])

    assert list(assemble(inclusion_nodes(index, size), hash_of)) == proof
    verify_inclusion(index=index, size=size, leaf=LEAVES[index], proof=proof, root=ROOTS[size])
    for mutated in mutations(proof):
        with pytest.raises(ProofError):
            verify_inclusion(index=index, size=size, leaf=LEAVES[index], proof=mutated, root=ROOTS[size])


@pytest.mark.parametrize("vector", VECTORS["consistency"])
def test_consistency_matches_certificate_transparency(vector: dict[str, Any]) -> None:
    size1, size2, proof = vector["size1"], vector["size2"], hexed(vector["proof"])
    hash_of = lookup([bytes.fromhex(each) for each in VECTORS["leaf_data"]])

    assert list(assemble(consistency_nodes(size1, size2), hash_of)) == proof
    verify_consistency(size1=size1, size2=size2, proof=proof, root1=ROOTS[size1], root2=ROOTS[size2])
    for mutated in mutations(proof):
        with pytest.raises(ProofError):
            verify_consistency(size1=size1, size2=size2, proof=mutated, root1=ROOTS[size1], root2=ROOTS[size2])


def test_nodes_match_the_example_of_rfc_6962_section_2_1_3() -> None:
    """The tree of seven leaves; b is (0, 1), h is (1, 1), l = (i, j) is folded from (1, 2) and (0, 6), and so on."""
    b, c, f, j = NodeId(0, 1), NodeId(0, 2), NodeId(0, 5), NodeId(0, 6)
    g, h, i, k = NodeId(1, 0), NodeId(1, 1), NodeId(1, 2), NodeId(2, 0)
    l_ = (i, j)

    assert inclusion_nodes(0, 7) == ((b,), (h,), l_)
    assert inclusion_nodes(3, 7) == ((c,), (g,), l_)
    assert inclusion_nodes(4, 7) == ((f,), (j,), (k,))
    assert inclusion_nodes(6, 7) == ((i,), (k,))
    assert consistency_nodes(3, 7) == ((c,), (NodeId(0, 3),), (g,), l_)
    assert consistency_nodes(4, 7) == (l_,)
    assert consistency_nodes(6, 7) == ((i,), (j,), (k,))


@given(size=st.integers(min_value=1, max_value=300), data=st.data())
def test_inclusion_is_that_of_the_recursion_and_verifies(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(min_value=0, max_value=size - 1))
    proof = assemble(inclusion_nodes(index, size), HASH_OF)

    assert list(proof) == reference.path(index, DATA[:size])
    root = reference.tree_hash(DATA[:size])
    verify_inclusion(index=index, size=size, leaf=leaf_hash(DATA[index]), proof=proof, root=root)


@given(size=st.integers(min_value=1, max_value=300), data=st.data())
def test_a_mutated_inclusion_proof_fails(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(min_value=0, max_value=size - 1))
    root = reference.tree_hash(DATA[:size])
    for mutated in mutations(reference.path(index, DATA[:size])):
        with pytest.raises(ProofError):
            verify_inclusion(index=index, size=size, leaf=leaf_hash(DATA[index]), proof=mutated, root=root)


@given(size1=st.integers(min_value=1, max_value=300), more=st.integers(min_value=0, max_value=300))
def test_consistency_is_that_of_the_recursion_and_verifies(size1: int, more: int) -> None:
    size2 = size1 + more
    proof = assemble(consistency_nodes(size1, size2), HASH_OF)
    root1, root2 = reference.tree_hash(DATA[:size1]), reference.tree_hash(DATA[:size2])

    assert list(proof) == reference.proof(size1, DATA[:size2])
    verify_consistency(size1=size1, size2=size2, proof=proof, root1=root1, root2=root2)
    assert root_from_consistency_proof(size1=size1, size2=size2, proof=proof, root1=root1) == root2


@given(size1=st.integers(min_value=1, max_value=300), more=st.integers(min_value=0, max_value=300))
def test_a_mutated_consistency_proof_fails(size1: int, more: int) -> None:
    size2 = size1 + more
    root1, root2 = reference.tree_hash(DATA[:size1]), reference.tree_hash(DATA[:size2])
    for mutated in mutations(reference.proof(size1, DATA[:size2])):
        with pytest.raises(ProofError):
            verify_consistency(size1=size1, size2=size2, proof=mutated, root1=root1, root2=root2)
    if more:
        with pytest.raises(ProofError):
            verify_consistency(
                size1=size1, size2=size2, proof=reference.proof(size1, DATA[:size2]), root1=root2, root2=root1
            )


def test_another_leaf_or_place_fails_and_both_roots_are_told() -> None:
    proof = reference.path(3, DATA[:7])
    root = reference.tree_hash(DATA[:7])

    with pytest.raises(RootMismatchError) as caught:
        verify_inclusion(index=3, size=7, leaf=leaf_hash(DATA[4]), proof=proof, root=root)
    assert caught.value.expected == root
    assert caught.value.computed != root
    assert root.hex() in str(caught.value)
    with pytest.raises(ProofError):
        verify_inclusion(index=2, size=7, leaf=leaf_hash(DATA[3]), proof=proof, root=root)


@pytest.mark.parametrize(("index", "size"), [(-1, 1), (0, 0), (1, 1), (0, MAX_TREE_SIZE + 1)])
def test_inclusion_requires_index_below_size(index: int, size: int) -> None:
    with pytest.raises(RangeError):
        inclusion_nodes(index, size)
    with pytest.raises(ProofError):
        verify_inclusion(index=index, size=size, leaf=b"x" * 32, proof=[], root=b"x" * 32)


@pytest.mark.parametrize(("size1", "size2"), [(0, 1), (-1, 1), (2, 1), (1, MAX_TREE_SIZE + 1)])
def test_consistency_requires_zero_below_size1_up_to_size2(size1: int, size2: int) -> None:
    with pytest.raises(RangeError):
        consistency_nodes(size1, size2)
    with pytest.raises(ProofError):
        verify_consistency(size1=size1, size2=size2, proof=[], root1=b"x" * 32, root2=b"x" * 32)


def test_equal_sizes_have_equal_roots_and_no_proof() -> None:
    verify_consistency(size1=5, size2=5, proof=[], root1=b"x" * 32, root2=b"x" * 32)
    with pytest.raises(RootMismatchError):
        verify_consistency(size1=5, size2=5, proof=[], root1=b"x" * 32, root2=b"y" * 32)
    with pytest.raises(ProofError):
        verify_consistency(size1=5, size2=5, proof=[b"x" * 32], root1=b"x" * 32, root2=b"x" * 32)


def test_the_longest_inclusion_proof_has_63_hashes() -> None:
    assert len(inclusion_nodes(0, MAX_TREE_SIZE)) == 63
