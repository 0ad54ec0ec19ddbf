"""`flockctl doctor`: looks at the installation on this machine, and says what is wrong and what to do."""

import os
import time
from pathlib import Path
from typing import Annotated, Final

import typer

from deploy.flockctl.doctor.checks import chosen, diagnose
from deploy.flockctl.doctor.gathering import gather
from deploy.flockctl.doctor.text import as_text, payload
from deploy.flockctl.endpoints import installed_state
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.options import Json, State
from deploy.flockctl.output import Output

WELL: Final = 0


def add_commands(app: typer.Typer) -> None:
    """Put the command of this file into `app`."""
    app.command("doctor")(doctor)


def doctor(
    *,
    only: Annotated[
        list[str] | None, typer.Option(help="Only checks whose code begins so; may be repeated.", metavar="CODE")
    ] = None,
    json: Json = False,
    state: State = None,
) -> None:
    """Look for what is wrong with the installation on this machine: each finding says why it matters and what to do.

    It reads the state folder and the database, so it runs on the machine, as the user that runs the platform. Exit
    status 0: all is well; 1: warnings; 2: problems.

    Examples: flockctl doctor

    flockctl doctor --only certificate --only backup --json
    """
    checks = chosen(only or [])
    if not checks:
        raise CommandError("usage", "no check has a code that begins so; see the README", ExitStatus.USAGE)
    folder = installed_state(state, dict(os.environ), Path.cwd())
    findings = diagnose(gather(folder, time.time()), checks)  # noqa: TID251 - the shell
    Output(as_json=json).result(payload(findings, len(checks)), as_text(findings, len(checks)))
    status = int(max((finding.severity for finding in findings), default=WELL))
    if status:
        raise typer.Exit(status)
