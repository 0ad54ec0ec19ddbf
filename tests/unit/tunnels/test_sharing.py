"""Streams of a device that web visitors have."""

from contextlib import ExitStack

import pytest

from services.tunnels.records.visits import Visitor
from services.tunnels.sharing import MAX_OF_A_VISITOR, MAX_OF_STRANGERS, Sharing
from shared.errors import OverLimitError
from shared.identities import Person

ANNA = Visitor(Person(5, 0, "key-1"), "192.0.2.1", None)


def stranger(number: int) -> Visitor:
    return Visitor(None, f"2001:db8:0:{number:x}::1", None)


def test_a_visitor_has_so_many_at_a_device_and_each_is_given_back() -> None:
    sharing = Sharing()
    with ExitStack() as held:
        for _ in range(MAX_OF_A_VISITOR):
            held.enter_context(sharing.stream(42, ANNA))
        with pytest.raises(OverLimitError), sharing.stream(42, ANNA):
            pass
        with sharing.stream(43, ANNA), sharing.stream(42, Visitor(Person(6, 0, "key-2"), "192.0.2.1", None)):
            pass
    with sharing.stream(42, ANNA):
        pass
    assert not sharing._taken


def test_strangers_leave_some_to_who_has_an_account() -> None:
    sharing = Sharing()
    with ExitStack() as held:
        for number in range(MAX_OF_STRANGERS):
            held.enter_context(sharing.stream(42, stranger(number)))
        with pytest.raises(OverLimitError), sharing.stream(42, stranger(MAX_OF_STRANGERS)):
            pass
        with sharing.stream(42, ANNA), sharing.stream(43, stranger(0)):
            pass


def test_the_addresses_of_one_subscriber_are_one_visitor() -> None:
    sharing = Sharing()
    with ExitStack() as held:
        for number in range(MAX_OF_A_VISITOR):
            held.enter_context(sharing.stream(42, Visitor(None, f"2001:db8::{number:x}", None)))
        with pytest.raises(OverLimitError), sharing.stream(42, Visitor(None, "2001:db8::ffff", None)):
            pass
