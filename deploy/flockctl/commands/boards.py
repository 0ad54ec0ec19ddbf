"""`flockctl board ...`: what people look at the data of a project with."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Final

import typer
from rich.table import Table

from deploy.flockctl.confirming import confirm
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.rights_options import InProject, WithinProject, Yes, project_of
from deploy.flockctl.templates import template_in
from deploy.flockctl.text import local_time, printable
from deploy.flockctl.words import key_or_name, stage_of
from shared.names import clean_name, clean_text

board = typer.Typer(help="Boards: what people look at the data of a project with.", no_args_is_help=True)

Board = Annotated[str, typer.Argument(help="Its key, or its name with --project.", metavar="BOARD")]
Content = Annotated[Path | None, typer.Option(help="Its .ironflock/board-template.yml.", metavar="FILE")]
NOTHING: Final = "say what is to change: --name, --description or --content"


@command(board, "create")
async def board_create(
    operator: Operator,
    name: Annotated[str, typer.Argument(help="Its name, one in the project.")],
    project: InProject,
    description: Annotated[str, typer.Option(help="What it shows.")] = "",
    content: Content = None,
) -> None:
    """Create a board in a project.

    Example: flockctl board create line-4 --project plant --content .ironflock/board-template.yml
    """
    arguments: dict[str, Any] = {
        "project": project_of(project),
        "name": clean_name(name, what="name"),
        "description": clean_text(description, what="description"),
    }
    if content is not None:
        arguments["content"] = template_in(content, argument="content")
    made = await operator.call("ironflock.realms.board.create", repeatable=False, **arguments)
    operator.output.result({"board": made}, _table([made]))


@command(board, "list")
async def board_list(operator: Operator, project: InProject) -> None:
    """List the boards of a project that you may see.

    Example: flockctl board list --project plant
    """
    where = project_of(project)
    boards = [each async for each in operator.pages("ironflock.realms.board.list", "boards", project=where)]
    operator.output.result({"boards": boards}, _table(boards))


@command(board, "show")
async def board_show(operator: Operator, name: Board, project: WithinProject = None) -> None:
    """Show one board; with --json its content too.

    Example: flockctl board show line-4 --project plant --json
    """
    found = await operator.call("ironflock.realms.board.show", **_which(name, project))
    operator.output.result({"board": found}, _table([found]))


@command(board, "update")
async def board_update(
    operator: Operator,
    board_named: Board,
    project: WithinProject = None,
    *,
    name: Annotated[str | None, typer.Option(help="Another name.")] = None,
    description: Annotated[str | None, typer.Option(help="What it shows.")] = None,
    content: Content = None,
) -> None:
    """Change a board; what you leave out stays as it is.

    Example: flockctl board update line-4 --project plant --content .ironflock/board-template.yml
    """
    changes: dict[str, Any] = {}
    if name is not None:
        changes["name"] = clean_name(name, what="name")
    if description is not None:
        changes["description"] = clean_text(description, what="description")
    if content is not None:
        changes["content"] = template_in(content, argument="content")
    if not changes:
        raise CommandError("invalid_argument", NOTHING, ExitStatus.USAGE)
    # By its old name it would not be found a second time.
    which = _which(board_named, project)
    found = await operator.call("ironflock.realms.board.update", repeatable=False, **which, **changes)
    operator.output.result({"board": found}, _table([found]))


@command(board, "delete")
async def board_delete(operator: Operator, name: Board, project: WithinProject = None, *, yes: Yes = False) -> None:
    """Delete a board, and end what it has open.

    Example: flockctl board delete line-4 --project plant
    """
    which = _which(name, project)
    found = (await operator.call("ironflock.realms.board.show", **which))["name"]
    confirm(f"Delete the board {printable(found)}?", is_said=yes)
    await operator.call("ironflock.realms.board.delete", repeatable=False, **which)
    operator.output.result({"deleted": found}, f"{printable(found)} is deleted")


@command(board, "open")
async def board_open(
    operator: Operator,
    name: Board,
    app: Annotated[str, typer.Option(help="The app whose data it shows: its name or key.")],
    project: WithinProject = None,
    stage: Annotated[str, typer.Option(help="dev or prod: the two live apart.")] = "prod",
) -> None:
    """Print a ticket by which a program joins an app's data realm as the board; it opens once, within a minute.

    The program joins at /ws-ua-usr of the endpoint that is shown, by WAMP's method `ticket`. The session ends after
    half a day, with what you are signed in with, or when you may not read the data any more.

    Example: flockctl board open line-4 --project plant --app press-monitor --json
    """
    where = {"app": key_or_name(app, what="app"), "stage": stage_of(stage)}
    opened = await operator.call("ironflock.realms.board.open", repeatable=False, **_which(name, project), **where)
    endpoint = opened.get("endpoint") or "the installation's"
    row = (opened["realm"], opened["role"], endpoint, local_time(opened["ends_at"]), opened["ticket"])
    operator.output.result({"opened": opened}, table(("REALM", "ROLE", "ENDPOINT", "ENDS", "TICKET"), [row]))


def _which(name: str, project: str | None) -> dict[str, Any]:
    where = {} if project is None else {"project": project_of(project)}
    return {"board": key_or_name(name, what="board"), **where}


def _table(boards: Iterable[Mapping[str, Any]]) -> Table:
    rows = (
        (each["board_key"], each["name"], each["description"], each["revision"], local_time(each["created_at"]))
        for each in boards
    )
    return table(("KEY", "NAME", "DESCRIPTION", "REVISION", "CREATED"), rows)
