"""Letters: every change has its words, and messages that wait are tried again."""

from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from services.auth.records.alerts import AlertKind
from services.auth.records.people import LOCALES
from services.auth.rules.letters import ALERTS, CHANGES, Change, pause_after


def test_every_change_is_told_in_every_language() -> None:
    assert set(CHANGES) == set(LOCALES)
    for words in CHANGES.values():
        assert set(words) == set(get_args(Change))
    assert set(ALERTS) == set(LOCALES)
    for sentences in ALERTS.values():
        assert set(sentences) == set(get_args(AlertKind))


@given(st.integers(0, 10_000), st.floats(0, 1, exclude_max=True))
def test_pauses_grow_to_an_hour_and_are_jittered(attempts: int, chance: float) -> None:
    assert 2.5 <= pause_after(attempts, chance) <= 3_600
    assert pause_after(attempts, 0.0) <= pause_after(attempts, chance)
