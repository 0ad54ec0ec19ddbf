"""`flockctl device reflash` against a router that plays the platform: devices come back, or do not."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from tests.integration.flockctl.command_line import CommandLine, heard
from tests.integration.flockctl.fake_fleet import DEVICE
from tests.integration.flockctl.fake_router import FakeRouter, RefusedError
from tests.integration.flockctl.test_agent import SECRET

FLASH, LIST = "ironflock.devices.device.flash", "ironflock.devices.device.list"
FLASHED, LATER = "2026-11-30T10:00:00Z", "2026-11-30T10:00:05Z"


class Plant:
    """Devices 1 to 3; those in `carried` are given their file as soon as it is there, `refused` cannot be flashed."""

    def __init__(self, router: FakeRouter) -> None:
        self.flashed: list[int] = []
        self.carried = {1, 2, 3}
        self.refused: set[int] = set()
        self.here = {1, 2, 3}
        self.answers: list[Exception] = []
        router.script.procedures[FLASH] = self.flash
        router.script.procedures[LIST] = self.list

    def flash(self, *, device: int, **_: Any) -> dict[str, Any]:
        """`device.flash`; what is in `answers` comes first."""
        if self.answers:
            raise self.answers.pop(0)
        if device in self.refused:
            raise RefusedError("wamp.error.not_authorized", "no", code="not_authorized")
        self.flashed.append(device)
        return {
            "device": {**self._device(device), "flashed_at": FLASHED},
            "flock": {"device_key": device, "secret": SECRET},
        }

    def list(self, **_: Any) -> dict[str, Any]:
        """`device.list`."""
        return {"devices": [self._device(key) for key in sorted(self.here)], "next": None}

    def _device(self, key: int) -> dict[str, Any]:
        is_back = key in self.flashed and key in self.carried
        status = "CONNECTED" if is_back or key not in self.flashed else "DISCONNECTED"
        since = LATER if key in self.flashed else "2026-11-30T09:00:00Z"
        return {**DEVICE, "device_key": key, "name": f"press {key}", "status": status, "status_since": since}


@pytest.fixture(name="plant")
def fixture_plant(router: FakeRouter) -> Plant:
    return Plant(router)


def words(folder: Path, *more: str) -> tuple[str, ...]:
    return ("device", "reflash", "--project", "plant", "--into", str(folder), "--at-once", "2", "--yes", *more)


def test_a_plan_shows_the_waves_and_changes_nothing(
    router: FakeRouter, flockctl: CommandLine, plant: Plant, tmp_path: Path
) -> None:
    folder = tmp_path / "secrets"
    ended = flockctl(*words(folder, "--tag", "line=4", "--group", "6", "--plan", "--json"))

    assert [(each["wave"], each["device_key"]) for each in ended.json["devices"]] == [(1, 1), (1, 2), (2, 3)]
    assert (plant.flashed, folder.exists()) == ([], False)
    (asked,) = heard(router, LIST)
    assert {"project": "plant", "tag": ["line=4"], "group": 6}.items() <= asked.items()


def test_each_wave_begins_when_the_one_before_is_back(flockctl: CommandLine, plant: Plant, tmp_path: Path) -> None:
    ended = flockctl(*words(tmp_path, "--json"))

    said = [json.loads(line) for line in ended.out.splitlines()]
    assert ended.status == 0
    assert [(each["device"]["device_key"], each["device"]["state"]) for each in said[:-1]] == [
        (1, "flashed"),
        (2, "flashed"),
        (1, "back"),
        (2, "back"),
        (3, "flashed"),
        (3, "back"),
    ]
    assert said[-1]["counts"] == {"waiting": 0, "flashing": 0, "flashed": 0, "back": 3, "refused": 0}
    file = tmp_path / "press_1-1.flock"
    assert json.loads(file.read_text()) == {"device_key": 1, "secret": SECRET}
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert SECRET not in ended.out + ended.err + (tmp_path / "reflash.json").read_text()
    assert plant.flashed == [1, 2, 3]


def test_who_does_not_come_back_holds_up_the_next_wave_and_begun_again_it_goes_on(
    flockctl: CommandLine, plant: Plant, tmp_path: Path
) -> None:
    plant.carried = {1}
    first = flockctl(*words(tmp_path, "--timeout", "1s"))
    assert (first.status, plant.flashed) == (1, [1, 2])
    assert "1 waiting, 1 flashed, 1 back" in first.out

    plant.carried = {1, 2, 3}
    second = flockctl(*words(tmp_path))

    assert (second.status, plant.flashed) == (0, [1, 2, 3])
    assert "press 2 back" in second.out
    assert flockctl(*words(tmp_path)).status == 0
    assert plant.flashed == [1, 2, 3]


def test_who_cannot_be_flashed_is_said_and_holds_up_nobody(flockctl: CommandLine, plant: Plant, tmp_path: Path) -> None:
    plant.refused = {2}

    ended = flockctl(*words(tmp_path))

    assert (ended.status, plant.flashed) == (1, [1, 3])
    assert "press 2 refused: not_authorized" in ended.out
    assert not (tmp_path / "press_2-2.flock").exists()


def test_who_was_refused_is_tried_again_by_the_next_run(flockctl: CommandLine, plant: Plant, tmp_path: Path) -> None:
    plant.refused = {2}
    assert flockctl(*words(tmp_path)).status == 1

    plant.refused = set()

    assert (flockctl(*words(tmp_path)).status, plant.flashed) == (0, [1, 3, 2])


def test_a_flashing_without_an_answer_is_done_again_once_the_platform_has_ended_it(
    flockctl: CommandLine, plant: Plant, tmp_path: Path
) -> None:
    plant.answers = [RefusedError("ironflock.error.outcome_unknown", "who knows", code="outcome_unknown")]
    first = flockctl(*words(tmp_path))
    assert (first.status, plant.flashed) == (3, [])
    assert states(tmp_path) == ["flashing", "waiting", "waiting"]

    plant.answers = [RefusedError("ironflock.error.conflict", "it ends within 15 s", code="conflict")]
    second = flockctl(*words(tmp_path))

    assert (second.status, plant.flashed) == (0, [1, 2, 3])
    assert "refused" not in second.out


def test_what_is_refused_after_an_unknown_outcome_stays_to_be_done_and_holds_up_nobody(
    flockctl: CommandLine, plant: Plant, tmp_path: Path
) -> None:
    plant.answers = [RefusedError("ironflock.error.outcome_unknown", "who knows", code="outcome_unknown")]
    assert flockctl(*words(tmp_path)).status == 3
    plant.refused = {1}

    ended = flockctl(*words(tmp_path))

    assert (ended.status, plant.flashed) == (1, [2, 3])
    assert "press 1 flashing: not_authorized" in ended.out
    assert states(tmp_path) == ["flashing", "back", "back"]


@pytest.mark.parametrize("leaves", [1, 2])
def test_a_device_that_leaves_the_project_is_waited_for_no_more(
    flockctl: CommandLine, plant: Plant, tmp_path: Path, leaves: int
) -> None:
    """The first one leaves when it has been flashed, the second one before."""
    plant.carried = set()
    assert flockctl(*words(tmp_path, "--at-once", "1", "--timeout", "1s")).status == 1
    plant.carried, plant.here = {1, 2, 3}, {1, 2, 3} - {leaves}

    ended = flockctl(*words(tmp_path, "--at-once", "1"))

    assert (ended.status, plant.flashed) == (1, [each for each in (1, 2, 3) if each == 1 or each != leaves])
    assert f"press {leaves} refused: not_found" in ended.out


@pytest.mark.parametrize("other", [("--project", "other"), ("--group", "6"), ("--tag", "line=4"), ("--at-once", "3")])
def test_a_folder_is_of_one_project_and_one_choice(
    flockctl: CommandLine, plant: Plant, tmp_path: Path, other: tuple[str, str]
) -> None:
    plant.carried = set()
    assert flockctl(*words(tmp_path, "--timeout", "1s")).status == 1

    ended = flockctl(*words(tmp_path, *other))

    assert ended.status == 1
    assert "was begun with another" in ended.err
    assert plant.flashed == [1, 2]


def states(folder: Path) -> list[str]:
    return [turn["state"] for turn in json.loads((folder / "reflash.json").read_text())["turns"]]
