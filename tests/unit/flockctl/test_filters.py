"""What a person says of a time."""

import os
import time
from collections.abc import Iterator

import pytest

from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.filters import moment

NOW = 1_764_064_800.0  # 2025-11-25T10:00:00Z


@pytest.fixture(autouse=True)
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    time.tzset()
    yield
    os.environ.pop("TZ")
    time.tzset()


@pytest.mark.parametrize(
    ("word", "said"),
    [
        ("2026-11-25T10:00:00Z", "2026-11-25T10:00:00Z"),
        ("2026-11-25T10:00:00.123456+02:00", "2026-11-25T08:00:00.123456Z"),
        ("2026-11-25", "2026-11-24T23:00:00Z"),
        ("2026-07-01T12:00", "2026-07-01T10:00:00Z"),
        ("90s", "2025-11-25T09:58:30Z"),
        ("30m", "2025-11-25T09:30:00Z"),
        ("24h", "2025-11-24T10:00:00Z"),
        ("7d", "2025-11-18T10:00:00Z"),
        ("2w", "2025-11-11T10:00:00Z"),
    ],
)
def test_a_time_is_a_time_a_date_or_an_age(word: str, said: str) -> None:
    assert moment(word, what="since", now=NOW) == said


@pytest.mark.parametrize(
    "word", ["", "yesterday", "7", "d7", "-7d", "7 d", "999999w", "2026-13-01", "\u0667d", "0001-01-01"]
)
def test_nothing_else_is(word: str) -> None:
    with pytest.raises(CommandError) as refused:
        moment(word, what="since", now=NOW)

    assert refused.value.status is ExitStatus.USAGE
