"""A device may tell something new a few times an hour."""

import pytest

from services.devices import allowance
from services.devices.allowance import CHANGES, WINDOW_S, Allowance


def test_it_is_used_up_and_comes_back_one_by_one() -> None:
    left = Allowance()
    assert all(left.take(7, float(at)) for at in range(CHANGES))

    assert not left.take(7, WINDOW_S - 1)
    assert left.take(7, WINDOW_S)
    assert not left.take(7, WINDOW_S)
    assert left.take(7, WINDOW_S + 1)


def test_each_device_has_its_own() -> None:
    left = Allowance()
    assert all(left.take(7, 0.0) for _ in range(CHANGES))

    assert left.take(8, 0.0)


def test_no_more_devices_are_remembered_than_fit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(allowance, "REMEMBERED", 3)
    left = Allowance()

    for device_key in range(10):
        left.take(device_key, 0.0)

    assert list(left._used) == [7, 8, 9]
