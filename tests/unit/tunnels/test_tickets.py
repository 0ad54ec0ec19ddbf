"""The form of a ticket: its octets come back in none of what is kept, and a slip of the hand is seen."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tunnels.rules.tickets import ENTROPY_OCTETS, is_well_formed, mint, ticket_digest

octets = st.binary(min_size=ENTROPY_OCTETS, max_size=ENTROPY_OCTETS)


@given(octets=octets, at=st.integers(0, 52), letter=st.sampled_from("0aZ_-"))
def test_a_ticket_is_well_formed_and_no_other_text_near_it_is(octets: bytes, at: int, letter: str) -> None:
    ticket = mint(octets)
    other = ticket[:at] + letter + ticket[at + 1 :]

    assert is_well_formed(ticket)
    assert ticket.startswith("ift_")
    assert other == ticket or not is_well_formed(other)


@given(one=octets, two=octets)
def test_two_tickets_are_two(one: bytes, two: bytes) -> None:
    assert (mint(one) == mint(two)) == (one == two)
    assert (ticket_digest(mint(one)) == ticket_digest(mint(two))) == (one == two)


@pytest.mark.parametrize("text", ["", "ift_", "ifb_" + "0" * 49, "ift_" + "0" * 50, "ift_" + "é" * 49])
def test_anything_else_is_none(text: str) -> None:
    assert not is_well_formed(text)


def test_it_takes_all_its_octets() -> None:
    with pytest.raises(ValueError, match="32"):
        mint(b"short")
