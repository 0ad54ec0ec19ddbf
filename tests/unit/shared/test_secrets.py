"""Sealed values and wrapped keys."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.secrets import (
    MasterKeys,
    Sealer,
    SecretsError,
    WrappedKey,
    parse_master_keys,
    rewrap,
    unwrap,
    wrap,
)

KEYS = {"old": bytes(range(32)), "new": bytes(range(32, 64))}
SEALER = Sealer(KEYS, "new")
NONCE = b"nonce of 12."
MARKER = b"marker of a clear value"

clear = st.binary(max_size=200)
nonces = st.binary(min_size=12, max_size=12)
contexts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=40)


def masters(*names: str) -> MasterKeys:
    return MasterKeys(active=names[0], keys={name: name.encode().ljust(32, b".") for name in names})


@given(clear, contexts, nonces)
def test_open_inverts_seal(value: bytes, context: str, nonce: bytes) -> None:
    sealed = SEALER.seal(value, context=context, nonce=nonce)

    assert SEALER.open(sealed, context=context) == value


@given(clear, contexts, contexts)
def test_another_context_does_not_open(value: bytes, context: str, other: str) -> None:
    sealed = SEALER.seal(value, context=context, nonce=NONCE)

    if context != other:
        with pytest.raises(SecretsError):
            SEALER.open(sealed, context=other)


@given(st.data(), clear)
def test_a_flipped_bit_does_not_open(data: st.DataObject, value: bytes) -> None:
    sealed = bytearray(SEALER.seal(value, context="place", nonce=NONCE))
    place = data.draw(st.integers(0, len(sealed) * 8 - 1))
    sealed[place // 8] ^= 1 << place % 8

    with pytest.raises(SecretsError):
        SEALER.open(bytes(sealed), context="place")


def test_no_truncation_and_no_trailing_octet_opens() -> None:
    sealed = SEALER.seal(MARKER, context="place", nonce=NONCE)

    for changed in [sealed[:length] for length in range(len(sealed))] + [sealed + b"\x00"]:
        with pytest.raises(SecretsError):
            SEALER.open(changed, context="place")


@given(st.binary(max_size=120))
def test_any_octets_raise_nothing_but_the_refusal(octets: bytes) -> None:
    with pytest.raises(SecretsError):
        SEALER.open(octets, context="place")


def test_a_sealed_value_shows_nothing_of_the_clear_one() -> None:
    assert MARKER not in SEALER.seal(MARKER, context="place", nonce=NONCE)
    assert MARKER.decode() not in repr(WrappedKey("id", "master", MARKER)) + repr(MasterKeys("m", {"m": MARKER}))


def test_an_older_data_key_still_opens() -> None:
    sealed = Sealer({"old": KEYS["old"]}, "old").seal(MARKER, context="place", nonce=NONCE)

    assert SEALER.open(sealed, context="place") == MARKER


def test_given_an_unknown_data_key_when_a_value_is_opened_then_the_refusal_names_it() -> None:
    sealed = SEALER.seal(MARKER, context="place", nonce=NONCE)

    with pytest.raises(SecretsError, match="'new'"):
        Sealer({"old": KEYS["old"]}, "old").open(sealed, context="place")


@pytest.mark.parametrize("length", [0, 11, 13])
def test_given_a_nonce_of_another_length_when_a_value_is_sealed_then_it_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="12 octets"):
        SEALER.seal(b"", context="place", nonce=bytes(length))


@given(st.binary(min_size=32, max_size=32))
def test_unwrap_inverts_wrap(data_key: bytes) -> None:
    wrapped = wrap(masters("m1"), "k1", data_key)

    assert (wrapped.key_id, wrapped.master_key_id) == ("k1", "m1")
    assert wrapped.wrapped != data_key
    assert unwrap(masters("m1"), wrapped) == data_key


def test_wrapping_matches_rfc_3394_section_4_6() -> None:
    # 256 bits of key data under a 256-bit key.
    master = bytes(range(32))
    data_key = bytes.fromhex("00112233445566778899AABBCCDDEEFF000102030405060708090A0B0C0D0E0F")

    wrapped = wrap(MasterKeys("m", {"m": master}), "k", data_key)

    assert wrapped.wrapped.hex().upper() == (
        "28C9F404C4B810F4CBCCB35CFB87F8263F5786E2D80ED326CBC7F0E71A99F43BFB988B9B7A02DD21"
    )


@given(st.lists(st.binary(min_size=32, max_size=32), min_size=1, max_size=5))
def test_after_a_rotation_of_the_master_key_everything_opens_without_the_old_one(data_keys: list[bytes]) -> None:
    wrapped = [wrap(masters("m1"), f"k{number}", key) for number, key in enumerate(data_keys)]

    rewrapped = [rewrap(masters("m2", "m1"), key) for key in wrapped]

    assert {key.master_key_id for key in rewrapped} == {"m2"}
    assert [unwrap(masters("m2"), key) for key in rewrapped] == data_keys


def test_given_a_missing_master_key_when_a_data_key_is_unwrapped_then_both_ids_are_named() -> None:
    with pytest.raises(SecretsError, match="k1 needs master key m1"):
        unwrap(masters("m2"), wrap(masters("m1"), "k1", bytes(32)))


@pytest.mark.parametrize("octets", [b"", b"short", bytes(40), bytes(41)])
def test_given_something_else_when_it_is_unwrapped_then_it_is_refused(octets: bytes) -> None:
    with pytest.raises(SecretsError):
        unwrap(masters("m1"), WrappedKey("k1", "m1", octets))


def test_master_keys_are_read_from_their_file() -> None:
    text = json.dumps({"active": "m2", "keys": {"m1": base64.b64encode(bytes(32)).decode(), "m2": "A" * 43 + "="}})

    assert parse_master_keys(text) == MasterKeys("m2", {"m1": bytes(32), "m2": bytes(32)})


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "null",
        "{}",
        '{"active": "m1"}',
        '{"active": "m1", "keys": []}',
        '{"active": "m1", "keys": {}}',
        '{"active": "m2", "keys": {"m1": "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="}}',
        '{"active": "m1", "keys": {"m1": "AAAA"}}',
        '{"active": "m1", "keys": {"m1": 7}}',
        '{"active": "m1", "keys": {"m1": "c2VjcmV0 marker"}}',
        '{"active": "m1", "keys": {"m1": "\u00e4"}}',
    ],
)
def test_given_another_text_when_master_keys_are_read_then_it_is_refused_and_not_repeated(text: str) -> None:
    with pytest.raises(SecretsError) as refused:
        parse_master_keys(text)

    assert "marker" not in str(refused.value)
