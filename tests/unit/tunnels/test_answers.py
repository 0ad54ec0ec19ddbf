"""How much a device answers to an address that sends datagrams."""

from hypothesis import given
from hypothesis import strategies as st

from services.tunnels.rules.answers import ANSWERS_PER_S, Answering, answered


def test_so_many_at_once_and_then_so_many_a_second() -> None:
    state, went = Answering(0.0), 0
    for moment in [0.0] * 1_000 + [1.0] * 1_000:
        after = answered(state, moment)
        state, went = after or state, went + (after is not None)

    assert went == 2 * ANSWERS_PER_S


@given(st.lists(st.floats(0, 20), max_size=300).map(sorted), st.floats(1, 50))
def test_in_no_stretch_of_time_there_are_more_than_a_burst_and_its_seconds(moments: list[float], often: float) -> None:
    state, sent = Answering(0.0), list[float]()
    for moment in [each for each in moments for _ in range(int(often))]:
        after = answered(state, moment)
        if after is not None:
            state = after
            sent.append(moment)

    for first, began in enumerate(sent):
        assert all(
            last - first + 1 <= ANSWERS_PER_S * (1 + sent[last] - began) + 1 for last in range(first, len(sent), 97)
        )


def test_a_clock_that_stands_still_or_goes_back_gives_nothing() -> None:
    state = Answering(5.0, 1.0)

    after = answered(state, 4.0)

    assert after == Answering(5.0, 0.0)
    assert answered(after, 4.0) is None
