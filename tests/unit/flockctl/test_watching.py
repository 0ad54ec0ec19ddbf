"""What a watch makes of what it hears."""

from typing import Any

import pytest

from deploy.flockctl.commands.watching import DeviceBoard, Devices, lines, taken_in


def device(key: int, status: str = "CONNECTED") -> dict[str, Any]:
    names = {"name": f"press-{key}", "project_name": "plant", "agent_version": None, "state": "flashed"}
    return {"device_key": key, "status": status, "status_since": None, **names}


def test_all_a_change_and_an_end_are_taken_in() -> None:
    all_of_them = taken_in({9: device(9)}, {"devices": [device(1), device(2)]})
    changed = taken_in(all_of_them, {"device": device(2, "DISCONNECTED")})
    ended = taken_in(changed, {"deleted": 1})

    assert list(all_of_them) == [1, 2]
    assert changed[2]["status"] == "DISCONNECTED"
    assert list(ended) == [2]


def test_only_what_changed_becomes_a_line() -> None:
    before: Devices = {1: device(1), 2: device(2), 3: device(3)}
    after: Devices = {1: device(1), 2: device(2, "DISCONNECTED")}

    assert lines(before, after) == ["  plant/press-2  DISCONNECTED", "plant/press-3  deleted"]


def test_without_a_terminal_changes_are_lines(capsys: pytest.CaptureFixture[str]) -> None:
    with DeviceBoard(as_json=False) as board:
        board.show({"devices": [device(1)]})
        board.show({"device": device(1, "DISCONNECTED")})

    assert capsys.readouterr().out == "  plant/press-1  CONNECTED\n  plant/press-1  DISCONNECTED\n"
