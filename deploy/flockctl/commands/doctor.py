"""`flockctl doctor`: looks at an installation, and says what is wrong and what to do."""

import time
from pathlib import Path
from typing import Annotated, Final

import typer

from deploy.flockctl.doctor.checks import CHECKS, Check, chosen
from deploy.flockctl.doctor.text import as_text
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.examining import Examined, examined, head_from_here, payload, read_examined, seen_from_here
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
    seen: Annotated[
        Path | None, typer.Option(help="Tell what another doctor saw: what its --json wrote.", metavar="FILE")
    ] = None,
    json: Json = False,
    state: State = None,
) -> None:
    """Look for what is wrong with the installation on this machine: each finding says why it matters and what to do.

    It reads the state folder and the database, so it runs on the machine, as the user that runs the platform. Exit
    status 0: all is well; 1: warnings; 2: problems.

    Of a cluster it sees nothing from outside: there the CronJob `doctor` runs it each hour, and says what cannot be
    seen from within (deploy/README.md, The doctor of a cluster). What that one wrote, `--seen` tells for people.

    Examples: flockctl doctor

    flockctl doctor --only certificate --only backup --json

    flockctl doctor --seen doctor.json
    """
    found = _found(only or [], seen, state)
    Output(as_json=json).result(payload(found), as_text(found.findings, found.checked, found.unseen))
    status = int(max((finding.severity for finding in found.findings), default=WELL))
    if status:
        raise typer.Exit(status)


def _found(only: list[str], seen: Path | None, state: Path | None) -> Examined:
    if seen is not None:
        if only or state is not None:
            raise CommandError("usage", "--seen was looked at elsewhere: say it alone", ExitStatus.USAGE)
        return read_examined(seen)
    checks, now = _chosen(only), time.time()  # noqa: TID251 - the shell
    return examined(seen_from_here(state, now), checks, head_from_here(state))


def _chosen(beginnings: list[str]) -> list[Check]:
    try:
        return chosen(beginnings)
    except LookupError as error:
        codes = ", ".join(check.code for check in CHECKS)
        said = f"no check has a code that begins with {error.args[0]}; there are {codes}"
        raise CommandError("usage", said, ExitStatus.USAGE) from error
