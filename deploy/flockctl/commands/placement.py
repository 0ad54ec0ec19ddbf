"""`flockctl placement ...`: where projects live."""

from typing import Annotated, Any, Final

import typer
from rich.table import Table
from twisted.internet.task import deferLater

from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.text import local_time
from deploy.flockctl.words import key_or_name

app = typer.Typer(
    help="Where projects live: database servers (clusters) in regions. Needs PLACE on the installation.",
    no_args_is_help=True,
)
clusters = typer.Typer(help="Database servers that have projects.", no_args_is_help=True)
app.add_typer(clusters, name="cluster")

Name = Annotated[str, typer.Argument(help="Its name, as in the settings of the processes.", metavar="CLUSTER")]
LOOK_S: Final = 1.0
_LIST: Final = "ironflock.realms.cluster.list"
_UPDATE: Final = "ironflock.realms.cluster.update"
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
