"""Having a device do things, on a running platform with a stand-in agent: for real, and for those who may."""

import json
import signal

import pytest

from tests.harness.accounts import Stranger
from tests.harness.clients import Account
from tests.harness.commands import Flockctl
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.real


def a_terminal_is_typed_into(flockctl: Flockctl, device: str) -> None:
    """Raw, as a person sits there: it has the size of their window, and ends with what they type."""
    with flockctl.at_terminal("device", "terminal", device, columns=101, rows=33) as terminal:
        terminal.type("size\r")
        terminal.reads("101x33", 30)
        terminal.resize(132, 43)
        terminal.type("sleep 1000\r")
        terminal.reads("sleep 1000", 30)
        terminal.type("\x03size\r")
        terminal.reads("132x43", 30)
        terminal.type("exit\r")
        assert terminal.ended(30) == 0
    with flockctl.at_terminal("device", "terminal", device, columns=80, rows=24) as terminal:
        terminal.type("sleep 1000\r")
        terminal.reads("sleep 1000", 30)
        terminal.type("\x1d")
        assert terminal.ended(30) != 0
    inside = ("device", "terminal", device, "--container", "other.one")
    with flockctl.at_terminal(*inside, columns=90, rows=20) as terminal:
        terminal.type("size\r")
        terminal.reads("90x20", 30)
        terminal.type("exit\r")
        assert terminal.ended(30) == 0
    with flockctl.at_terminal(*inside, columns=90, rows=20) as terminal:
        terminal.type("sleep 1000\r")
        terminal.reads("sleep 1000", 30)
        terminal.type("\x1d")
        assert terminal.ended(30) != 0
    assert "needs a terminal" in flockctl.run("device", "terminal", device).error["message"]


def an_update_is_followed(flockctl: Flockctl, device: str) -> None:
    """By who may read, beside whoever has it done; what came before it was followed is not said again."""
    with flockctl.running("device", "progress", device, "--json") as following:

        def is_told() -> bool:
            done = flockctl.run("device", "download-os-update", device, "--yes", "--watch")
            assert done.status == 0
            return any(said.get("of") == "os_download" and said.get("octets") == 8192 for said in list(following.lines))

        wait_until(is_told, 60, "how far it is")
        following.interrupt()


def test_a_connected_device_answers_and_one_that_is_away_is_a_conflict(
    flockctl: Flockctl, owner: Account, stranger: Stranger
) -> None:
    flock = owner.flashed()
    device = str(flock["device_key"])
    (flockctl.folder / "press.flock").write_text(json.dumps(flock), encoding="utf-8")

    def is_connected() -> bool:
        found = owner.call("ironflock.devices.device.show", device=flock["device_key"])
        return bool(found["status"] == "CONNECTED")

    with flockctl.running("simulate", "--flock", "press.flock") as simulation:
        wait_until(is_connected, 30, "the device is online")

        done = owner.call("ironflock.devices.device.exec", device=flock["device_key"], command="ls")
        assert done == {"device_key": flock["device_key"], "answer": "simulated\n"}
        assert flockctl.json("device", "storage", device)["storage"]["cpu_count"] == 4
        assert flockctl.json("device", "logs", device)["log"]["lines"] == []
        assert flockctl.json("device", "reboot", device, "--yes") == {"reboot": None}
        an_update_is_followed(flockctl, device)
        a_terminal_is_typed_into(flockctl, device)
        with pytest.raises(Exception, match="not_found"):
            stranger.account.call("ironflock.devices.device.exec", device=flock["device_key"], command="ls")
        simulation.send(signal.SIGKILL)
    wait_until(lambda: not is_connected(), 15, "the device is away")

    away = flockctl.run("device", "storage", device).error
    assert (away["code"], away["reason"]) == ("conflict", "device_offline")
