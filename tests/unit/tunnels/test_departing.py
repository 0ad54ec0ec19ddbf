"""Whether a device is still what it was when it came."""

import attrs
import pytest

from services.tunnels.records.tunnels import DeviceStanding
from services.tunnels.rules.departing import Leaving, leaving

THERE = DeviceStanding(42, 3, "press-1", "flash-1", None, is_locked=False, is_leaving=False)


def test_a_device_that_is_what_it_was_stays_whether_or_not_its_agent_is_there() -> None:
    assert leaving(THERE, 3, "flash-1") is None
    assert leaving(attrs.evolve(THERE, session=5), 3, None) is None


@pytest.mark.parametrize(
    ("standing", "project", "flash", "why"),
    [
        (None, 3, "flash-1", Leaving.GONE),
        (attrs.evolve(THERE, is_leaving=True), 3, "flash-1", Leaving.GONE),
        (THERE, 4, "flash-1", Leaving.MOVED),
        (attrs.evolve(THERE, is_locked=True), 3, None, Leaving.LOCKED),
        (THERE, 3, "flash-0", Leaving.FLASHED),
        (attrs.evolve(THERE, flash_id=None), 3, "flash-1", Leaving.FLASHED),
        (attrs.evolve(THERE, is_locked=True), 4, "flash-0", Leaving.MOVED),
    ],
)
def test_one_that_is_not_goes(standing: DeviceStanding | None, project: int, flash: str, why: Leaving) -> None:
    assert leaving(standing, project, flash) is why
