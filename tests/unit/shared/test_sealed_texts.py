"""The text of a sealed value says what is in it, and nothing else is taken for one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fleetdb.rules.sealed import is_ciphertext
from shared.sealed_texts import octets_of, prefix_of, text_of
from shared.secrets import Sealer, SecretsError

KEY = bytes(range(32))
NAMES = st.text("abcdefghijklmnopqrstuvwxyz0123456789-", min_size=1, max_size=64)


@given(NAMES, st.binary(max_size=200), st.binary(min_size=12, max_size=12))
def test_text_of_is_inverted_by_octets_of(name: str, clear: bytes, nonce: bytes) -> None:
    sealer = Sealer({name: KEY}, active=name)
    sealed = sealer.seal(clear, context="here", nonce=nonce)

    text = text_of(sealed)

    assert text.startswith(f"ifsec:1:{name}:")
    assert text.startswith(prefix_of(sealer.header))
    assert is_ciphertext(text)
    assert octets_of(text) == sealed
    assert sealer.open(octets_of(text) or b"", context="here") == clear


@given(st.integers(0, 200), st.integers(0, 25))
def test_a_letter_that_was_changed_opens_nothing(at: int, letter: int) -> None:
    sealer = Sealer({"k": KEY}, active="k")
    text = text_of(sealer.seal(b"the secret", context="here", nonce=bytes(12)))
    at = len("ifsec:1:k:") + at % (len(text) - len("ifsec:1:k:") - 1)
    other = text[:at] + chr(ord("a") + letter) + text[at + 1 :]

    octets = octets_of(other)
    if other != text and octets is not None:
        with pytest.raises(SecretsError):
            sealer.open(octets, context="here")


@given(st.text(max_size=80))
def test_any_text_is_a_sealed_value_or_none(text: str) -> None:
    octets = octets_of(text)

    assert octets is None or text.startswith("ifsec:1:")


@pytest.mark.parametrize(
    "text",
    ["", "ifsec:", "ifsec:1:", "ifsec:1::AAAA", "ifsec:1:k", "ifsec:1:k:***", "ifsec:2:k:AAAA", "ifsec:1:\xe9:AAAA"],
)
def test_these_are_none(text: str) -> None:
    assert octets_of(text) is None
