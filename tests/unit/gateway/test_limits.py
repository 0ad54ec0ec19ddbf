"""How often somebody may ask."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.records import Rate
from services.gateway.rules.limits import headers, spend

RATES = st.builds(Rate, count=st.integers(1, 1000), period_s=st.floats(0.5, 3600))


@given(rate=RATES, now=st.floats(0, 1e5))
def test_all_of_a_period_may_come_at_once_and_no_more(rate: Rate, now: float) -> None:
    arrival = 0.0
    for left in reversed(range(rate.count)):
        verdict = spend(arrival, now=now, rate=rate)
        assert (verdict.is_allowed, verdict.remaining) == (True, left)
        arrival = verdict.arrival

    refused = spend(arrival, now=now, rate=rate)
    assert (refused.is_allowed, refused.remaining, refused.arrival) == (False, 0, arrival)


@given(rate=RATES, steps=st.lists(st.floats(0, 10), max_size=200))
def test_never_more_pass_than_a_full_burst_and_what_time_gave_back(rate: Rate, steps: list[float]) -> None:
    now = arrival = 0.0
    passed = 0
    for step in steps:
        now += step
        verdict = spend(arrival, now=now, rate=rate)
        arrival = verdict.arrival
        passed += verdict.is_allowed

    assert passed <= rate.count + now * rate.count / rate.period_s + 1


@given(rate=RATES, cost=st.integers(1, 1000))
def test_whoever_waits_as_told_passes(rate: Rate, cost: int) -> None:
    full = spend(0.0, now=100.0, rate=rate, cost=rate.count)
    refused = spend(full.arrival, now=100.0, rate=rate, cost=min(cost, rate.count))

    assert not refused.is_allowed
    assert spend(
        refused.arrival, now=100.0 + refused.retry_after_s + 1e-6, rate=rate, cost=min(cost, rate.count)
    ).is_allowed


def test_more_than_all_never_pass() -> None:
    assert not spend(0.0, now=0.0, rate=Rate(10, 60.0), cost=11).is_allowed


def test_after_a_period_everything_is_back() -> None:
    rate = Rate(60, 60.0)
    verdict = spend(0.0, now=0.0, rate=rate, cost=60)

    assert verdict.reset_s == pytest.approx(60.0)
    assert spend(verdict.arrival, now=60.0, rate=rate).remaining == 59


def test_the_headers_say_it_in_the_draft_s_words_and_in_the_older_ones() -> None:
    rate = Rate(600, 60.0)
    told = dict(headers(spend(0.0, now=0.0, rate=rate), rate))

    assert told == {
        "ratelimit-policy": '"credential";q=600;w=60',
        "ratelimit": '"credential";r=599;t=1',
        "ratelimit-limit": "600",
        "ratelimit-remaining": "599",
        "ratelimit-reset": "1",
    }
