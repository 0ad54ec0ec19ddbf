"""`flockctl project ...`."""

from typing import Annotated, Any

import typer
from rich.table import Table

from deploy.flockctl.commands.project_carrying import add_carrying_commands
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.rights_options import For, Project, Until, ending
from deploy.flockctl.text import local_time
from deploy.flockctl.words import key_or_name
from shared.names import clean_name, clean_text

app = typer.Typer(help="Projects.", no_args_is_help=True)
add_carrying_commands(app)

Name = Annotated[str, typer.Argument(help="Its name.")]


@command(app, "create")
async def project_create(
    operator: Operator,
    name: Name,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
    region: Annotated[str | None, typer.Option(help="Where its data are to be.")] = None,
) -> None:
    """Create a project.

    Example: flockctl project create plant
    """
    arguments = {"name": clean_name(name, what="name"), "description": clean_text(description, what="description")}
    if region is not None:
        arguments["region"] = region
    project = await operator.call("ironflock.realms.project.create", repeatable=False, **arguments)
    operator.output.result({"project": project}, _table([project]))


@command(app, "list")
async def project_list(operator: Operator) -> None:
    """List your projects.

    Example: flockctl project list --json
    """
    projects = [project async for project in operator.pages("ironflock.realms.project.list", "projects")]
    operator.output.result({"projects": projects}, _table(projects))


@command(app, "show")
async def project_show(operator: Operator, project: Project) -> None:
    """Show one project.

    Example: flockctl project show plant
    """
    found = await operator.call("ironflock.realms.project.show", project=key_or_name(project, what="project"))
    operator.output.result({"project": found}, _table([found]))


@command(app, "require-factor")
async def project_require_factor(
    operator: Operator,
    project: Project,
    *,
    off: Annotated[bool, typer.Option("--off", help="Ask for none any more.")] = False,
) -> None:
    """Ask a second factor of whoever works in a project: without one, its devices and entries are closed to them.

    Example: flockctl project require-factor plant
    """
    where = key_or_name(project, what="project")
    found = await operator.call("ironflock.realms.project.require_factor", project=where, required=not off)
    operator.output.result({"project": found}, _table([found]))


@command(app, "require-same-address")
async def project_require_same_address(
    operator: Operator,
    project: Project,
    *,
    off: Annotated[bool, typer.Option("--off", help="Let them come from anywhere.")] = False,
) -> None:
    """Let the tunnel client of a device in only from the address of its agent, as it is at first.

    --off is for devices whose agent and tunnel client go out by different ways. A stolen proof is then good from
    anywhere, while the agent is there.

    Example: flockctl project require-same-address plant --off
    """
    where = key_or_name(project, what="project")
    found = await operator.call("ironflock.realms.project.require_same_address", project=where, required=not off)
    said = "from the address of its agent alone" if found["requires_same_address"] else "from any address"
    operator.output.result({"project": found}, f"a device's tunnel client comes {said}")


@command(app, "legacy-mode")
async def project_legacy_mode(
    operator: Operator,
    project: Project,
    mode: Annotated[str, typer.Argument(help="strict, own_realm_only or dual.")],
    until: Until = None,
    lasting: For = None,
) -> None:
    """Let containers of old SDKs in, which show the serial number of their device alone: for a while, by its owner.

    A serial number is no secret. strict, which is what a project has otherwise, lets none of them in; own_realm_only
    lets them into the realms of their own apps, dual also into those whose data these may read.

    Example: flockctl project legacy-mode plant own_realm_only --for 30d
    """
    arguments = {"mode": mode.lower(), **ending(operator, until, lasting)}
    where = key_or_name(project, what="project")
    found = await operator.call("ironflock.realms.project.set_legacy_mode", project=where, **arguments)
    operator.output.result({"project": found}, _legacy(found))


def _legacy(project: dict[str, Any]) -> str:
    mode, until = project["legacy_mode"], project["legacy_until"]
    return str(mode) if until is None else f"{mode} until {local_time(until)}"


def _table(projects: list[dict[str, Any]]) -> Table:
    rows = (
        (
            each["project_key"],
            each["name"],
            each["description"],
            each["region"],
            each["cluster"],
            each.get("cell", "-"),
            "required" if each["requires_factor"] else "-",
            local_time(each["created_at"]),
        )
        for each in projects
    )
    return table(("KEY", "NAME", "DESCRIPTION", "REGION", "CLUSTER", "CELL", "SECOND FACTOR", "CREATED"), rows)
