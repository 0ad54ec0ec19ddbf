"""Which addresses count as one place."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.auth.rules.places import place_of


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::1", "::/64"),
        ("", ""),
        ("no address", "no address"),
    ],
)
def test_a_place_is_an_address_or_a_network(address: str, place: str) -> None:
    assert place_of(address) == place


@given(st.ip_addresses(v=6), st.integers(0, 2**64 - 1))
def test_whoever_changes_the_last_half_of_an_address_stays_where_they_are(address: object, last: int) -> None:
    other = type(address)((int(address) >> 64 << 64) | last)  # type: ignore[call-overload, call-arg]

    if ":ffff:" not in str(address):
        assert place_of(str(other)) == place_of(str(address))


@given(st.ip_addresses(v=4), st.ip_addresses(v=4))
def test_two_addresses_of_ipv4_are_two_places(one: object, other: object) -> None:
    assert (place_of(str(one)) == place_of(str(other))) == (one == other)


@given(st.text())
def test_whatever_is_said_is_a_place(text: str) -> None:
    assert isinstance(place_of(text), str)
