"""What privileges and the decision points say to each other survives its way over the bus."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.flags import AssetKind
from shared.procedures import answered, plain
from shared.rights.records import Default, Domain, DomainKind, Grant, Held, Holdings, Lock, LockKind, Standing
from shared.rights.wire import BEAT_S, SILENCE_S, Change, News, StandingLocks

KEYS = st.integers(1, 2**53 - 1)
ENDS = st.none() | st.floats(0, 2**40, allow_nan=False)
DOMAINS = st.builds(Domain, st.sampled_from(list(DomainKind)), KEYS)
PEOPLE = st.lists(KEYS, max_size=3).map(tuple)
CHANGES = st.builds(Change, KEYS, DOMAINS, PEOPLE, st.booleans(), st.booleans())
NEWS = st.builds(News, KEYS, st.lists(CHANGES, max_size=3).map(tuple))
LOCKS = st.builds(Lock, KEYS, st.sampled_from(list(LockKind)), KEYS.map(str), ENDS)
GRANTS = st.builds(Grant, KEYS, st.text(max_size=8), st.sampled_from(list(AssetKind)), KEYS, ENDS, st.booleans())
DEFAULTS = st.builds(Default, st.text(max_size=8), st.sampled_from(list(AssetKind)), ENDS)
STANDINGS = st.builds(
    Standing,
    is_owner=st.booleans(),
    is_member=st.booleans(),
    grants=st.lists(GRANTS, max_size=3).map(tuple),
    defaults=st.lists(DEFAULTS, max_size=3).map(tuple),
)
HELD = st.lists(st.builds(Held, DOMAINS, STANDINGS), max_size=3).map(tuple)


def over_the_bus(value: Any) -> Any:
    """As a router's JSON would bring it."""
    return json.loads(json.dumps(plain(value)))


@given(NEWS)
def test_news_arrive_as_they_were_told(news: News) -> None:
    assert msgspec.convert(over_the_bus(news), News, strict=True) == news


@given(st.builds(StandingLocks, KEYS, st.lists(LOCKS, max_size=3).map(tuple)))
def test_locks_arrive_as_they_stand(locks: StandingLocks) -> None:
    assert answered(StandingLocks, over_the_bus(locks)) == locks


@given(st.builds(Holdings, KEYS, KEYS, HELD))
def test_what_somebody_holds_arrives_as_it_is_and_is_found_by_what_it_is_on(holdings: Holdings) -> None:
    arrived = answered(Holdings, over_the_bus(holdings))

    assert arrived == holdings
    for held, had in zip(arrived.held, holdings.held, strict=True):
        for grant in had.standing.grants:
            assert grant in held.standing.grants_on(grant.kind, grant.asset_key)


@pytest.mark.parametrize(
    "said", [{}, {"position": "7"}, {"position": 7, "changes": [{"position": 7}]}, {"position": 7, "changes": None}]
)
def test_what_is_no_news_is_refused(said: Any) -> None:
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(said, News, strict=True)


def test_a_beat_that_is_lost_is_no_silence() -> None:
    assert SILENCE_S > 2 * BEAT_S
