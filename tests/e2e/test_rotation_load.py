"""Every rotation while 200 devices are connected and 20 apps write: nobody is cut, and no answered row is lost.

Whose own secret is made anew is cut, and comes back by the new one; nobody else notices.
"""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.harness.app_load import WritingApp, apps_that_write, assert_every_answered_row_is_there_once
from tests.harness.clients import Account, new_name
from tests.harness.commands import Background, Flockctl
from tests.harness.fleet import RunningFleet
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

pytestmark = [pytest.mark.real, pytest.mark.soak, pytest.mark.timeout(1_500)]
DEVICES: Final = 200
APPS: Final = 20
REFLASHED: Final = 20
"""Devices beside those, whose secrets are made anew in one wave."""
SETTLED_S: Final = 31.0
"""A device that connected less than half a minute before what agents call was away is told to come again."""
clock: Final = time.monotonic


class Rotations:
    """What was rotated, how long it took, and whom it cost what."""

    def __init__(self, platform: RunningPlatform, owner: Account, fleet: RunningFleet, apps: list[WritingApp]) -> None:
        self.lost: dict[str, int] = {}
        self._platform = platform
        self._owner = owner
        self._fleet = fleet
        self._apps = apps

    def platform_wide(self, *kinds: str) -> None:
        """`rotate KIND ...`."""
        self._timed(" ".join(kinds), lambda: self._platform.local("rotate", *kinds))

    def backends(self) -> None:
        """Every backend's login."""

        def rotate() -> None:
            for each in self._apps:
                where: dict[str, Any] = {"project": each.app.project_key, "app": each.app.app_key, "stage": "PROD"}
                self._owner.call("ironflock.realms.backend.rotate", **where)
            wait_until(self._have_followed, 180.0, "every backend has left its old login")

        self._timed("logins of backends", rotate)

    def device_secrets(self, flockctl: Flockctl, wave: RunningFleet) -> None:
        """Those of all devices of `wave`: somebody carries the files to them, and they come back by what is in them."""
        into, at_once = flockctl.folder / "secrets", ("--at-once", str(wave.size))
        assert "offline" not in {line["event"] for line in wave.simulation.lines}, "nothing before has cut them"

        def rotate() -> None:
            words = ("device", "reflash", "--project", wave.project, "--into", str(into), *at_once, "--yes")
            with flockctl.running(*words) as reflash:
                files = wait_until(lambda: flashed(reflash, into, wave.size), 120.0, "the files are there")
                wait_until(lambda: wave.have_left(0), 60.0, "their sessions have ended")
                wave.simulation.interrupt()
                flocks = [word for file in files for word in ("--flock", str(file))]
                with flockctl.running("simulate", *flocks):
                    assert reflash.wait(120.0) == 0
            assert reflash.lines[-1]["counts"]["back"] == wave.size

        self._timed(f"secrets of {wave.size} devices", rotate)

    def _have_followed(self) -> bool:
        with self._platform.database() as connection:
            query = "SELECT count(*) FROM realms.backend WHERE project_key = %s AND (epoch < 2 OR old_login_name <> '')"
            (row,) = connection.execute(query, [self._apps[0].app.project_key]).fetchall()
        return int(row[0]) == 0

    def _timed(self, what: str, rotate: Callable[[], object]) -> None:
        lines, lost = len(self._fleet.simulation.lines), sum(len(app.lost) for app in self._apps)
        rows, refusals = self._counts()
        began = clock()
        rotate()
        took = clock() - began
        wait_until(self._fleet.is_right, 60.0, "every device is online")
        cut = sum(line["event"] == "offline" for line in self._fleet.simulation.lines[lines:])
        self.lost[what] = cut + sum(len(app.lost) for app in self._apps) - lost
        rows_after, refusals_after = self._counts()
        print(  # noqa: T201 - the figures
            f"\n{what}: {took:.1f} s, {rows_after - rows} rows answered, {refusals_after - refusals} calls refused,"
            f" sessions lost: {self.lost[what]}"
        )

    def _counts(self) -> tuple[int, int]:
        return sum(len(app.answered) for app in self._apps), sum(app.refusals.total() for app in self._apps)


def flashed(reflash: Background, folder: Path, size: int) -> list[Path]:
    """The files of the devices of a wave, once all are there."""
    told = [line["device"] for line in list(reflash.lines) if "device" in line]
    files = [folder / each["file"] for each in told if each["state"] == "flashed"]
    return files if len(files) == size else []


def rotate_everything(rotations: Rotations) -> None:
    """What one command makes anew, each by itself."""
    for kinds in (
        ["master-keys"], ["signing-keys"], ["audit-key"], ["audit-key-alone"], ["bus-secrets"], ["database-passwords"],
        ["person-keys"], ["ca"],
    ):  # fmt: skip
        rotations.platform_wide(*kinds)
    rotations.backends()


def test_nobody_is_cut_and_no_row_is_lost(ironflock: RunningPlatform, flockctl: Flockctl, owner: Account) -> None:
    project, other = new_name("fleet"), new_name("wave")

    async def run(fleet: RunningFleet, wave: RunningFleet) -> dict[str, int]:
        async with apps_that_write(ironflock, owner, APPS) as apps:
            await asyncio.sleep(SETTLED_S)
            rotations = Rotations(ironflock, owner, fleet, apps)
            await asyncio.to_thread(rotate_everything, rotations)
            await asyncio.to_thread(rotations.device_secrets, flockctl, wave)
        rows = await assert_every_answered_row_is_there_once(apps)
        refused = sum((app.refusals for app in apps), start=apps[0].refusals.__class__())
        print(f"\n{rows} rows answered and found; refused: {dict(refused)}")  # noqa: T201 - the figures
        return rotations.lost

    with (
        flockctl.running("simulate", "--devices", str(DEVICES), "--project", project) as simulation,
        flockctl.running("simulate", "--devices", str(REFLASHED), "--project", other) as reflashed,
    ):
        fleet = RunningFleet(simulation, owner, project, DEVICES)
        wave = RunningFleet(reflashed, owner, other, REFLASHED)
        wait_until(lambda: fleet.is_right() and wave.is_right(), 120.0, "every device is online")
        lost = asyncio.run(run(fleet, wave))

    assert set(lost.values()) == {0}
