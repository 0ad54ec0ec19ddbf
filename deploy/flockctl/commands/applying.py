"""`flockctl apply`: a fleet as a file, made so."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from deploy.flockctl.assets import key_of
from deploy.flockctl.confirming import confirm
from deploy.flockctl.errors import CommandError, from_public
from deploy.flockctl.fleet.document import read
from deploy.flockctl.fleet.gathering import gather
from deploy.flockctl.fleet.steps import Plan, Sign, Step, plan
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.rights_options import Yes
from deploy.flockctl.text import printable
from shared.errors import PublicError
from shared.flags import AssetKind

_COLOURS = {Sign.ADD: "green", Sign.CHANGE: "yellow", Sign.TAKE: "red"}


def add_commands(app: typer.Typer) -> None:
    """Put the command of this file into `app`."""
    command(app, "apply")(apply)


async def apply(
    operator: Operator,
    file: Annotated[Path, typer.Option("--file", "-f", help="The fleet file (YAML).", metavar="FILE")],
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done; do nothing.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Also take members, flags and group members that a section does not name.")
    ] = False,
    yes: Yes = False,
) -> None:
    """Make projects, apps, devices, groups and rights what a file says; shows the plan first, and asks.

    The same file again does nothing. Nothing is ever deleted or uninstalled by a file, and what it does not speak of
    stays. It stops at the first step that is refused: mend that, and apply the file again.

    Example: flockctl apply -f fleet.yaml --dry-run
    """
    fleet = read(file)
    try:
        planned = plan(fleet, await gather(operator, fleet), prune=prune)
    except PublicError as error:
        raise from_public(error) from error
    if dry_run or not planned.steps:
        operator.output.result(_payload(planned, 0), _shown(planned, "nothing was done" if dry_run else "as it is"))
        return
    if not operator.output.as_json:
        Console(stderr=True).print(_lines(planned), soft_wrap=True)
    confirm(f"Do these {len(planned.steps)} things?", is_said=yes)
    for done, step in enumerate(planned.steps):
        await _do(operator, step, done, len(planned.steps))
    operator.output.result(_payload(planned, len(planned.steps)), f"done: {len(planned.steps)}")


async def _do(operator: Operator, step: Step, done: int, of: int) -> None:
    try:
        arguments = dict(step.arguments)
        if step.place is not None:
            key = await key_of(operator, step.place.kind, step.place.name, _within(step))
            arguments |= {"kind": step.place.kind.value, "key": key}
        await operator.call(step.procedure, repeatable=False, **arguments)
    except CommandError as error:
        said = f"step {done + 1} of {of} ({step.text}): {error.message}"
        raise CommandError(error.code, said, error.status, **{**error.details, "done": done, "of": of}) from error


def _within(step: Step) -> str | None:
    place = step.place
    return None if place is None or place.kind is AssetKind.PROJECT else place.project


def _payload(planned: Plan, done: int) -> dict[str, Any]:
    steps = [{"does": step.sign.name.lower(), "what": step.text} for step in planned.steps]
    return {"steps": steps, "waiting": planned.waiting, "done": done}


def _shown(planned: Plan, end: str) -> str:
    return "\n".join([*(f"{step.sign} {printable(step.text)}" for step in planned.steps), *_notes(planned), end])


def _lines(planned: Plan) -> Text:
    lines = Text()
    for step in planned.steps:
        lines.append(f"{step.sign} {printable(step.text)}\n", style=_COLOURS[step.sign])
    lines.append("\n".join(_notes(planned)))
    return lines


def _notes(planned: Plan) -> Sequence[str]:
    return [f"! {printable(each)}" for each in planned.waiting]
