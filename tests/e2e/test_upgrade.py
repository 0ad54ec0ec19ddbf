"""The release that was landed before is followed by this one, on one state folder, with devices and an app at work."""

import asyncio
import time
from pathlib import Path
from typing import Final

import pytest

from tests.harness.app_load import apps_aside, assert_every_answered_row_is_there_once
from tests.harness.clients import Account, new_name
from tests.harness.commands import Flockctl
from tests.harness.fleet import RunningFleet
from tests.harness.release_before import ROOT, extract
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

pytestmark = [pytest.mark.real, pytest.mark.soak, pytest.mark.timeout(900)]
DEVICES: Final = 40
APPS: Final = 3
SOME: Final = 50
clock: Final = time.monotonic


@pytest.fixture(name="old", scope="module")
def fixture_old(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The sources of the release before."""
    return extract(tmp_path_factory.mktemp("before"))


def test_what_was_acknowledged_is_there_and_the_agents_are_back(old: Path, tmp_path: Path) -> None:
    platform = RunningPlatform(sources=old)
    try:
        platform.start()
        owner, flockctl = Account(platform, platform.owner_key), Flockctl(platform, tmp_path)
        fleet_name, project = new_name("fleet"), owner.project()
        group = owner.call("ironflock.devices.group.create", project=project, name=new_name("line"))
        owner.call("ironflock.privileges.default.set", project=project, kind="device", flags=["READ"])
        given = owner.call("ironflock.privileges.default.list", project=project)
        assert given["defaults"]
        with flockctl.running("simulate", "--devices", str(DEVICES), "--project", fleet_name) as simulation:
            fleet = RunningFleet(simulation, owner, fleet_name, DEVICES)
            wait_until(fleet.is_right, 120.0, "every device is online")

            rows, away_s = upgraded(platform, owner, fleet)

            assert owner.call("ironflock.devices.group.list", project=project)["groups"][0]["name"] == group["name"]
            assert owner.call("ironflock.privileges.default.list", project=project) == given
            assert flockctl.run("audit", "verify").status == 0
        say(f"{rows} rows answered and found; {DEVICES} devices back {away_s:.1f} s after the old one was told to end")
    finally:
        platform.stop()


def say(figures: str) -> None:
    """For who ran this to see them."""
    print(f"\n{figures}")  # noqa: T201


def upgraded(platform: RunningPlatform, owner: Account, fleet: RunningFleet) -> tuple[int, float]:
    """How many rows were answered, all of them found, and for how many seconds devices were away at most."""
    with apps_aside(platform, owner, APPS, SOME) as apps:
        began = clock()
        platform.end()
        platform.use(ROOT)
        platform.start()
        wait_until(fleet.is_right, 60.0, "every device is back")
        away_s = clock() - began
        before = [len(app.answered) for app in apps]
        wait_until(
            lambda: all(len(app.answered) > had + SOME for app, had in zip(apps, before, strict=True)),
            60.0,
            "rows come again",
        )
    return asyncio.run(assert_every_answered_row_is_there_once(apps)), away_s
