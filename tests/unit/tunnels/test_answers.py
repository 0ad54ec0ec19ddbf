"""How much a device answers to an address that sends datagrams."""

from hypothesis import given
from hypothesis import strategies as st

from services.tunnels.rules.answers import (
    ANSWERS_PER_S,
    FIRST_OCTETS,
    FORGOTTEN_S,
    HEADER_OCTETS,
    PER_OCTET,
    Answering,
    answered,
    heard,
)

lengths = st.integers(0, 1_500)


def test_so_many_at_once_and_then_so_many_a_second() -> None:
    state, went = Answering(0.0, octets=1 << 30), 0
    for moment in [0.0] * 1_000 + [1.0] * 1_000:
        after = answered(state, moment, 0)
        state, went = after or state, went + (after is not None)

    assert went == 2 * ANSWERS_PER_S


@given(st.lists(st.floats(0, 20), max_size=300).map(sorted), st.floats(1, 50))
def test_in_no_stretch_of_time_there_are_more_than_a_burst_and_its_seconds(moments: list[float], often: float) -> None:
    state, sent = Answering(0.0, octets=1 << 30), list[float]()
    for moment in [each for each in moments for _ in range(int(often))]:
        after = answered(state, moment, 0)
        if after is not None:
            state = after
            sent.append(moment)

    for first, began in enumerate(sent):
        assert all(
            last - first + 1 <= ANSWERS_PER_S * (1 + sent[last] - began) + 1 for last in range(first, len(sent), 97)
        )


def test_a_clock_that_stands_still_or_goes_back_gives_nothing() -> None:
    state = Answering(5.0, 1.0)

    after = answered(state, 4.0, 0)

    assert after == Answering(5.0, 0.0, FIRST_OCTETS - HEADER_OCTETS)
    assert answered(after, 4.0, 0) is None


@given(st.lists(st.tuples(st.sampled_from(["heard", "answered"]), lengths), max_size=200))
def test_no_more_is_answered_than_some_octets_and_so_many_times_what_came(course: list[tuple[str, int]]) -> None:
    state, came, went = heard(None, 0.0, 0), HEADER_OCTETS, 0
    for what, content in course:
        length = content + HEADER_OCTETS
        if what == "heard":
            state, came = heard(state, 1.0, content), came + length
        elif (after := answered(state, 1.0, content)) is not None:
            state, went = after, went + length
            assert went <= FIRST_OCTETS + PER_OCTET * came
        else:
            assert went + length > FIRST_OCTETS + PER_OCTET * came or state.left < 1


def test_who_was_silent_for_long_is_nobody_that_is_known() -> None:
    spent = Answering(0.0, octets=0, heard_at=0.0)

    assert heard(spent, FORGOTTEN_S, 0).octets == PER_OCTET * HEADER_OCTETS
    assert heard(spent, FORGOTTEN_S + 1, 0).octets == FIRST_OCTETS + PER_OCTET * HEADER_OCTETS
