"""The hashes of a log."""

from hashlib import sha256

import pytest

from shared.tlog.errors import RangeError
from shared.tlog.hashing import EMPTY_ROOT, commitment, leaf_hash, node_hash


def test_a_leaf_never_hashes_like_the_node_over_two_hashes() -> None:
    left, right = b"l" * 32, b"r" * 32

    assert leaf_hash(left + right) != node_hash(left, right)


def test_the_hashes_are_those_of_rfc_6962() -> None:
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert node_hash(b"N123", b"N456").hex() == "aa217fe888e47007fa15edab33c2b492a722cb106c64667fc2b044444de66bbb"


def test_a_commitment_is_over_salt_and_entry() -> None:
    assert commitment(b"s" * 32, b"{}") == sha256(b"s" * 32 + b"{}").digest()


@pytest.mark.parametrize("length", [0, 31, 33])
def test_a_salt_of_another_length_is_refused(length: int) -> None:
    with pytest.raises(RangeError):
        commitment(b"s" * length, b"{}")
