"""Exit statuses and messages where no platform is needed."""

import json
from importlib.metadata import version

import pytest

from deploy.flockctl.__main__ import run, with_json_behind
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


def test_a_sentence_that_has_its_full_stop_gets_no_second_and_one_without_gets_one(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["device", "list", "--xyzzy"]) == 2

    assert capsys.readouterr().err == "flockctl: No such option: --xyzzy. See --help. (usage)\n"


@pytest.mark.parametrize("command", [[], ["project"], ["device"]])
def test_no_command_is_a_question_for_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(command) == 0

    out, err = capsys.readouterr()
    assert "Usage" in out
    assert err == ""


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--version"]) == 0

    assert capsys.readouterr().out == f"flockctl {version('ironflock')}\n"


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], []),
        (["--json"], ["--json"]),
        (["--json", "device", "list"], ["device", "list", "--json"]),
        (["--json", "device", "show", "--", "-x"], ["device", "show", "--json", "--", "-x"]),
        (["device", "--json"], ["device", "--json"]),
    ],
)
def test_json_may_stand_before_the_command(arguments: list[str], expected: list[str]) -> None:
    assert with_json_behind(arguments) == expected


def test_a_secret_goes_nowhere_unless_it_is_said_where(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["device", "flash", "press-1"]) == 2

    out, err = capsys.readouterr()
    assert out == ""
    assert "--out" in err


@pytest.mark.parametrize("command", [[], ["project"], ["device"], ["device", "flash"], ["simulate"], ["status"]])
def test_every_command_has_help(command: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run([*command, "--help"]) == 0

    assert "Usage" in capsys.readouterr().out


def test_json_is_ascii_so_that_no_text_in_it_steers_a_terminal(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"name": "a\x1b[31m\u202e\udcff"})

    out = capsys.readouterr().out
    assert out == '{"name":"a\\u001b[31m\\u202e\\udcff"}\n'
