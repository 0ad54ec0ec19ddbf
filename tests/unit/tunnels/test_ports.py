"""Which port a device is allotted: the same for the same question, nobody else's, given back after a day."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tunnels.records.tunnels import AllottedPort, PortRange
from services.tunnels.rules.ports import (
    ASKED_LATELY_S,
    GIVEN_BACK_AFTER_S,
    MAX_OF_A_DEVICE,
    allot,
    is_given_back,
)
from shared.errors import AlreadyExistsError, InvalidArgumentError, OverLimitError, PublicError

PORTS, NOW = PortRange(100, 109), 1_000_000.0
DAY_OLD = NOW - GIVEN_BACK_AFTER_S


def held(
    port: int, device: int = 7, asked: float = NOW - 600, used: float = DAY_OLD, *, is_offered: bool = False
) -> AllottedPort:
    return AllottedPort(port, device, asked, used, is_offered)


allotted = st.lists(
    st.builds(
        AllottedPort,
        st.integers(98, 112),
        st.integers(1, 3),
        st.floats(DAY_OLD - 10, NOW),
        st.floats(DAY_OLD - 10, NOW),
        st.booleans(),
    ),
    unique_by=lambda each: each.port,
)


def answer(wanted: int, device: int, before: list[AllottedPort]) -> int | type[PublicError]:
    try:
        return allot(wanted, device, PORTS, before, now=NOW)
    except PublicError as error:
        return type(error)


def after(before: list[AllottedPort], port: int, device: int) -> list[AllottedPort]:
    used = next((each.used_at for each in before if (each.port, each.device_key) == (port, device)), NOW)
    is_offered = any(each.is_offered for each in before if each.port == port)
    return [*(each for each in before if each.port != port), AllottedPort(port, device, NOW, used, is_offered)]


@given(wanted=st.one_of(st.just(0), st.integers(95, 115)), device=st.integers(1, 4), before=allotted)
def test_a_device_gets_no_port_that_another_one_has_or_that_is_none(
    wanted: int, device: int, before: list[AllottedPort]
) -> None:
    found = answer(wanted, device, before)

    others = {each.port for each in before if each.device_key != device and not is_given_back(each, NOW)}
    if isinstance(found, int):
        assert found in PORTS
        assert found not in others
        assert wanted in (0, found)
    elif found is AlreadyExistsError:
        assert wanted in others


@given(wanted=st.integers(100, 109), device=st.integers(1, 4), before=allotted)
def test_the_same_question_has_the_same_answer(wanted: int, device: int, before: list[AllottedPort]) -> None:
    found = answer(wanted, device, before)

    if isinstance(found, int):
        assert answer(wanted, device, after(before, found, device)) == found


@given(device=st.integers(1, 4), before=allotted, count=st.integers(2, 5))
def test_questions_for_any_port_in_a_row_are_about_different_ones(
    device: int, before: list[AllottedPort], count: int
) -> None:
    found = []
    for _ in range(count):
        one = answer(0, device, before)
        if isinstance(one, int):
            found.append(one)
            before = after(before, one, device)

    assert len(set(found)) == len(found)


def test_a_device_that_starts_again_gets_what_it_had() -> None:
    had = [held(105), held(103, asked=NOW - ASKED_LATELY_S)]

    assert allot(0, 7, PORTS, had, now=NOW) == 103


def test_what_was_asked_for_lately_or_is_offered_is_not_given_a_second_time() -> None:
    had = [held(100, asked=NOW - ASKED_LATELY_S + 1), held(101, is_offered=True)]

    assert allot(0, 7, PORTS, had, now=NOW) == 102


def test_the_last_of_the_range_is_given_and_then_none() -> None:
    had = [held(port, device=8) for port in range(100, 109)]

    assert allot(0, 7, PORTS, had, now=NOW) == 109
    with pytest.raises(OverLimitError, match="every port is taken"):
        allot(0, 7, PORTS, [*had, held(109, device=9)], now=NOW)


def test_what_was_neither_used_nor_asked_for_within_a_day_is_anybody_s() -> None:
    old = held(104, device=8, asked=DAY_OLD)

    assert allot(104, 7, PORTS, [old], now=NOW) == 104
    for kept in (held(104, 8, DAY_OLD + 1), held(104, 8, DAY_OLD, DAY_OLD + 1), held(104, 8, DAY_OLD, is_offered=True)):
        with pytest.raises(AlreadyExistsError):
            allot(104, 7, PORTS, [kept], now=NOW)


def test_a_port_outside_the_range_is_none() -> None:
    for wanted in (99, 110):
        with pytest.raises(InvalidArgumentError, match="100 to 109"):
            allot(wanted, 7, PORTS, [], now=NOW)


def test_a_device_has_only_so_many() -> None:
    ports = PortRange(1, 1_000)
    own = [held(port, asked=NOW) for port in range(1, MAX_OF_A_DEVICE + 1)]

    for wanted in (0, 900):
        with pytest.raises(OverLimitError, match="at most"):
            allot(wanted, 7, ports, own, now=NOW)
    assert allot(5, 7, ports, own, now=NOW) == 5
