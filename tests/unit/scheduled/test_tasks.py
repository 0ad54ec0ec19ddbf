"""What a calendar's tasks say to flockctl, and which settings they take."""

import datetime as dt
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer
from attrs import evolve

from deploy.backup.ending import SIGNALS
from deploy.flockctl.__main__ import make_app
from deploy.scheduled.__main__ import EXIT_USAGE, TASKS, main
from deploy.scheduled.installed import Installed, read_installed
from shared.settings import SettingsError
from tests.harness.waiting import wait_until

ROOT: Any = typer.main.get_command(make_app())
SATURDAY = dt.date(2026, 11, 28)
ENVIRON = {
    f"IRONFLOCK_BACKUP_{name}": value
    for name, value in {
        "STATE": "/state",
        "CA_FILE": "/trust/ca.crt",
        "DATABASE_HOST": "postgres",
        "DATABASE_PORT": "5432",
        "SECRETS": "/secrets",
        "AUTHORITY": "/authority",
        "LOGIN_AUTHORITY": "/login-ca",
        "AUDIT": "/audit",
        "TO": "/backups",
        "RECIPIENTS": "age1one, age1two",
    }.items()
}


@pytest.fixture(name="installed")
def fixture_installed() -> Installed:
    return evolve(read_installed(ENVIRON), identity=Path("/identity"))


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("is_partial", [False, True])
def test_flockctl_takes_what_a_task_says(task: str, is_partial: bool, installed: Installed) -> None:
    for call in TASKS[task](evolve(installed, is_partial=is_partial), SATURDAY):
        command, words = ROOT, [*call, "--json"]
        while hasattr(command, "commands"):
            command = command.commands[words.pop(0)]
        command.make_context(command.name, words).close()


def test_all_of_it_is_taken_on_sundays(installed: Installed) -> None:
    week = [TASKS["nightly"](installed, SATURDAY + dt.timedelta(days=day))[0] for day in range(7)]

    assert ["--full" in call for call in week] == [False, True, False, False, False, False, False]
    assert all(call.count("--recipient") == 2 for call in week)


@pytest.mark.parametrize(("said", "is_partial"), [("", False), ("no", False), ("yes", True)])
def test_a_server_may_be_left_out_where_that_is_said(said: str, is_partial: bool) -> None:
    installed = read_installed({**ENVIRON, "IRONFLOCK_BACKUP_PARTIAL": said})
    nightly, log = (TASKS[task](installed, SATURDAY)[0] for task in ("nightly", "log"))

    assert ("--partial" in nightly, "--partial" in log) == (is_partial, is_partial)


def test_whether_one_may_be_left_out_is_yes_or_no() -> None:
    with pytest.raises(SettingsError, match="PARTIAL must be yes or no"):
        read_installed({**ENVIRON, "IRONFLOCK_BACKUP_PARTIAL": "1"})


def test_a_drill_wants_an_identity(installed: Installed) -> None:
    assert "/identity" in TASKS["drill"](installed, SATURDAY)[0]
    with pytest.raises(SettingsError, match="IDENTITY_FILE"):
        TASKS["drill"](read_installed(ENVIRON), SATURDAY)


@pytest.mark.parametrize("name", [name for name in ENVIRON if name != "IRONFLOCK_BACKUP_KEEP"])
def test_what_is_missing_is_named(name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_installed({**ENVIRON, name: ""})


@pytest.mark.parametrize("said", ["me", "age1one,", "ssh-ed25519 AAAA"])
def test_recipients_are_those_of_age(said: str) -> None:
    if said == "age1one,":
        assert read_installed({**ENVIRON, "IRONFLOCK_BACKUP_RECIPIENTS": said}).recipients == ("age1one",)
        return
    with pytest.raises(SettingsError, match="RECIPIENTS"):
        read_installed({**ENVIRON, "IRONFLOCK_BACKUP_RECIPIENTS": said})


@pytest.mark.parametrize("words", [[], ["weekly"], ["log", "log"]])
def test_a_task_that_nobody_knows_is_refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(words) == EXIT_USAGE
    assert "nightly,log,drill,doctor" in capsys.readouterr().err


def test_without_settings_nothing_is_laid_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, value in ENVIRON.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("IRONFLOCK_BACKUP_STATE", str(tmp_path))
    monkeypatch.setenv("IRONFLOCK_BACKUP_MISSPELT", "1")

    assert main(["log"]) == 1
    assert "MISSPELT" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


STARTED = """
import sys
from deploy.scheduled import __main__ as scheduled
scheduled.lay_out = lambda *_: None
scheduled.wheel_program = lambda: None
sys.executable = sys.argv[1]
sys.exit(scheduled.main(["drill"]))
"""
COMMAND = """#!/bin/sh
trap 'echo "put away" > "{folder}/done"; exit 3' TERM
echo begun > "{folder}/begun"
while :; do sleep 0.05; done
"""
WITHIN_S = 30


@pytest.mark.parametrize("number", SIGNALS)
def test_told_to_end_a_task_ends_when_its_command_has_put_away(number: signal.Signals, tmp_path: Path) -> None:
    command = tmp_path / "command"
    command.write_text(COMMAND.format(folder=tmp_path))
    command.chmod(0o700)
    environment = {**os.environ, **ENVIRON, "IRONFLOCK_BACKUP_IDENTITY_FILE": "/identity"}

    with subprocess.Popen([sys.executable, "-c", STARTED, str(command)], env=environment) as task:
        wait_until((tmp_path / "begun").exists, WITHIN_S, "the command runs")
        task.send_signal(number)
        status = task.wait(WITHIN_S)

    assert (status, (tmp_path / "done").read_text()) == (128 + number, "put away\n")


LOOKED = """#!/bin/sh
[ "$*" = "-m deploy.flockctl doctor --json" ] || exit 64
printf '%s' '{said}'
exit {status}
"""


@pytest.fixture(name="looking")
def fixture_looking(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, int], int]:
    """The task with a doctor that says so and ends so."""

    def look(said: str, status: int) -> int:
        command = tmp_path / "command"
        command.write_text(LOOKED.replace("{said}", said).replace("{status}", str(status)))
        command.chmod(0o700)
        monkeypatch.setattr(sys, "executable", str(command))
        return main(["doctor"])

    return look


@pytest.mark.parametrize(
    ("said", "status", "ends"),
    [
        ('{"well":true}', 0, 0),
        ('{"well":false}', 1, 0),  # warnings
        ('{"well":false}', 2, 2),
        ("", 1, 1),  # it failed by itself
        ("", 3, 3),
    ],
)
def test_a_doctor_s_warnings_are_told_and_fail_nothing(
    looking: Callable[[str, int], int], capsys: pytest.CaptureFixture[str], said: str, status: int, ends: int
) -> None:
    assert looking(said, status) == ends

    assert capsys.readouterr().out == said
