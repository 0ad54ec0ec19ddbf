"""Exit statuses and messages where no platform is needed."""

import json

import pytest

from deploy.flockctl.__main__ import run
from deploy.flockctl.output import write_json


@pytest.mark.parametrize(
    "arguments",
    [
        ["nonsense"],
        ["device", "show"],
        ["device", "list", "--wat"],
        ["device", "create", "x"],
        ["simulate", "--devices", "0"],
        ["simulate", "--devices", "999999999999999999999999"],
        ["simulate", "--devices", "many"],
        ["project", "list", "--wait", "-1"],
        ["project", "list", "--wait", "nan-ish"],
    ],
)
def test_wrong_usage_is_status_2_and_says_so_as_json(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*arguments, "--json"]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err)["error"]["code"] == "usage"


def test_wrong_usage_is_one_line_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["nonsense"]) == 2

    assert capsys.readouterr().err == "flockctl: No such command 'nonsense'. See --help. (usage)\n"


@pytest.mark.parametrize("command", [[], ["project"], ["device"], ["device", "flash"], ["simulate"], ["status"]])
def test_every_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--help"]) == 0

    assert "Usage" in capsys.readouterr().out


def test_json_is_ascii_so_that_no_text_in_it_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"name": "a\x1b[31m\u202e\udcff"})

    out = capsys.readouterr().out
    assert out == '{"name":"a\\u001b[31m\\u202e\\udcff"}\n'
