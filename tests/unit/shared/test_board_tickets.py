"""The form of a board's ticket."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared import api_keys, board_tickets

OCTETS = st.binary(min_size=32, max_size=32)


@given(OCTETS)
def test_every_ticket_is_well_formed_and_no_api_key(octets: bytes) -> None:
    ticket = board_tickets.mint(octets)

    assert re.fullmatch(r"ifb_[0-9A-Za-z]{49}", ticket)
    assert board_tickets.is_well_formed(ticket)
    assert not api_keys.is_well_formed(ticket)


@given(OCTETS, OCTETS)
def test_other_octets_are_another_ticket(one: bytes, other: bytes) -> None:
    assert (board_tickets.mint(one) == board_tickets.mint(other)) == (one == other)
    assert len(board_tickets.ticket_hash(board_tickets.mint(one))) == 32


@given(OCTETS, st.integers(0, 52), st.characters())
def test_one_other_character_makes_it_none(octets: bytes, place: int, character: str) -> None:
    ticket = board_tickets.mint(octets)
    changed = ticket[:place] + character + ticket[place + 1 :]

    assert board_tickets.is_well_formed(changed) == (changed == ticket)


@pytest.mark.parametrize("count", [0, 31, 33])
def test_it_is_made_of_32_octets(count: int) -> None:
    with pytest.raises(ValueError, match="32 octets"):
        board_tickets.mint(bytes(count))
