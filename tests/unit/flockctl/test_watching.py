"""What a watch makes of what it hears."""

from typing import Any

import pytest

from deploy.flockctl.commands.watching import DeviceBoard, Devices, lines, taken_in
from deploy.flockctl.text import local_time


def device(key: int, status: str = "CONNECTED") -> dict[str, Any]:
    names = {"name": f"press-{key}", "project_name": "plant", "description": "", "state": "flashed"}
    agent = {"agent_version": None, "architecture": None, "os": None}
    return {"device_key": key, "status": status, "status_since": None, **names, **agent}


def test_all_a_change_and_an_end_are_taken_in() -> None:
    all_of_them = taken_in({9: device(9)}, {"devices": [device(1), device(2)]})
    changed = taken_in(all_of_them, {"device": device(2, "DISCONNECTED")})
    ended = taken_in(changed, {"deleted": 1})

    assert list(all_of_them) == [1, 2]
    assert changed[2]["status"] == "DISCONNECTED"
    assert list(ended) == [2]


NOW = "2026-11-25 11:00:00+00:00"
SINCE = "2026-11-25T10:00:00+00:00"


def test_only_what_changed_becomes_a_line() -> None:
    before: Devices = {1: device(1), 2: device(2), 3: device(3)}
    after: Devices = {1: device(1), 2: device(2, "DISCONNECTED")}

    assert lines(before, after, NOW) == [f"{NOW}  plant/press-2  DISCONNECTED", f"{NOW}  plant/press-3  deleted"]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"name": "press-left"}, "plant/press-left  was plant/press-1"),
        ({"state": "flashing"}, "plant/press-1  flashing"),
        ({"agent_version": "0.20.20"}, "plant/press-1  agent 0.20.20"),
        ({"architecture": "amd64", "os": "linux"}, "plant/press-1  architecture amd64, system linux"),
        ({"name": "a\x1bb"}, "plant/a\\x1bb  was plant/press-1"),
    ],
)
def test_a_change_says_what_changed_and_has_the_time_it_was_heard_at(change: dict[str, Any], said: str) -> None:
    before = {**device(1), "status_since": SINCE}

    assert lines({1: before}, {1: {**before, **change}}, NOW) == [f"{NOW}  {said}"]


def test_what_a_person_would_see_no_change_in_is_no_line() -> None:
    before = device(1)

    assert lines({1: before}, {1: {**before, "flashed_at": SINCE, "status_since": SINCE}}, NOW) == []


def test_a_status_has_its_own_time() -> None:
    after = {**device(1, "DISCONNECTED"), "status_since": SINCE}

    assert lines({1: device(1)}, {1: after}, NOW) == [f"{local_time(SINCE)}  plant/press-1  DISCONNECTED"]
    assert lines({}, {1: after}, NOW) == [f"{local_time(SINCE)}  plant/press-1  DISCONNECTED, flashed"]


def test_without_a_terminal_changes_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with DeviceBoard(as_json=False, seconds=lambda: 1_800_000_000.0) as board:
        board.show({"devices": [device(1)]})
        board.show({"device": device(1, "DISCONNECTED")})
        board.show({"device": device(1, "DISCONNECTED")})
        board.show({"deleted": 1})

    now = local_time("2027-01-15T08:00:00+00:00")
    assert capsys.readouterr().out.splitlines() == [
        f"{now}  plant/press-1  CONNECTED, flashed",
        f"{now}  plant/press-1  DISCONNECTED",
        f"{now}  plant/press-1  deleted",
    ]


def test_a_snapshot_in_several_answers_is_one(capsys: pytest.CaptureFixture[str]) -> None:
    board = DeviceBoard(as_json=False, seconds=lambda: 0.0)
    board.show({"devices": [device(1), device(2)], "more": False})
    capsys.readouterr()

    board.show({"devices": [device(1)], "more": True})
    board.show({"devices": [device(2, "DISCONNECTED")], "more": False})

    said = capsys.readouterr().out
    assert "deleted" not in said
    assert said.count("\n") == 1
    assert "press-2  DISCONNECTED" in said
