"""Addresses, compared as what they are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tunnels.rules.addresses import host_of, plain


@pytest.mark.parametrize(
    ("peer", "host"),
    [
        ("192.0.2.1:50000", "192.0.2.1"),
        ("[2001:0db8::0:1]:50000", "2001:db8::1"),
        ("[::ffff:192.0.2.1]:1", "192.0.2.1"),
        ("", ""),
        ("nowhere", ""),
    ],
)
def test_the_host_of_a_peer(peer: str, host: str) -> None:
    assert host_of(peer) == host


@given(st.ip_addresses())
def test_an_address_has_one_form(address: object) -> None:
    assert plain(plain(str(address))) == plain(str(address))
