"""The platform stopped and started again: it finds its state, and so do its devices."""

import json
import os
from pathlib import Path

import pytest

from tests.harness.clients import Account
from tests.harness.commands import Flockctl
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

pytestmark = pytest.mark.real


def alive(pids: list[int]) -> list[int]:
    """Those of the processes that are still there."""
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def test_a_second_start_finds_its_state_and_its_devices_come_back_by_themselves(
    ironflock: RunningPlatform, flockctl: Flockctl, owner: Account
) -> None:
    flock = owner.flashed()
    key, me = flock["device_key"], owner.call("ironflock.auth.account.me")
    (flockctl.folder / "press.flock").write_text(json.dumps(flock), encoding="utf-8")
    secret_files = {file: file.read_bytes() for file in ironflock.state.secrets.rglob("*") if file.is_file()}
    with flockctl.running("simulate", "--flock", "press.flock") as simulation:
        wait_until(lambda: owner.status(key) == "CONNECTED", 30, "the device is online")
        pids = [ironflock.pid(process.name) for process in ironflock.record.processes]

        ironflock.local("down")
        assert alive(pids) == []
        assert "already" not in ironflock.local("up")

        wait_until(lambda: simulation.states() == {key: "online"}, 30, "the device is back")
        wait_until(lambda: owner.status(key) == "CONNECTED", 30, "the registry knows")
    assert owner.call("ironflock.auth.account.me") == me
    assert {file: file.read_bytes() for file in secret_files} == secret_files


def test_a_second_launcher_on_the_same_state_leaves_the_first_one_alone(ironflock: RunningPlatform) -> None:
    before = ironflock.record.launcher

    ironflock.local("up")

    assert ironflock.record.launcher == before
    assert not ironflock.unready()


def test_status_names_every_process(ironflock: RunningPlatform) -> None:
    said = ironflock.local("status")

    for name in ("launcher", "postgres", "router", "auth", "realms", "devices", "audit", "gateway"):
        assert name in said


def test_the_endpoints_file_names_every_url_and_no_secret(ironflock: RunningPlatform) -> None:
    text = ironflock.state.endpoints.read_text(encoding="utf-8")
    content = json.loads(text)

    assert set(content["router"]) == {"devices", "people", "apps", "services"}
    assert content["gateway"].startswith("https://")
    assert content["plaintext_ports"] == []
    assert Path(content["ca_file"]).is_file()
    assert ironflock.owner_key not in text


def test_what_the_state_folder_holds_is_for_its_owner_alone(ironflock: RunningPlatform) -> None:
    expected = 0o711 if os.geteuid() == 0 else 0o700  # root gives PostgreSQL's user a way through
    assert ironflock.state.root.stat().st_mode & 0o777 == expected
    for folder in (ironflock.state.secrets, ironflock.state.bus_secrets, ironflock.state.database_secrets):
        assert folder.stat().st_mode & 0o777 == 0o700
        assert all(file.stat().st_mode & 0o777 == 0o600 for file in folder.iterdir() if file.is_file())
    assert ironflock.state.owner_api_key.stat().st_mode & 0o777 == 0o600
    assert (ironflock.state.ca / "ca.key").stat().st_mode & 0o777 == 0o600
