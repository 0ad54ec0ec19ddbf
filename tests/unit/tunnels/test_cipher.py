"""The cipher of the control stream against what frpc and frps sent."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tunnels.rules.cipher import IV_OCTETS, Decrypting, Encrypting, control_key
from tests.unit.tunnels.frp_vectors import desc, of_kind


@pytest.mark.parametrize("vector", of_kind("key"), ids=desc)
def test_the_key_is_frps(vector: dict[str, Any]) -> None:
    assert control_key(bytes.fromhex(vector["input"])).hex() == vector["expected"]


@pytest.mark.parametrize("vector", of_kind("control"), ids=desc)
def test_what_the_real_peers_sent_is_read_and_written_alike(vector: dict[str, Any]) -> None:
    octets, clear = bytes.fromhex(vector["input"]), bytes.fromhex(vector["expected"])

    assert Decrypting(control_key()).decrypt(octets) == clear
    assert Encrypting(control_key(), octets[:IV_OCTETS]).encrypt(clear) == octets


@given(st.lists(st.binary(max_size=40), max_size=5), st.integers(1, 7))
def test_decrypting_undoes_encrypting_however_octets_are_cut(pieces: list[bytes], step: int) -> None:
    encrypting, decrypting = Encrypting(control_key(), bytes(range(16))), Decrypting(control_key())
    octets = b"".join(map(encrypting.encrypt, pieces))

    clear = b"".join(decrypting.decrypt(octets[at : at + step]) for at in range(0, len(octets), step))

    assert clear == b"".join(pieces)
