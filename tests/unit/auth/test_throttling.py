"""How long to wait after how many failures."""

from hypothesis import given
from hypothesis import strategies as st

from services.auth.records.throttling import Attempt, Counter
from services.auth.rules.throttling import (
    FORGOTTEN_AFTER_S,
    FREE_FAILURES,
    LONGEST_WAIT_S,
    attempt,
    subject,
    wait_after,
)


def test_the_first_attempts_are_free() -> None:
    assert attempt(None) == Attempt(failures=1, blocked_s=0.0)
    assert [wait_after(count) for count in range(1, FREE_FAILURES)] == [0.0] * (FREE_FAILURES - 1)
    assert wait_after(FREE_FAILURES) > 0


@given(st.integers(0, 10**6))
def test_waits_grow_up_to_the_longest(failures: int) -> None:
    assert wait_after(failures) <= wait_after(failures + 1) <= LONGEST_WAIT_S


@given(st.integers(1, 10**6), st.floats(0, FORGOTTEN_AFTER_S - 1), st.floats(0.001, LONGEST_WAIT_S))
def test_while_blocked_nothing_is_tried(failures: int, quiet_s: float, blocked_s: float) -> None:
    assert attempt(Counter(failures, quiet_s, blocked_s)) is None


@given(st.integers(1, 10**6), st.floats(0, FORGOTTEN_AFTER_S - 1))
def test_an_attempt_counts_one_more(failures: int, quiet_s: float) -> None:
    assert attempt(Counter(failures, quiet_s, 0.0)) == Attempt(failures + 1, wait_after(failures + 1))


def test_a_quiet_day_is_forgotten() -> None:
    assert attempt(Counter(1_000, FORGOTTEN_AFTER_S, 0.0)) == Attempt(1, 0.0)


@given(st.lists(st.text(max_size=5), max_size=3), st.lists(st.text(max_size=5), max_size=3))
def test_subjects_differ_where_their_words_do(first: list[str], second: list[str]) -> None:
    clean = [[word.replace("\x1f", "") for word in words] for words in (first, second)]

    assert (subject("x", *clean[0]) == subject("x", *clean[1])) is (clean[0] == clean[1])
