"""What an operator schedules: shells read it, flockctl takes it, units name what is there."""

import configparser
import os
import re
import shlex
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from deploy.flockctl.__main__ import make_app
from deploy.local.kinds import Kind

FOLDER = Path(__file__).parents[3] / "deploy" / "operator"
SCRIPTS = sorted(FOLDER.glob("*.sh"))
UNITS = sorted(FOLDER.glob("*.service"))
ROOT: Any = typer.main.get_command(make_app())
README = (FOLDER / "README.md").read_text(encoding="utf-8")


def commands(script: Path) -> list[list[str]]:
    """The words of every call of flockctl in it; a variable in quotes stands for one word, another for none."""
    found = []
    for line in script.read_text(encoding="utf-8").splitlines():
        for call in re.findall(r"\bflockctl ([^|;)]+)", "" if line.startswith("#") else line):
            quoted = re.sub(r'"\$\{?\w+\}?"', "one", call)
            found.append(shlex.split(re.sub(r"\$\w+", "", quoted)))
    return found


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_a_script_is_one_and_stops_at_what_it_does_not_know(script: Path) -> None:
    text = script.read_text(encoding="utf-8")

    assert subprocess.run(["/bin/sh", "-n", script], check=False).returncode == 0
    assert os.access(script, os.X_OK)
    assert "\nset -" in text
    assert f"`{script.name}" in README


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_flockctl_takes_what_a_script_says(script: Path) -> None:
    others = {other.name for other in SCRIPTS if f"./{other.name}" in script.read_text(encoding="utf-8")}
    assert commands(script) or others
    for call in commands(script):
        command, words = ROOT, list(call)
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context(command.name, words).close()


def test_what_is_rotated_can_be() -> None:
    asked = [
        kind
        for script in SCRIPTS
        for words in re.findall(
            r"^python -m deploy\.local rotate (.+)$", script.read_text(encoding="utf-8"), re.MULTILINE
        )
        for kind in words.split()
    ]

    assert [Kind(each) for each in asked] == [Kind.PERSON_KEYS]


def test_each_unit_starts_what_is_there_and_has_a_timer() -> None:
    for unit in UNITS:
        parsed = configparser.ConfigParser(strict=False, interpolation=None)
        parsed.read(unit)
        starts = re.findall(r"^ExecStart=-?(.*)$", unit.read_text(encoding="utf-8"), flags=re.MULTILINE)
        assert {Path(each).name for each in starts} <= {script.name for script in SCRIPTS}
        assert parsed["Service"]["Type"] == "oneshot"
        timer = configparser.ConfigParser(interpolation=None)
        timer.read(unit.with_suffix(".timer"))
        assert {"oncalendar", "onunitactivesec"} & set(timer["Timer"])
