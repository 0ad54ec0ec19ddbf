"""What a person says of a rollout's pace."""

from typing import Any

import pytest

from deploy.flockctl.errors import CommandError
from deploy.flockctl.rollout_words import portion_of, seconds_of, state_text, window_of

SHOWN: dict[str, Any] = {
    "rollout_key": 7, "action": "update_agent", "app_key": None, "stage": None, "version": None, "state": "running",
    "wave": 1, "waves": [{}, {}], "failures": 0, "budget": 1, "soaks_until": None, "is_open": True, "reason": None,
}  # fmt: skip


@pytest.mark.parametrize(("word", "portion"), [("5", 5), ("0", 0), ("10%", "10%"), ("100%", "100%"), ("0%", "0%")])
def test_a_portion_is_a_count_or_a_share(word: str, portion: int | str) -> None:
    assert portion_of(word, what="wave") == portion


@pytest.mark.parametrize("word", ["", "ten", "-1", "101%", "5 %", "1.5", "%", "123456", "010%"])
def test_anything_else_is_none(word: str) -> None:
    with pytest.raises(CommandError):
        portion_of(word, what="wave")


@pytest.mark.parametrize(
    ("word", "days"),
    [
        ("22:00-04:00", []),
        ("mon-fri 22:00-04:00", ["mon", "tue", "wed", "thu", "fri"]),
        ("SAT,SUN 22:00-04:00", ["sat", "sun"]),
        ("fri-mon 22:00-04:00", ["fri", "sat", "sun", "mon"]),
        ("wed 22:00-04:00", ["wed"]),
    ],
)
def test_a_window_has_days_or_not(word: str, days: list[str]) -> None:
    assert window_of(word) == {"begins": "22:00", "ends": "04:00", "days": days}


@pytest.mark.parametrize("word", ["", "22-04", "noday 22:00-04:00", "mon- 22:00", "22:00", "mon-xyz 22:00-04:00"])
def test_anything_else_is_no_window(word: str) -> None:
    with pytest.raises(CommandError):
        window_of(word)


def test_no_time_at_all_is_a_time() -> None:
    assert (seconds_of("0", what="soak"), seconds_of("2h", what="soak")) == (0, 7200)


def test_a_rollout_is_told_in_one_line() -> None:
    assert state_text(SHOWN) == "rollout 7 (update_agent): running, wave 1 of 2"
    closed = {**SHOWN, "is_open": False, "failures": 1, "reason": "why"}
    assert state_text(closed).endswith("wave 1 of 2, 1 failed of 1 that may, outside of its windows, why")
