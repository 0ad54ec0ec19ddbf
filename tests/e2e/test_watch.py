"""`device watch`: the devices as they are, then every change as it happens."""

import json
import signal
from typing import Any

import pytest

from tests.harness.accounts import Stranger
from tests.harness.clients import Account
from tests.harness.commands import Background, Flockctl
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.real

LIVE_S = 5.0


def statuses(watch: Background) -> list[str]:
    """What the watch said of its device after the snapshot, repetitions left out."""
    said: list[str] = []
    for line in list(watch.lines)[1:]:
        word = "deleted" if "deleted" in line else str(line["device"]["status"])
        if said[-1:] != [word]:
            said.append(word)
    return said


def test_a_watch_tells_every_change_of_a_device_live_as_json_lines(flockctl: Flockctl, owner: Account) -> None:
    flock = owner.flashed()
    key, project = flock["device_key"], str(flock["swarm_key"])
    (flockctl.folder / "press.flock").write_text(json.dumps(flock), encoding="utf-8")
    with flockctl.running("device", "watch", "--project", project) as watch:
        wait_until(lambda: watch.lines, 30, "the watch has begun")
        assert [device["device_key"] for device in watch.lines[0]["devices"]] == [key]

        with flockctl.running("simulate", "--flock", "press.flock") as simulation:
            wait_until(lambda: "CONNECTED" in statuses(watch), 30, "the device is seen online")
            simulation.send(signal.SIGKILL)
            wait_until(lambda: statuses(watch)[-1] == "DISCONNECTED", LIVE_S, "the device is seen offline")
        owner.call("ironflock.devices.device.rename", device=key, name="another-name")
        wait_until(lambda: watch.lines[-1]["device"]["name"] == "another-name", LIVE_S, "the new name is seen")
        owner.call("ironflock.devices.device.delete", device=key)
        wait_until(lambda: watch.lines[-1] == {"deleted": key}, LIVE_S, "the end is seen")
        assert watch.interrupt() == 0

    changes = [word for word in statuses(watch) if word != "DISCONNECTED"]
    assert changes == ["CONFIGURING", "CONNECTED", "deleted"]


def test_a_watch_of_one_project_hears_nothing_of_another(flockctl: Flockctl, owner: Account) -> None:
    watched, other = owner.project(), owner.project()
    with flockctl.running("device", "watch", "--project", str(watched)) as watch:
        wait_until(lambda: watch.lines, 30, "the watch has begun")

        owner.device(other)
        mine = owner.device(watched)

        wait_until(lambda: len(watch.lines) > 1, LIVE_S, "the change is seen")
        assert watch.lines[0] == {"devices": [], "more": False}
        assert {line["device"]["device_key"] for line in watch.lines[1:]} == {mine["device_key"]}


def test_a_watch_of_everything_hears_nothing_of_other_accounts(
    flockctl: Flockctl, owner: Account, stranger: Stranger
) -> None:
    mine = owner.project()
    with flockctl.running("device", "watch") as watch:
        wait_until(lambda: watch.lines, 30, "the watch has begun")

        theirs = stranger.account.device()
        last = owner.device(mine)

        def seen() -> set[Any]:
            return {line["device"]["device_key"] for line in list(watch.lines)[1:] if "device" in line}

        wait_until(lambda: last["device_key"] in seen(), LIVE_S, "the own change is seen")
        assert theirs["device_key"] not in seen()
        assert theirs["device_key"] not in {device["device_key"] for device in watch.lines[0]["devices"]}
