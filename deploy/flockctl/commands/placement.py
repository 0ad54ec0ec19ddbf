"""`flockctl placement ...`: where projects live."""

from typing import Annotated, Any, Final

import typer
from rich.table import Table
from twisted.internet.task import deferLater

from deploy.flockctl.confirming import confirm as ask
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.text import local_time
from deploy.flockctl.words import key_or_name

app = typer.Typer(
    help="Where projects live: database servers (clusters) and cells, in regions. Needs PLACE on the installation.",
    no_args_is_help=True,
)
clusters = typer.Typer(help="Database servers that have projects.", no_args_is_help=True)
app.add_typer(clusters, name="cluster")
cells = typer.Typer(help="Routers that have projects' devices and apps.", no_args_is_help=True)
app.add_typer(cells, name="cell")

Name = Annotated[str, typer.Argument(help="Its name, as in the settings of the processes.", metavar="CLUSTER")]
CellName = Annotated[str, typer.Argument(help="Its name, as in the settings of the processes.", metavar="CELL")]
LOOK_S: Final = 1.0
_LIST: Final = "ironflock.realms.cluster.list"
_UPDATE: Final = "ironflock.realms.cluster.update"
_CELLS: Final = "ironflock.realms.cell.list"
_UPDATE_CELL: Final = "ironflock.realms.cell.update"
_MOVES: Final = "ironflock.realms.move.list"


@command(clusters, "add")
async def cluster_add(
    operator: Operator,
    name: Name,
    *,
    region: Annotated[str, typer.Option(help="The region that it is in.")],
    capacity: Annotated[int, typer.Option(help="How many projects it may have.", min=0, max=1_000_000)],
) -> None:
    """Let projects come to a database server that the processes' settings name, once the provisioner has reached it.

    Example: flockctl placement cluster add south-1 --region south --capacity 500
    """
    added = await operator.call(
        "ironflock.realms.cluster.add", repeatable=False, name=name, region=region, capacity=capacity
    )
    operator.output.result({"cluster": added}, _table([added]))


@command(clusters, "list")
async def cluster_list(operator: Operator) -> None:
    """List the database servers that have projects, and how full they are.

    Example: flockctl placement cluster list
    """
    found = await operator.call(_LIST)
    operator.output.result(found, _table(found["clusters"]))


@command(clusters, "open")
async def cluster_open(
    operator: Operator,
    name: Name,
    *,
    capacity: Annotated[
        int | None, typer.Option(help="How many projects it may have from now on.", min=0, max=1_000_000)
    ] = None,
) -> None:
    """Let new projects come to a database server, as they do at first.

    Example: flockctl placement cluster open south-1 --capacity 800
    """
    more = {} if capacity is None else {"capacity": capacity}
    await _update(operator, name, state="open", **more)


@command(clusters, "close")
async def cluster_close(operator: Operator, name: Name) -> None:
    """Let no more projects come to a database server; those that it has stay.

    Example: flockctl placement cluster close south-1
    """
    await _update(operator, name, state="closed")


@command(clusters, "drain")
async def cluster_drain(operator: Operator, name: Name) -> None:
    """Empty a database server: its projects move to others of its region, one after the other (`placement moves`).

    Example: flockctl placement cluster drain south-1
    """
    await _update(operator, name, state="draining")


@command(clusters, "forget")
async def cluster_forget(
    operator: Operator,
    name: Name,
    *,
    confirm: Annotated[str, typer.Option(help="Its name, once more.", metavar="NAME")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Give up a database server that is dead for good, or that nothing is on: what had its rows there has lost them.

    What is lost is listed; `flockctl restore --project` brings a project back out of a backup, as another one.

    Example: flockctl placement cluster forget south-1 --confirm south-1
    """
    ask(f"Forget {name}, with every row that is on it?", is_said=yes)
    found = await operator.call("ironflock.realms.cluster.forget", repeatable=False, cluster=name, confirm=confirm)
    rows = ((each["project_key"], each["app_key"], each["stage"], found["projects_go_to"]) for each in found["lost"])
    operator.output.result({"forgotten": found}, table(("PROJECT", "APP", "ROWS LOST AT", "GOES ON ON"), rows))


async def _update(operator: Operator, name: str, **changes: Any) -> None:
    changed = await operator.call(_UPDATE, cluster=name, **changes)
    operator.output.result({"cluster": changed}, _table([changed]))


def _table(found: list[dict[str, Any]]) -> Table:
    rows = (
        (
            each["name"],
            each["region"],
            each["state"],
            f"{each['projects']} of {each['capacity']}",
            "-" if each["host"] is None else f"{each['host']}:{each['port']}",
            "never" if each["reached_at"] is None else local_time(each["reached_at"]),
        )
        for each in found
    )
    return table(("NAME", "REGION", "STATE", "PROJECTS", "AT", "REACHED"), rows)


@command(cells, "add")
async def cell_add(
    operator: Operator,
    name: CellName,
    *,
    region: Annotated[str, typer.Option(help="The region that it is in.")],
    endpoint: Annotated[str, typer.Option(help="What devices and apps of its projects dial: wss://HOST[:PORT].")],
    capacity: Annotated[int, typer.Option(help="How many projects it may have.", min=0, max=1_000_000)],
) -> None:
    """Let projects come to a router that the processes' settings name; a project stays in its cell for good.

    Example: flockctl placement cell add south --region south --endpoint wss://south.example.com --capacity 500
    """
    added = await operator.call(
        "ironflock.realms.cell.add",
        repeatable=False,
        name=name,
        region=region,
        endpoint=endpoint,
        capacity=capacity,
    )
    operator.output.result({"cell": added}, _cells([added]))


@command(cells, "list")
async def cell_list(operator: Operator) -> None:
    """List the cells, and how full they are.

    Example: flockctl placement cell list
    """
    found = await operator.call(_CELLS)
    operator.output.result(found, _cells(found["cells"]))


@command(cells, "open")
async def cell_open(
    operator: Operator,
    name: CellName,
    *,
    capacity: Annotated[
        int | None, typer.Option(help="How many projects it may have from now on.", min=0, max=1_000_000)
    ] = None,
) -> None:
    """Let new projects come to a cell, as they do at first.

    Example: flockctl placement cell open south --capacity 800
    """
    more = {} if capacity is None else {"capacity": capacity}
    await _update_cell(operator, name, state="open", **more)


@command(cells, "close")
async def cell_close(operator: Operator, name: CellName) -> None:
    """Let no more projects come to a cell; those that it has stay.

    Example: flockctl placement cell close south
    """
    await _update_cell(operator, name, state="closed")


@command(cells, "drain")
async def cell_drain(operator: Operator, name: CellName) -> None:
    """Say that a cell is to be given up: no projects come any more, and those that it has stay.

    Example: flockctl placement cell drain south
    """
    await _update_cell(operator, name, state="draining")


async def _update_cell(operator: Operator, name: str, **changes: Any) -> None:
    changed = await operator.call(_UPDATE_CELL, cell=name, **changes)
    operator.output.result({"cell": changed}, _cells([changed]))


def _cells(found: list[dict[str, Any]]) -> Table:
    rows = (
        (
            each["name"],
            each["region"],
            each["state"],
            f"{each['projects']} of {each['capacity']}",
            each["endpoint"] or "the installation's",
            "" if each["is_known"] else "not in the settings of the services",
        )
        for each in found
    )
    return table(("NAME", "REGION", "STATE", "PROJECTS", "ENDPOINT", "PROBLEM"), rows)


@command(app, "move")
async def placement_move(
    operator: Operator,
    project: Annotated[str, typer.Argument(help="Its key; or its name, where there is one of that name alone.")],
    *,
    to: Annotated[str, typer.Option(help="The database server that it goes to.", metavar="CLUSTER")],
    until_done: Annotated[bool, typer.Option("--until-done", help="Return when the move has ended.")] = False,
) -> None:
    """Bring a project's data to another database server, while it is worked with; who writes at the end waits shortly.

    What cannot be moved stays where it is and is said; the same command goes on with it.

    Example: flockctl placement move plant --to south-1 --until-done
    """
    where = key_or_name(project, what="project")
    move = await operator.call("ironflock.realms.move.create", repeatable=False, project=where, cluster=to)
    while until_done and move["state"] == "moving":
        await deferLater(operator.reactor, LOOK_S)
        found = await operator.call(_MOVES, project=move["project_key"])
        move = next(each for each in found["moves"] if each["move_key"] == move["move_key"])
    operator.output.result({"move": move}, _moves([move]))
    if move["state"] == "given_up":
        raise CommandError("given_up", "not everything was moved: `placement moves` says why", ExitStatus.REFUSED)


@command(app, "moves")
async def placement_moves(
    operator: Operator,
    *,
    project: Annotated[
        int | None, typer.Option(help="Those of the project of that key, also those that are over.")
    ] = None,
) -> None:
    """List the moves that are under way, and how far they are.

    Example: flockctl placement moves --project 7
    """
    found = await operator.call(_MOVES, project=project)
    operator.output.result(found, _moves(found["moves"]))


@command(app, "abandon")
async def placement_abandon(
    operator: Operator, move: Annotated[int, typer.Argument(help="Its key, as `placement moves` shows it.")]
) -> None:
    """Leave what a move has not moved yet where it is; what was moved stays where it is now.

    Example: flockctl placement abandon 12
    """
    left = await operator.call("ironflock.realms.move.abandon", move_key=move)
    operator.output.result({"move": left}, _moves([left]))


def _moves(found: list[dict[str, Any]]) -> Table:
    rows = (
        (
            move["move_key"],
            move["project_key"],
            move["cluster"],
            move["state"],
            "-" if each is None else f"{each['app_key']} {each['stage']}",
            "-" if each is None else each["phase"],
            "-" if each is None or each["rows_carried"] is None else each["rows_carried"],
            "-" if each is None or each["paused_ms"] is None else f"{each['paused_ms']} ms",
            "" if each is None else each["problem"] or "",
        )
        for move in found
        for each in move["backends"] or [None]
    )
    return table(("MOVE", "PROJECT", "TO", "STATE", "APP", "BACKEND", "ROWS", "PAUSE", "PROBLEM"), rows)
