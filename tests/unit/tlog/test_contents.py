"""What tiles and bundles hold."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.tlog.contents import MAX_ENTRY_LENGTH, bundle_entries, bundle_octets, tile_hashes, tile_octets
from shared.tlog.errors import MalformedError, RangeError


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=5))
def test_reading_inverts_writing_a_tile(hashes: list[bytes]) -> None:
    assert list(tile_hashes(tile_octets(hashes), len(hashes))) == hashes


@given(st.lists(st.binary(max_size=40), max_size=5))
def test_reading_inverts_writing_a_bundle(entries: list[bytes]) -> None:
    assert list(bundle_entries(bundle_octets(entries))) == entries


def test_a_bundle_prefixes_each_entry_with_its_length() -> None:
    assert bundle_octets([b"ab", b""]) == b"\x00\x02ab\x00\x00"


@pytest.mark.parametrize("octets", [b"\x00", b"\x00\x02a", b"\x00\x01ab", b"\x00\x00\x00"])
def test_a_bundle_that_ends_within_an_entry_is_refused(octets: bytes) -> None:
    with pytest.raises(MalformedError):
        bundle_entries(octets)


@pytest.mark.parametrize("octets", [b"", b"x" * 63, b"x" * 65, b"x" * 32])
def test_a_tile_of_another_length_is_refused(octets: bytes) -> None:
    with pytest.raises(MalformedError):
        tile_hashes(octets, 2)


def test_what_does_not_fit_is_not_written() -> None:
    with pytest.raises(RangeError):
        tile_octets([b"x" * 31])
    with pytest.raises(RangeError):
        bundle_octets([b"x" * (MAX_ENTRY_LENGTH + 1)])


@given(st.binary(max_size=80))
def test_any_octets_are_a_bundle_or_refused(octets: bytes) -> None:
    try:
        entries = bundle_entries(octets)
    except MalformedError:
        return
    assert bundle_octets(entries) == octets
