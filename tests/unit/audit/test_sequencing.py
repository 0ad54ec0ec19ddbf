"""What a batch adds to the tiles is what a tree built at once has."""

from hypothesis import given
from hypothesis import strategies as st

from services.audit.sequencing import growths, make_batch
from shared.tlog.hashing import HASH_LENGTH, commitment, leaf_hash
from shared.tlog.layout import tiles
from shared.tlog.tree import CompactRange


def filled(sizes: list[int]) -> tuple[dict[tuple[int, int], bytes], CompactRange]:
    """The tiles after batches of these sizes."""
    found: dict[tuple[int, int], bytes] = {}
    border, number = CompactRange(), 0
    for size in sizes:
        entries = [(number + at + 1, str(number + at).encode()) for at in range(size)]
        batch = make_batch(border, entries, [b"s" * 32] * size)
        assert batch.size == number
        for growth in batch.growths:
            before = found.get((growth.level, growth.index), b"")
            assert len(before) == growth.width * HASH_LENGTH
            found[growth.level, growth.index] = before + growth.addition
        number += size
    return found, border


@given(st.lists(st.integers(1, 300), min_size=1, max_size=5))
def test_batches_of_any_size_come_to_the_same_tiles(sizes: list[int]) -> None:
    total = sum(sizes)

    by_steps, at_once = filled(sizes), filled([total])

    assert by_steps[0] == at_once[0]
    assert by_steps[1].root == at_once[1].root
    assert {(tile.level, tile.index): tile.width * HASH_LENGTH for tile in tiles(total)} == {
        place: len(octets) for place, octets in by_steps[0].items()
    }


def test_a_leaf_commits_to_salt_and_octets() -> None:
    batch = make_batch(CompactRange(), [(7, b"octets")], [b"s" * 32])

    assert (batch.ids, batch.commitments) == ([7], [commitment(b"s" * 32, b"octets")])
    assert [growth.addition for growth in batch.growths] == [leaf_hash(batch.commitments[0])]


def test_nodes_between_tiles_are_not_stored() -> None:
    nodes = CompactRange().extend(leaf_hash(bytes([at])) for at in range(256))

    assert [(growth.level, growth.index, growth.width) for growth in growths(nodes)] == [(0, 0, 0), (1, 0, 0)]
