"""Tiles and bundles taken from a source in their one possible form."""

from pathlib import Path

import pytest

from shared.tlog.findings import Code
from shared.tlog.layout import EntryBundle, Tile
from shared.tlog.reading import WrongError, first_leaf, read_entries, read_tile
from tests.unit.tlog.folder_reader import FolderReader
from tests.unit.tlog.log_folder import LogFolder


@pytest.fixture
def log(tmp_path: Path) -> LogFolder:
    return LogFolder(tmp_path).add(300).write()


def test_a_tile_covers_leaves_from_its_first() -> None:
    assert [first_leaf(tile) for tile in (Tile(0, 3), Tile(1, 2), Tile(2, 1))] == [768, 131_072, 16_777_216]


def test_what_is_served_in_its_form_is_read(log: LogFolder) -> None:
    reader = FolderReader(log.folder)

    assert len(read_tile(reader, Tile(0, 1, 44))) == 44
    assert read_entries(reader, EntryBundle(1, 44)) == tuple(log.commitments()[256:])


def test_a_full_tile_serves_where_the_partial_one_is_gone(log: LogFolder) -> None:
    reader = FolderReader(log.folder)

    assert read_tile(reader, Tile(0, 0, 7)) == read_tile(reader, Tile(0, 0))[:7]
    assert read_entries(reader, EntryBundle(0, 7)) == read_entries(reader, EntryBundle(0))[:7]


@pytest.mark.parametrize(
    ("content", "code"),
    [(None, Code.MISSING_ENTRY), (b"", Code.MISSING_ENTRY), (b"x", Code.MALFORMED), (b"\x00\x00" * 44, Code.MALFORMED)],
)
def test_what_is_wrong_with_a_bundle_is_named(log: LogFolder, content: bytes | None, code: Code) -> None:
    path = EntryBundle(1, 44).path
    if content is None:
        log.remove(path)
    else:
        log.put(path, content)

    with pytest.raises(WrongError) as caught:
        read_entries(FolderReader(log.folder), EntryBundle(1, 44))
    assert (caught.value.finding.code, caught.value.finding.index) == (code, 256)
    assert caught.value.finding.sentence == str(caught.value)
