"""Who has asked how often."""

import pytest

from services.gateway.limiting import Limiter, subscriber
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


def test_looking_does_not_count() -> None:
    limiter = Limiter(Rate(1, 10.0), Clock())

    assert all(limiter.look("a").is_allowed for _ in range(3))
    limiter.take("a")
    assert not limiter.look("a").is_allowed


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
    assert not limiter.look("a").is_allowed
    assert limiter.look("b").is_allowed


@pytest.mark.parametrize(
    ("address", "who"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8:1:2:3::4", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::9", "2001:db8:1:2::/64"),
        ("", ""),
        ("x", "x"),
    ],
)
def test_one_subscriber_is_one(address: str, who: str) -> None:
    assert subscriber(address) == who
