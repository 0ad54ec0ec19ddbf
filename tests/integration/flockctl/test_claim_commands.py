"""`flockctl claim` and `flockctl group` against a router that plays the platform."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.integration.flockctl.command_line import CommandLine, heard
from tests.integration.flockctl.fake_fleet import DEVICE, flashed
from tests.integration.flockctl.fake_router import FakeRouter, RefusedError
from tests.integration.flockctl.test_agent import SECRET

CODE = "K7QF-2M9X-PL0A"
CLAIM, SET = "ironflock.devices.device.claim", "ironflock.devices.device.set_claimable"
GROUP: dict[str, Any] = {
    "group_key": 6,
    "project_key": 3,
    "project_name": "plant",
    "name": "line-4",
    "description": "north",
    "created_at": "2026-11-25T09:00:00Z",
}


def claimable(router: FakeRouter) -> dict[str, Any]:
    """What `claim` answers with, and the flock in it."""
    flock = flashed(router)
    router.script.procedures[CLAIM] = lambda **_: {"device": DEVICE, "flock": flock}
    return flock


def test_the_code_is_alone_on_standard_output(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures[SET] = lambda **_: {"claim_code": CODE}

    for_people = flockctl("claim", "code", "press-1", "--project", "plant")
    for_programs = flockctl("claim", "code", "7", "--json")

    assert for_people.out == CODE + "\n"
    assert "whoever has this code" in for_people.err
    assert (for_programs.json, for_programs.err) == ({"claim_code": CODE}, "")
    assert heard(router, SET) == [
        {"is_claimable": True, "device": "press-1", "project": "plant"},
        {"is_claimable": True, "device": 7},
    ]


def test_a_device_is_claimable_no_more(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures[SET] = lambda **_: {"claim_code": None}

    assert flockctl("claim", "end", "press-1", "--json").json == {"ended": "press-1"}
    assert heard(router, SET) == [{"is_claimable": False, "device": "press-1"}]


def test_the_code_comes_from_standard_input_and_the_flock_is_for_its_owner_alone(
    router: FakeRouter, flockctl: CommandLine, tmp_path: Path
) -> None:
    flock, file = claimable(router), tmp_path / "press.flock"

    ended = flockctl(
        "claim", "take", "--project", "plant", "--name", "press-9", "--out", str(file), "--json", told=f" {CODE}\n"
    )

    assert ended.json == {"device": DEVICE, "file": str(file)}
    assert json.loads(file.read_text()) == flock
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert heard(router, CLAIM) == [{"project": "plant", "name": "press-9", "code": CODE}]
    assert SECRET not in ended.out + ended.err
    assert CODE not in ended.out + ended.err


def test_the_code_comes_from_a_file(router: FakeRouter, flockctl: CommandLine, tmp_path: Path) -> None:
    flock, file = claimable(router), tmp_path / "code"
    file.write_text(CODE + "\n")

    ended = flockctl("claim", "take", "--project", "3", "--code-file", str(file), "--out", "-")

    assert ended.json == flock
    assert heard(router, CLAIM) == [{"project": 3, "code": CODE}]


@pytest.mark.parametrize("told", ["", "\n", "x" * 300, "K7QF\x1b[31m\n"])
def test_what_is_no_code_is_refused_before_anything_is_sent(
    router: FakeRouter, flockctl: CommandLine, told: str, tmp_path: Path
) -> None:
    claimable(router)

    ended = flockctl("claim", "take", "--project", "plant", "--out", str(tmp_path / "x"), "--json", told=told)

    assert (ended.status, ended.error["code"]) == (1, "invalid_argument")
    assert router.script.sessions == []
    assert "K7QF" not in ended.err


def test_a_code_is_not_spent_where_the_file_cannot_be_written(
    router: FakeRouter, flockctl: CommandLine, tmp_path: Path
) -> None:
    claimable(router)
    (tmp_path / "there").write_text("x")
    words = ("claim", "take", "--project", "plant", "--out", str(tmp_path / "there"))

    ended = flockctl(*words, "--json", told=CODE)
    missing = flockctl(*words, "--code-file", str(tmp_path / "nowhere"), "--json")

    assert (ended.status, ended.error["code"]) == (1, "already_exists")
    assert (missing.status, missing.error["argument"]) == (1, "code_file")
    assert heard(router, CLAIM) == []


def test_a_claim_without_an_answer_is_not_sent_again(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures[CLAIM] = lambda **_: router.script.session.reset()

    ended = flockctl("claim", "take", "--project", "plant", "--out", "-", "--json", told=CODE)

    assert (ended.status, ended.error["code"]) == (3, "outcome_unknown")
    assert "the code may be spent" in ended.error["message"]
    assert len(heard(router, CLAIM)) == 1


def test_a_device_is_moved(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures["ironflock.devices.device.move"] = lambda **_: DEVICE

    moved = flockctl("device", "move", "press-1", "--to", "depot", "--project", "plant", "--name", "left", "--json")

    assert moved.json == {"device": DEVICE}
    assert heard(router, "ironflock.devices.device.move") == [
        {"device": "press-1", "project": "plant", "to": "depot", "name": "left"}
    ]


def test_a_device_is_tagged_and_found(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures["ironflock.devices.device.tag"] = lambda **_: DEVICE
    router.script.procedures["ironflock.devices.device.list"] = lambda **_: {"devices": [DEVICE], "next": None}

    tagged = flockctl("device", "tag", "press-1", "line=4", "hall-", "--json")
    wrong = flockctl("device", "tag", "press-1", "line", "--json")
    flockctl("device", "list", "--tag", "line=4", "--status", "EMERGENCY", "--name", "press", "--json")

    assert tagged.json == {"device": DEVICE}
    assert (wrong.status, wrong.error["argument"]) == (1, "tags")
    said = {"device": "press-1", "set": {"line": "4"}, "remove": ["hall"]}
    assert heard(router, "ironflock.devices.device.tag") == [said]
    (asked,) = heard(router, "ironflock.devices.device.list")
    assert {"tag": ["line=4"], "status": "EMERGENCY", "name": "press"}.items() <= asked.items()


def test_a_device_goes_out_of_service(router: FakeRouter, flockctl: CommandLine) -> None:
    certificate = {"device": {"name": "press-1"}, "ended_at": "2026-11-30T09:00:00Z"}
    gone = {"erased": [{"rows": 40}, {"rows": 2}], "obstacles": []}
    certified = {"device_key": 7, "is_pending": False, "certificate": certificate, "sha256": "0a", **gone}
    left = {"obstacles": [{"reason": "uninstalled"}]}
    pending = {"device_key": 8, "is_pending": True, "certificate": None, "sha256": None, **gone, **left}
    router.script.procedures["ironflock.devices.device.decommission"] = lambda **_: certified
    router.script.procedures["ironflock.devices.decommission.list"] = lambda **_: {
        "devices": [certified, pending],
        "next": None,
    }

    ended = flockctl("device", "decommission", "press-1", "--yes")
    listed = flockctl("device", "decommissioned", "--project", "plant")
    router.script.procedures["ironflock.devices.device.decommission"] = lambda **_: pending
    begun = flockctl("device", "decommission", "press-1", "--data", "delete", "--yes")

    assert json.loads(ended.out) == certificate
    assert listed.out.splitlines()[1].split() == ["7", "press-1", "2026-11-30T09:00:00Z", "42", "0a"]
    assert "in the way: uninstalled" in listed.out.splitlines()[2]
    assert "flockctl device decommissioned" in begun.out
    asked = heard(router, "ironflock.devices.device.decommission")
    assert asked == [{"device": "press-1", "data": "keep"}, {"device": "press-1", "data": "delete"}]


def test_groups_are_made_listed_and_shown(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures["ironflock.devices.group.create"] = lambda **_: GROUP
    router.script.procedures["ironflock.devices.group.list"] = lambda **_: {"groups": [GROUP], "next": None}
    router.script.procedures["ironflock.devices.group.show"] = lambda **_: GROUP

    made = flockctl("group", "create", "line-4", "--project", "plant", "--description", "north", "--json")
    listed = flockctl("group", "list", "--project", "plant")
    shown = flockctl("group", "show", "line-4")

    assert made.json == {"group": GROUP}
    assert listed.out.splitlines()[1].split()[:4] == ["6", "plant", "line-4", "north"]
    assert ["description", "north"] in [line.split() for line in shown.out.splitlines()]
    assert heard(router, "ironflock.devices.group.create") == [
        {"project": "plant", "name": "line-4", "description": "north"}
    ]
    assert flockctl("group", "show", "6", "--json").json == {"group": GROUP}
    assert flockctl("group", "list", "--json").json == {"groups": [GROUP]}


def test_the_devices_of_a_group_are_listed(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures["ironflock.devices.device.list"] = lambda **_: {"devices": [DEVICE], "next": None}

    ended = flockctl("device", "list", "--group", "line-4", "--project", "plant", "--json")

    assert ended.json == {"devices": [DEVICE]}
    assert heard(router, "ironflock.devices.device.list") == [{"group": "line-4", "project": "plant", "limit": 500}]


def test_groups_are_renamed_filled_emptied_and_deleted(router: FakeRouter, flockctl: CommandLine) -> None:
    for verb in ("delete", "add_device", "remove_device"):
        router.script.procedures[f"ironflock.devices.group.{verb}"] = lambda **_: None
    router.script.procedures["ironflock.devices.group.rename"] = lambda **_: {**GROUP, "name": "line-5"}
    both = {"group": "line-4", "device": "press-1"}

    assert flockctl("group", "rename", "line-4", "line-5", "--json").json["group"]["name"] == "line-5"
    assert flockctl("group", "add", "line-4", "press-1", "--json").json == {"added": both}
    assert flockctl("group", "remove", "line-4", "press-1", "--project", "3", "--json").json == {
        "removed": {**both, "project": 3}
    }
    assert flockctl("group", "delete", "line-4", "--json").error["code"] == "not_confirmed"
    assert flockctl("group", "delete", "line-4", "--yes", "--json").json == {"deleted": "line-4"}
    assert heard(router, "ironflock.devices.group.rename") == [{"group": "line-4", "name": "line-5"}]
    assert heard(router, "ironflock.devices.group.add_device") == [both]
    assert heard(router, "ironflock.devices.group.remove_device") == [{**both, "project": 3}]
    assert len(heard(router, "ironflock.devices.group.delete")) == 1


def test_what_is_missing_for_entering_a_group_is_said(router: FakeRouter, flockctl: CommandLine) -> None:
    refusal = RefusedError("wamp.error.not_authorized", "it needs DEVELOP on the device", missing=["DEVELOP"])
    router.script.refuses["ironflock.devices.group.add_device"] = refusal

    ended = flockctl("group", "add", "line-4", "press-1", "--json")

    assert (ended.status, ended.error["missing"]) == (1, ["DEVELOP"])
