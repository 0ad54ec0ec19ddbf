"""`flockctl claim ...`: a device moves into the project of whoever has its claim code."""

import sys
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from deploy.flockctl.commands.flashing import claim, into_file
from deploy.flockctl.errors import CommandError
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.rights_options import InProject, WithinProject, project_of
from deploy.flockctl.text import is_printable
from deploy.flockctl.words import key_or_name
from shared.names import clean_name

app = typer.Typer(help="Hand a device over to another project by a code.", no_args_is_help=True)

MAX_CODE_LENGTH: Final = 200
PROCEDURE: Final = "ironflock.devices.device.set_claimable"

Device = Annotated[str, typer.Argument(help="Its name or key.", metavar="DEVICE")]


@command(app, "code")
async def claim_code(operator: Operator, device: Device, project: WithinProject = None) -> None:
    """Let a device be claimed: prints the code by which it can be taken into another project, once.

    Example: flockctl claim code press-1
    """
    found = await operator.call(PROCEDURE, repeatable=False, is_claimable=True, **_one(device, project))
    code = _checked(str(found["claim_code"]))
    operator.output.notice("whoever has this code can take the device, once; `flockctl claim end` ends it")
    operator.output.result({"claim_code": code}, code)


@command(app, "end")
async def claim_end(operator: Operator, device: Device, project: WithinProject = None) -> None:
    """Let a device be claimed no more: its code opens nothing.

    Example: flockctl claim end press-1
    """
    which = _one(device, project)
    await operator.call(PROCEDURE, repeatable=False, is_claimable=False, **which)
    operator.output.result({"ended": which["device"]}, f"{which['device']} cannot be claimed any more")


@command(app, "take")
async def claim_take(
    operator: Operator,
    project: InProject,
    *,
    out: Annotated[str, typer.Option(help="File to write (mode 0600), or - to have the secret on standard output.")],
    code_file: Annotated[
        Path | None, typer.Option(help="File with the claim code (default: asked for, or a line of standard input).")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Its name there, where another one has its own.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Take a device into a project of yours, and make its .flock file. The code is never an argument.

    What was given on the device ends, its apps go, its old secret is cut off at once.

    Example: flockctl claim take --project plant --out press-1.flock
    """
    arguments: dict[str, Any] = {"project": project_of(project)}
    if name is not None:
        arguments["name"] = clean_name(name, what="name")
    arguments["code"] = _code(code_file)
    await into_file(operator, out, lambda: claim(operator, arguments), replace=force)


def _one(device: str, project: str | None) -> dict[str, Any]:
    within = {} if project is None else {"project": project_of(project)}
    return {"device": key_or_name(device, what="device"), **within}


def _code(file: Path | None) -> str:
    if file is not None:
        return _checked(_read(file))
    if sys.stdin.isatty():
        return _checked(str(typer.prompt("Claim code", hide_input=True, err=True)))
    return _checked(sys.stdin.readline(MAX_CODE_LENGTH + 2))


def _read(file: Path) -> str:
    try:
        with file.open(encoding="utf-8", errors="replace") as stream:
            return stream.read(MAX_CODE_LENGTH + 2)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise CommandError("invalid_argument", f"{file} cannot be read: {reason}", argument="code_file") from error


def _checked(text: str) -> str:
    code = text.strip()
    if not code or len(code) > MAX_CODE_LENGTH or not is_printable(code):
        raise CommandError("invalid_argument", "this is no claim code", argument="code")
    return code
