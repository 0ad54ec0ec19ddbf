"""Messages are not coloured for lines of logs that nobody writes."""

from types import ModuleType

import pytest
from autobahn import util

from shared.uncoloured import uncolour


def test_text_stays_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(util, "hl", util.hl)
    other = ModuleType("other")

    uncolour(util, other)

    assert util.hlval(5, color="red", bold=True) == "5"
    assert "\x1b" not in util.hltype(test_text_stays_as_it_is)
    assert other.hl("x", bold=True) == "x"
