"""Building trees."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.tlog.errors import RangeError
from shared.tlog.hashing import leaf_hash, node_hash
from shared.tlog.tree import MAX_TREE_SIZE, CompactRange, Node, NodeId, fold, perfect_root, range_nodes
from tests.unit.tlog import reference

VECTORS: dict[str, Any] = json.loads((Path(__file__).parent / "vectors" / "rfc6962.json").read_text(encoding="utf-8"))
DATA = [bytes.fromhex(each) for each in VECTORS["leaf_data"]]
sizes = st.integers(min_value=0, max_value=70)


def leaves(size: int) -> list[bytes]:
    return [leaf_hash(bytes([number])) for number in range(size)]


def test_roots_match_the_test_tree_of_certificate_transparency() -> None:
    tree = CompactRange()
    roots = [tree.root.hex()]
    for data in DATA:
        tree.append(leaf_hash(data))
        roots.append(tree.root.hex())

    assert roots == VECTORS["roots"]
    assert [leaf_hash(data).hex() for data in DATA] == VECTORS["leaf_hashes"]


@given(size=sizes)
def test_the_root_is_that_of_the_recursion(size: int) -> None:
    tree = CompactRange()
    tree.extend(leaves(size))

    assert tree.root == reference.tree_hash([bytes([number]) for number in range(size)])
    assert tree.size == size


@given(size=sizes, more=st.integers(min_value=0, max_value=20))
def test_a_tree_goes_on_from_its_border(size: int, more: int) -> None:
    whole = CompactRange()
    whole.extend(leaves(size))
    resumed = CompactRange(size, whole.hashes)

    assert resumed.extend(leaves(more)) == whole.extend(leaves(more))
    assert resumed.root == whole.root


@given(size=sizes)
def test_appending_tells_every_complete_node_once(size: int) -> None:
    made = CompactRange().extend(leaves(size))

    expected = [(level, index) for level in range(8) for index in range(size >> level)]
    assert sorted((node.level, node.index) for node in made) == expected
    hashes = {(node.level, node.index): node.hash for node in made}
    assert all(
        hash_ == node_hash(hashes[level - 1, 2 * index], hashes[level - 1, 2 * index + 1])
        for (level, index), hash_ in hashes.items()
        if level
    )


def test_nodes_come_from_the_leaf_upwards() -> None:
    tree = CompactRange()
    first, second = leaves(2)

    assert tree.append(first) == (Node(0, 0, first),)
    assert tree.append(second) == (Node(0, 1, second), Node(1, 0, node_hash(first, second)))


@given(start=sizes, length=sizes)
def test_the_nodes_of_a_range_cover_it_without_gap_or_overlap(start: int, length: int) -> None:
    at = start
    for node in range_nodes(start, start + length):
        assert node.index << node.level == at
        at += 1 << node.level
    assert at == start + length


def test_the_nodes_of_a_border_are_as_many_as_the_size_has_ones() -> None:
    assert range_nodes(0, 7) == (NodeId(2, 0), NodeId(1, 2), NodeId(0, 6))
    assert len(range_nodes(0, MAX_TREE_SIZE)) == 63


@pytest.mark.parametrize(("start", "end"), [(-1, 1), (2, 1), (0, MAX_TREE_SIZE + 1)])
def test_no_range_is_refused(start: int, end: int) -> None:
    with pytest.raises(RangeError):
        range_nodes(start, end)


@pytest.mark.parametrize("count", [0, 3, 6])
def test_only_a_power_of_two_has_a_perfect_root(count: int) -> None:
    with pytest.raises(RangeError):
        perfect_root(leaves(count))


def test_a_perfect_root_is_what_folding_gives() -> None:
    one, two, three, four = leaves(4)

    assert perfect_root([one, two, three, four]) == node_hash(node_hash(one, two), node_hash(three, four))
    assert fold([one, two, three]) == node_hash(one, node_hash(two, three))


@pytest.mark.parametrize(
    ("size", "hashes"), [(-1, []), (MAX_TREE_SIZE + 1, []), (1, []), (1, [b"x" * 31]), (2, [b"x" * 32] * 2)]
)
def test_a_border_that_does_not_fit_is_refused(size: int, hashes: list[bytes]) -> None:
    with pytest.raises(RangeError):
        CompactRange(size, hashes)


def test_what_is_no_hash_is_not_appended() -> None:
    tree = CompactRange()
    with pytest.raises(RangeError):
        tree.append(b"short")
    assert tree.size == 0


def test_a_full_tree_takes_no_more() -> None:
    with pytest.raises(RangeError):
        CompactRange(MAX_TREE_SIZE, [b"x" * 32] * 63).append(b"x" * 32)
