"""Recovery codes: as they are shown, and as people type them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.rules.recovery import ALPHABET, CODE_OCTETS, code_hash, code_of


@given(octets=st.binary(min_size=CODE_OCTETS, max_size=CODE_OCTETS))
def test_a_code_is_known_however_it_is_typed(octets: bytes) -> None:
    code = code_of(octets)

    typed = code.lower().replace("-", " ").replace("0", "o").replace("1", "l")

    assert code_hash(typed) == code_hash(code) is not None
    assert set(code) <= set(ALPHABET) | {"-"}


@given(first=st.binary(min_size=10, max_size=10), second=st.binary(min_size=10, max_size=10))
def test_two_codes_are_one_only_if_their_octets_are(first: bytes, second: bytes) -> None:
    assert (code_of(first) == code_of(second)) is (first == second)


@pytest.mark.parametrize("text", ["", "0000", "0" * 15, "0" * 17, "U" * 16, "\u0130" * 16, "0000-0000-0000-000!"])
def test_what_is_no_code_has_no_hash(text: str) -> None:
    assert code_hash(text) is None


def test_a_code_is_made_of_ten_octets() -> None:
    with pytest.raises(ValueError, match="10 octets"):
        code_of(b"x")
