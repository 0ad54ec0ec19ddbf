"""`flockctl simulate` as a program: one flashed device, or many of its own making."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest

from tests.integration.flockctl.command_line import CommandLine, heard
from tests.integration.flockctl.fake_fleet import DEVICE, PROJECT, flashed
from tests.integration.flockctl.fake_router import FakeRouter, RefusedError
from tests.integration.flockctl.test_agent import serve_devices


def test_simulate_is_the_device_of_a_flock_file(router: FakeRouter, flockctl: CommandLine, tmp_path: Path) -> None:
    serve_devices(router)
    file = tmp_path / "press-1.flock"
    file.write_text(json.dumps(flashed(router)))

    with flockctl.start("simulate", "--flock", str(file), "--json") as process:
        assert process.stdout is not None
        events = [json.loads(process.stdout.readline())["event"] for _ in range(4)]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=10)

    assert events == ["connecting", "configuring", "online", "all_online"]
    assert (process.returncode, err) == (0, "")
    last = [json.loads(line) for line in out.splitlines()]
    assert [(line["event"], line.get("detail")) for line in last] == [("offline", "left"), ("all_stopped", None)]
    assert router.script.session.received[-1][0] == 6


def test_simulate_says_once_what_a_replaced_secret_looks_like_and_what_to_do(
    router: FakeRouter, flockctl: CommandLine, tmp_path: Path
) -> None:
    file = tmp_path / "press-1.flock"
    file.write_text(json.dumps(flashed(router)))

    ended = flockctl("simulate", "--flock", str(file), "--for", "4")

    assert ended.status == 1
    assert len(router.script.sessions) > 1
    assert ended.err.count("authentication failed; its secret may have been replaced: flash the device again") == 1
    assert "1 device stopped" in ended.out


def test_simulate_makes_its_project_and_devices(router: FakeRouter, flockctl: CommandLine) -> None:
    serve_devices(router)
    flock = flashed(router)
    there = [{**DEVICE, "name": "sim-0002", "device_key": 12}]

    def flash(device: int, project: int) -> dict[str, Any]:
        return {"device": DEVICE, "flock": {**flock, "device_key": device, "serial_number": f"serial-{device}"}}

    router.script.refuses["ironflock.realms.project.show"] = RefusedError("ironflock.error.not_found", "none")
    router.script.procedures |= {
        "ironflock.realms.project.create": lambda **_: PROJECT,
        "ironflock.devices.device.list": lambda **_: {"devices": there, "next": None},
        "ironflock.devices.device.create": lambda **named: {**DEVICE, "device_key": 20 + int(named["name"][-1])},
        "ironflock.devices.device.flash": flash,
    }

    ended = flockctl("simulate", "--devices", "3", "--for", "3")

    assert ended.status == 0
    assert "3 devices online" in ended.out
    assert [each["name"] for each in heard(router, "ironflock.devices.device.create")] == ["sim-0001", "sim-0003"]
    assert sorted(each["device"] for each in heard(router, "ironflock.devices.device.flash")) == [12, 21, 23]


def test_simulate_says_why_a_device_could_not_be_had(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures |= {
        "ironflock.realms.project.show": lambda **_: PROJECT,
        "ironflock.devices.device.list": lambda **_: {"devices": [], "next": None},
        "ironflock.devices.device.create": lambda **_: DEVICE,
    }
    router.script.refuses["ironflock.devices.device.flash"] = RefusedError("ironflock.error.conflict", "being flashed")

    ended = flockctl("simulate", "--devices", "3", "--json")

    assert (ended.status, ended.error) == (1, {"code": "conflict", "message": "being flashed"})


@pytest.mark.parametrize("content", ["[" * 100_000, "\udcff"])
def test_a_malformed_flock_is_refused(flockctl: CommandLine, tmp_path: Path, content: str) -> None:
    file = tmp_path / "x.flock"
    file.write_bytes(content.encode("utf-8", "surrogateescape"))

    ended = flockctl("simulate", "--flock", str(file), "--json")

    assert ended.status == 1
    assert ended.error["code"] in ("malformed_flock", "unreadable_flock")


def test_simulate_wants_one_kind_of_devices(flockctl: CommandLine) -> None:
    assert flockctl("simulate").status == 2
    assert flockctl("simulate", "--devices", "1", "--flock", "x").status == 2
