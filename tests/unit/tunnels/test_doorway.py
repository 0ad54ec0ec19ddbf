"""Who has not logged in yet."""

from twisted.internet.task import Clock

from services.tunnels.doorway import FIRST_BYTE_S, LOGIN_S, MAX_OF_AN_ADDRESS, MAY_BE_TURNED_OUT_AFTER_S, Doorway

ADDRESS = "192.0.2.1"


def test_who_says_nothing_is_turned_out() -> None:
    clock, out = Clock(), list[str]()
    doorway = Doorway(clock)
    doorway.enter(lambda: out.append("a"), ADDRESS)

    clock.advance(FIRST_BYTE_S - 0.1)
    assert out == []
    clock.advance(0.1)

    assert out == ["a"]
    assert len(doorway) == 0


def test_after_the_first_byte_there_is_time_for_a_login() -> None:
    clock, out = Clock(), list[str]()
    pending = Doorway(clock).enter(lambda: out.append("a"), ADDRESS)
    assert pending is not None
    clock.advance(9.0)

    pending.expect(LOGIN_S)

    clock.advance(LOGIN_S - 0.1)
    assert out == []
    clock.advance(0.1)
    assert out == ["a"]


def test_who_logged_in_stays() -> None:
    clock, out = Clock(), list[str]()
    pending = Doorway(clock).enter(lambda: out.append("a"), ADDRESS)
    assert pending is not None

    pending.leave()
    pending.leave()
    clock.advance(100.0)

    assert out == []


def test_given_no_room_when_one_more_comes_then_the_oldest_goes_if_it_stood_long_else_the_new_one() -> None:
    clock, out = Clock(), list[str]()
    doorway = Doorway(clock, most=2)
    for name in "ab":
        doorway.enter(lambda name=name: out.append(name), ADDRESS)  # type: ignore[misc]

    assert doorway.enter(lambda: out.append("c"), ADDRESS) is None
    clock.advance(MAY_BE_TURNED_OUT_AFTER_S)
    assert doorway.enter(lambda: out.append("d"), ADDRESS) is not None

    assert out == ["a"]
    assert len(doorway) == 2


def test_all_can_be_turned_out() -> None:
    clock, out = Clock(), list[str]()
    doorway = Doorway(clock)
    for name in "ab":
        doorway.enter(lambda name=name: out.append(name), ADDRESS)  # type: ignore[misc]

    doorway.clear()

    assert out == ["a", "b"]
    assert clock.getDelayedCalls() == []


def test_one_address_has_so_many_places_and_the_others_are_for_others() -> None:
    clock, out = Clock(), list[int]()
    doorway = Doorway(clock)
    for number in range(MAX_OF_AN_ADDRESS):
        doorway.enter(lambda number=number: out.append(number), f"2001:db8::{number:x}")  # type: ignore[misc]

    assert doorway.enter(lambda: None, "2001:db8::ffff") is None
    assert doorway.enter(lambda: None, "2001:db8:0:1::1") is not None
    clock.advance(MAY_BE_TURNED_OUT_AFTER_S)
    assert doorway.enter(lambda: None, "2001:db8::ffff") is not None

    assert out == [0]
    assert len(doorway) == MAX_OF_AN_ADDRESS + 1
