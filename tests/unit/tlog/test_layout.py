"""Where tiles are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.tlog.contents import node_from_tile
from shared.tlog.errors import MalformedError, RangeError
from shared.tlog.hashing import leaf_hash
from shared.tlog.layout import (
    EntryBundle,
    Tile,
    border_tiles,
    bundle_at,
    entries_path,
    node_place,
    parse_path,
    tile_at,
    tile_path,
    tiles,
    tiles_changed,
)
from shared.tlog.tree import MAX_TREE_SIZE, CompactRange, NodeId, fold

widths = st.integers(min_value=1, max_value=256)
indexes = st.integers(min_value=0, max_value=MAX_TREE_SIZE)


def test_paths_match_the_examples_of_tlog_tiles() -> None:
    assert tile_path(0, 1234067) == "tile/0/x001/x234/067"
    assert tile_path(1, 1, 17) == "tile/1/001.p/17"
    assert entries_path(0) == "tile/entries/000"
    assert entries_path(1000, 1) == "tile/entries/x001/000.p/1"


@given(level=st.integers(min_value=0, max_value=63), index=indexes, width=widths)
def test_parsing_inverts_the_path(level: int, index: int, width: int) -> None:
    assert parse_path(tile_path(level, index, width)) == Tile(level, index, width)
    assert parse_path(entries_path(index, width)) == EntryBundle(index, width)


@pytest.mark.parametrize(
    "path",
    [
        "",
        "checkpoint",
        "/tile/0/000",
        "tile/0/000/",
        "tile/00/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/x000/001",
        "tile/0/x000/x001/001",
        "tile/0/001/001",
        "tile/0/x001",
        "tile/0/X001/001",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/000.p",
        "tile/0/000.p/1/",
        "tile/0/000.p/999",
        "tile/0/000\n",
        "tile/0/\u0660\u0660\u0660",
        "tile/entries/000.p/256",
        "tile/Entries/000",
        "tile/entries//000",
        "tile/0/../000",
        "tile/0/" + "x999/" * 7 + "999",
        "tile/0/" + "x999/" * 6 + "999",
    ],
)
def test_what_is_not_the_one_path_of_a_tile_is_refused(path: str) -> None:
    with pytest.raises(MalformedError):
        parse_path(path)


@given(st.text(alphabet="tile/entris0123x.p9", max_size=30))
def test_any_text_is_a_canonical_path_or_refused(path: str) -> None:
    try:
        place = parse_path(path)
    except MalformedError:
        return
    assert place.path == path


def test_the_tiles_of_70000_leaves_are_those_of_the_specification() -> None:
    found = list(tiles(70_000))

    assert [sum(tile.level == 0 and tile.width == 256 for tile in found), tile_at(0, 273, 70_000).width] == [273, 112]
    assert [tile for tile in found if tile.level > 0] == [Tile(1, 0), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert list(tiles(256)) == [Tile(0, 0), Tile(1, 0, 1)]
    assert border_tiles(256) == (Tile(1, 0, 1),)
    assert border_tiles(70_000) == (Tile(2, 0, 1), Tile(1, 1, 17), Tile(0, 273, 112))
    assert list(tiles(0)) == []


@given(size1=st.integers(min_value=0, max_value=80_000), more=st.integers(min_value=0, max_value=1000))
def test_tiles_changed_are_those_that_were_not_there_before(size1: int, more: int) -> None:
    assert set(tiles_changed(size1, size1 + more)) == set(tiles(size1 + more)) - set(tiles(size1))


def test_bundles_are_as_wide_as_the_leaves_below() -> None:
    assert bundle_at(1, 257) == EntryBundle(1, 1)
    assert bundle_at(0, 257) == EntryBundle(0)


@given(size=st.integers(min_value=1, max_value=700), data=st.data())
def test_a_node_is_found_in_its_tile(size: int, data: st.DataObject) -> None:
    made = CompactRange().extend(leaf_hash(number.to_bytes(2, "big")) for number in range(size))
    hashes = {(node.level, node.index): node.hash for node in made}
    node = data.draw(st.sampled_from(made))

    place = node_place(NodeId(node.level, node.index), size)

    row = [hashes[8 * place.tile.level, place.tile.index * 256 + at] for at in range(place.tile.width)]
    assert node_from_tile(row, place) == node.hash


@given(size=st.integers(min_value=0, max_value=700))
def test_the_root_folds_from_the_border_tiles(size: int) -> None:
    tree = CompactRange()
    hashes = {(node.level, node.index): node.hash for node in tree.extend([b"x" * 32] * size)}

    border: list[bytes] = []
    for tile in border_tiles(size):
        row = CompactRange()
        row.extend(hashes[8 * tile.level, tile.index * 256 + at] for at in range(tile.width))
        border += row.hashes
    assert fold(border) == tree.root


@pytest.mark.parametrize(("level", "index", "width"), [(-1, 0, 1), (64, 0, 1), (0, -1, 1), (0, 0, 0), (0, 0, 257)])
def test_no_tile_has_no_path(level: int, index: int, width: int) -> None:
    with pytest.raises(RangeError):
        tile_path(level, index, width)


@pytest.mark.parametrize(("level", "index", "size"), [(0, 0, 0), (0, 1, 256), (1, 0, 255), (-1, 0, 10), (0, -1, 10)])
def test_a_tile_that_the_tree_lacks_is_refused(level: int, index: int, size: int) -> None:
    with pytest.raises(RangeError):
        tile_at(level, index, size)


@pytest.mark.parametrize("node", [NodeId(-1, 0), NodeId(0, -1), NodeId(0, 3), NodeId(2, 0)])
def test_a_node_that_the_tree_lacks_has_no_place(node: NodeId) -> None:
    with pytest.raises(RangeError):
        node_place(node, 3)


@pytest.mark.parametrize(("size1", "size2"), [(-1, 1), (2, 1), (0, MAX_TREE_SIZE + 1)])
def test_no_tree_shrinks(size1: int, size2: int) -> None:
    with pytest.raises(RangeError):
        list(tiles_changed(size1, size2))
