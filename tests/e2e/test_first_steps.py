"""The main job, as an operator does it: a device is made, flashed, comes online, and goes."""

import json
import signal
import time
from pathlib import Path

import pytest

from tests.harness.clients import Account, Flock, new_name
from tests.harness.commands import Flockctl
from tests.harness.relay import Relay
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.real

ONLINE_S = 15.0
OFFLINE_S = 10.0


def flock_file(folder: Path, flock: Flock) -> str:
    """A file as flashing writes it."""
    file = folder / "device.flock"
    file.write_text(json.dumps(flock), encoding="utf-8")
    return str(file)


def test_every_part_of_a_started_platform_is_healthy(flockctl: Flockctl) -> None:
    status = flockctl.json("status")

    assert status["ready"] is True
    assert set(status["parts"]) == {
        "router", "gateway", "auth", "realms", "devices", "privileges", "audit", "fleetdb", "tunnels",
    }  # fmt: skip


def test_the_first_owner_signs_in_with_the_key_that_the_launcher_made(flockctl: Flockctl) -> None:
    assert flockctl.json("whoami")["login_name"] == "owner@localhost"


def test_an_operator_flashes_a_device_and_sees_it_come_and_go(flockctl: Flockctl) -> None:
    project, name = new_name("plant"), new_name("press")
    flockctl.json("project", "create", project)
    device = flockctl.json("device", "create", "--project", project, name)["device"]
    assert (device["state"], device["status"]) == ("registered", "DISCONNECTED")
    flockctl.json("device", "flash", name, "--project", project, "--out", "press.flock")

    def status() -> str:
        [listed] = flockctl.json("device", "list", "--project", project)["devices"]
        return str(listed["status"])

    with flockctl.running("simulate", "--flock", "press.flock") as simulation:
        wait_until(lambda: status() == "CONNECTED", ONLINE_S, "the device is online")
        [listed] = flockctl.json("device", "list", "--project", project)["devices"]
        assert listed["agent_version"] == "0.20.20"
        assert listed["architecture"] == "amd64"
        assert simulation.interrupt() == 0

    wait_until(lambda: status() == "DISCONNECTED", OFFLINE_S, "the device is offline")


def test_a_flock_file_is_for_its_owner_alone_and_says_where_the_platform_is(
    flockctl: Flockctl, owner: Account, ironflock: RunningPlatform
) -> None:
    device = owner.device()

    flockctl.json("device", "flash", str(device["device_key"]), "--out", "press.flock")

    file = flockctl.folder / "press.flock"
    flock = json.loads(file.read_text(encoding="utf-8"))
    assert file.stat().st_mode & 0o777 == 0o600
    assert flock["device_endpoint_url"] == f"wss://localhost:{ironflock.ports.router_public}/ws-re-dev"
    assert flock["update_url"] == f"https://localhost:{ironflock.ports.gateway}"
    assert (flock["device_key"], flock["swarm_key"]) == (device["device_key"], device["project_key"])
    assert flock["serial_number"] == device["serial_number"]


def test_a_device_whose_process_is_killed_is_offline_within_10_seconds(flockctl: Flockctl, owner: Account) -> None:
    flock = owner.flashed()
    with flockctl.running("simulate", "--flock", flock_file(flockctl.folder, flock)) as simulation:
        wait_until(lambda: owner.status(flock["device_key"]) == "CONNECTED", ONLINE_S, "the device is online")
        simulation.send(signal.SIGKILL)

        wait_until(lambda: owner.status(flock["device_key"]) == "DISCONNECTED", OFFLINE_S, "the device is offline")


def test_a_device_whose_network_is_cut_without_a_fin_is_offline_within_10_seconds(
    flockctl: Flockctl, owner: Account, ironflock: RunningPlatform
) -> None:
    flock = owner.flashed()
    with Relay(ironflock.ports.router_public) as relay:
        reached = {**flock, "device_endpoint_url": f"wss://localhost:{relay.port}/ws-re-dev"}
        with flockctl.running("simulate", "--flock", flock_file(flockctl.folder, reached)):
            wait_until(lambda: owner.status(flock["device_key"]) == "CONNECTED", ONLINE_S, "the device is online")
            relay.cut()

            wait_until(lambda: owner.status(flock["device_key"]) == "DISCONNECTED", OFFLINE_S, "the device is offline")


def test_a_device_that_stands_still_is_offline_within_10_seconds_and_comes_back_when_it_moves_again(
    flockctl: Flockctl, owner: Account
) -> None:
    flock = owner.flashed()
    with flockctl.running("simulate", "--flock", flock_file(flockctl.folder, flock)) as simulation:
        wait_until(lambda: owner.status(flock["device_key"]) == "CONNECTED", ONLINE_S, "the device is online")
        simulation.send(signal.SIGSTOP)

        wait_until(lambda: owner.status(flock["device_key"]) == "DISCONNECTED", OFFLINE_S, "the device is offline")
        simulation.send(signal.SIGCONT)
        wait_until(lambda: owner.status(flock["device_key"]) == "CONNECTED", ONLINE_S, "the device is back")


def test_a_device_that_changes_quickly_between_on_and_off_ends_up_right(flockctl: Flockctl, owner: Account) -> None:
    flock = owner.flashed()
    file = flock_file(flockctl.folder, flock)
    for _ in range(3):
        with flockctl.running("simulate", "--flock", file) as simulation:
            wait_until(lambda: owner.status(flock["device_key"]) == "CONNECTED", ONLINE_S, "the device is online")
            simulation.send(signal.SIGKILL)

    wait_until(lambda: owner.status(flock["device_key"]) == "DISCONNECTED", OFFLINE_S, "the device is offline")


def test_a_command_without_a_platform_says_within_its_patience_what_to_do(flockctl: Flockctl) -> None:
    began = time.monotonic()

    outcome = flockctl.run("device", "list", "--state", str(flockctl.folder))

    assert outcome.status == 3
    assert outcome.error["code"] == "no_platform"
    assert "make up" in outcome.error["message"]
    assert time.monotonic() - began < 10
