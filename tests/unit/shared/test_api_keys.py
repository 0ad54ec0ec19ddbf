"""The form of an API key."""

import re
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.api_keys import ALPHABET, ENTROPY_OCTETS, is_well_formed, key_hash, key_id, mint

octets = st.binary(min_size=ENTROPY_OCTETS, max_size=ENTROPY_OCTETS)
KEY = mint(bytes(range(ENTROPY_OCTETS)))


@given(octets)
def test_what_is_minted_is_well_formed(entropy: bytes) -> None:
    key = mint(entropy)

    assert re.fullmatch(r"ifk_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}", key)
    assert is_well_formed(key)
    assert key_id(key) == key[4:16]


@given(octets)
def test_the_digits_are_the_octets_in_base_62(entropy: bytes) -> None:
    key = mint(entropy)
    digits = key[4:16] + key[17:49]

    number = sum(ALPHABET.index(digit) * 62**place for place, digit in enumerate(reversed(digits)))

    assert number == int.from_bytes(entropy, "big") % 62**44


@given(octets)
def test_the_last_six_characters_are_the_crc_32_of_all_before(entropy: bytes) -> None:
    key = mint(entropy)

    number = sum(ALPHABET.index(digit) * 62**place for place, digit in enumerate(reversed(key[-6:])))

    assert number == zlib.crc32(key[:-6].encode())


@given(octets, st.integers(0, 54), st.characters())
def test_any_change_of_one_character_is_found(entropy: bytes, place: int, character: str) -> None:
    key = mint(entropy)
    changed = key[:place] + character + key[place + 1 :]

    assert is_well_formed(changed) == (changed == key)


def test_every_change_of_one_character_of_one_key_is_found() -> None:
    changed = {KEY[:place] + digit + KEY[place + 1 :] for place in range(len(KEY)) for digit in ALPHABET} - {KEY}

    assert [key for key in changed if is_well_formed(key)] == []


@given(st.text())
def test_other_text_is_no_key(text: str) -> None:
    assert not is_well_formed(text)


@pytest.mark.parametrize("text", [KEY + "\n", " " + KEY, KEY[:-1], KEY + "0", KEY.upper(), KEY.replace("ifk_", "ifK_")])
def test_given_a_key_with_something_around_it_when_it_is_looked_at_then_it_is_none(text: str) -> None:
    assert not is_well_formed(text)
    with pytest.raises(ValueError, match="not an API key"):
        key_id(text)


@pytest.mark.parametrize("length", [0, 47, 49])
def test_given_another_number_of_octets_when_a_key_is_minted_then_it_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="48 octets"):
        mint(bytes(length))


def test_the_hash_is_of_the_whole_key() -> None:
    assert len(key_hash(KEY)) == 32
    assert key_hash(KEY) != key_hash(KEY[:-1] + "0")
