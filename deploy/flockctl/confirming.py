"""Asking once more before what cannot be undone."""

import sys

import typer

from deploy.flockctl.errors import CommandError, ExitStatus


def confirm(question: str, *, is_said: bool) -> None:
    """Go on where `--yes` was said, or somebody at the terminal says yes to `question`.

    Raises:
        CommandError: They said no, or there is nobody to ask.
    """
    if is_said:
        return
    if not sys.stdin.isatty():
        raise CommandError("not_confirmed", "nobody can be asked here: say --yes", ExitStatus.USAGE)
    if not typer.confirm(question, err=True):
        raise CommandError("not_confirmed", "nothing was done")
