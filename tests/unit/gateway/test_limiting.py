"""Who has asked how often."""

from services.gateway.limiting import Limiter
from services.gateway.records import Rate


class Clock:
    """Seconds, as the test sets them."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_each_has_a_count_of_their_own() -> None:
    limiter = Limiter(Rate(2, 10.0), Clock())

    assert [limiter.take("a").is_allowed for _ in range(3)] == [True, True, False]
    assert limiter.take("b").is_allowed


def test_what_is_given_back_may_be_taken_again() -> None:
    limiter = Limiter(Rate(2, 10.0), Clock())

    for _ in range(5):
        assert limiter.take("a").is_allowed
        limiter.give_back("a")
    limiter.give_back("nobody")
    assert [limiter.take("a").is_allowed for _ in range(3)] == [True, True, False]


def test_time_gives_back() -> None:
    clock = Clock()
    limiter = Limiter(Rate(1, 10.0), clock)
    limiter.take("a")
    clock.now += 10.0

    assert limiter.take("a").is_allowed


def test_memory_is_bounded_and_forgets_who_was_longest_away() -> None:
    limiter = Limiter(Rate(1, 10.0), Clock(), remembered=2)
    for who in ("a", "b", "a", "c"):
        limiter.take(who)

    assert len(limiter._arrivals) == 2
    assert not limiter.take("a").is_allowed
    assert limiter.take("b").is_allowed
