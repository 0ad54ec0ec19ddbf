"""Who connects and asks for nothing keeps nobody out."""

from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from shared.places import ROOM_AFTER_S, Place, Places

PER_ADDRESS = 16
IN_ALL = 64


class Clock:
    """Seconds."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def places() -> tuple[Places[str], Clock, Callable[[str, int], None]]:
    clock = Clock()
    book: Places[str] = Places(clock, per_address=PER_ADDRESS, in_all=IN_ALL)

    def fill(address: str, count: int) -> None:
        for number in range(count):
            book.take(f"{address}/{number}", address)

    return book, clock, fill


def test_an_address_has_its_places_and_another_its_own() -> None:
    book, _, fill = places()
    fill("a", PER_ADDRESS - 1)
    assert book.place_for("a") == Place(is_there=True)
    fill("a", PER_ADDRESS)
    assert book.place_for("a") == Place(is_there=False)
    assert book.place_for("b") == Place(is_there=True)


def test_the_oldest_of_an_address_that_had_its_time_gives_way_to_the_next_of_it() -> None:
    book, clock, fill = places()
    fill("a", PER_ADDRESS)
    clock.now = ROOM_AFTER_S - 0.1
    assert not book.place_for("a").is_there
    clock.now = ROOM_AFTER_S
    assert book.place_for("a") == Place(is_there=True, instead_of="a/0")
    book.leave("a/0")
    assert book.place_for("a") == Place(is_there=True)


def test_of_all_one_of_the_address_with_most_of_them_gives_way() -> None:
    book, clock, fill = places()
    fill("few", 1)
    for number in range(IN_ALL // PER_ADDRESS - 1):
        fill(f"many{number}", PER_ADDRESS)
    fill("most", PER_ADDRESS - 1)
    clock.now = ROOM_AFTER_S
    assert book.place_for("new") == Place(is_there=True, instead_of="many0/0")
    assert book.place_for("few").instead_of == "many0/0"
    assert book.place_for("most") == Place(is_there=True, instead_of="many0/0")


def test_who_is_no_stranger_leaves_no_place() -> None:
    book, _, fill = places()
    fill("a", PER_ADDRESS)
    book.leave("nobody")
    assert not book.place_for("a").is_there


def test_who_is_being_answered_goes_for_nobody_and_waits_anew_afterwards() -> None:
    book, clock, fill = places()
    fill("a", PER_ADDRESS)
    for number in range(PER_ADDRESS):
        book.stay(f"a/{number}")
    clock.now = 100.0
    assert book.place_for("a") == Place(is_there=False)

    for number in (1, 0):
        book.rest(f"a/{number}")

    clock.now = 100.0 + ROOM_AFTER_S
    assert book.place_for("a") == Place(is_there=True, instead_of="a/1")
    book.leave("a/1")
    book.rest("a/1")
    assert book.place_for("a") == Place(is_there=True)


def test_of_all_who_is_being_answered_goes_after_those_who_wait() -> None:
    book, clock, fill = places()
    for number in range(IN_ALL // PER_ADDRESS):
        fill(f"many{number}", PER_ADDRESS)
    for number in range(PER_ADDRESS):
        book.stay(f"many0/{number}")
    clock.now = ROOM_AFTER_S
    assert book.place_for("new") == Place(is_there=True, instead_of="many1/0")

    for number in range(1, IN_ALL // PER_ADDRESS):
        for guest in range(PER_ADDRESS):
            book.stay(f"many{number}/{guest}")

    assert book.place_for("new") == Place(is_there=True, instead_of="many0/0")


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.floats(0, 1), st.booleans()), max_size=300))
def test_there_are_never_more_than_the_bounds(arrivals: list[tuple[str, float, bool]]) -> None:
    book, clock, _ = places()
    there: dict[str, str] = {}
    for number, (address, later, leaves) in enumerate(arrivals):
        clock.now += later
        place = book.place_for(address)
        if place.instead_of is not None:
            book.leave(place.instead_of)
            del there[place.instead_of]
        if place.is_there:
            book.take(str(number), address)
            there[str(number)] = address
        if leaves and there:
            gone = next(iter(there))
            book.leave(gone)
            del there[gone]
        assert len(there) <= IN_ALL
        assert all(list(there.values()).count(each) <= PER_ADDRESS for each in set(there.values()))
