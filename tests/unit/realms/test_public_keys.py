"""Which public keys a certificate is made for."""

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from hypothesis import given
from hypothesis import strategies as st

from services.realms.rules.public_keys import public_key_of
from shared.errors import InvalidArgumentError

KEY = ec.generate_private_key(ec.SECP256R1())
PEM = (
    KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
)


def test_a_key_of_the_one_kind_is_read() -> None:
    assert public_key_of(PEM) == KEY.public_key()


@given(st.text())
def test_text_is_no_key(text: str) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        public_key_of(text)

    assert len(text) < 8 or text not in refused.value.message


@given(st.integers(0, len(PEM) - 1), st.characters(codec="ascii"))
def test_a_damaged_key_is_refused_or_is_a_key(at: int, letter: str) -> None:
    try:
        found = public_key_of(PEM[:at] + letter + PEM[at + 1 :])
    except InvalidArgumentError:
        return
    assert isinstance(found.curve, ec.SECP256R1)


def test_a_private_key_is_refused_and_not_repeated() -> None:
    secret = KEY.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()

    with pytest.raises(InvalidArgumentError) as refused:
        public_key_of(secret)

    assert secret.splitlines()[1] not in str(refused.value.details())
