"""`flockctl group ...`: devices of a project that rights are given on together."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer
from rich.table import Table

from deploy.flockctl.commands import group_apps
from deploy.flockctl.confirming import confirm
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.rights_options import InProject, WithinProject, Yes, project_of
from deploy.flockctl.text import local_time
from deploy.flockctl.words import key_or_name
from shared.names import clean_name, clean_text

app = typer.Typer(help="Groups of devices: a flag on a group holds on each device in it.", no_args_is_help=True)
app.add_typer(group_apps.app, name="apps")

Group = Annotated[str, typer.Argument(help="Its name or key.", metavar="GROUP")]
Device = Annotated[str, typer.Argument(help="The device's name or key.", metavar="DEVICE")]


@command(app, "create")
async def group_create(
    operator: Operator,
    name: Annotated[str, typer.Argument(help="Its name.")],
    project: InProject,
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Create a group in a project.

    Example: flockctl group create line-4 --project plant
    """
    arguments = {"name": clean_name(name, what="name"), "description": clean_text(description, what="description")}
    where = project_of(project)
    group = await operator.call("ironflock.devices.group.create", repeatable=False, project=where, **arguments)
    operator.output.result({"group": group}, _table([group]))


@command(app, "list")
async def group_list(
    operator: Operator,
    project: Annotated[str | None, typer.Option(help="Only those of this project (its name or key).")] = None,
) -> None:
    """List groups.

    Example: flockctl group list --project plant
    """
    groups = [each async for each in operator.pages("ironflock.devices.group.list", "groups", **_within(project))]
    operator.output.result({"groups": groups}, _table(groups))


@command(app, "show")
async def group_show(operator: Operator, group: Group, project: WithinProject = None) -> None:
    """Show one group; what is in it is listed by `flockctl device list --group`.

    Example: flockctl group show line-4
    """
    found = await operator.call("ironflock.devices.group.show", **_one(group, project))
    operator.output.result({"group": found}, _details(found))


@command(app, "rename")
async def group_rename(
    operator: Operator,
    group: Group,
    name: Annotated[str, typer.Argument(help="The new name.")],
    project: WithinProject = None,
) -> None:
    """Give a group another name; rights on it stay.

    Example: flockctl group rename line-4 line-5
    """
    arguments = {**_one(group, project), "name": clean_name(name, what="name")}
    # By its old name it would not be found a second time.
    found = await operator.call("ironflock.devices.group.rename", repeatable=False, **arguments)
    operator.output.result({"group": found}, _table([found]))


@command(app, "delete")
async def group_delete(operator: Operator, group: Group, project: WithinProject = None, *, yes: Yes = False) -> None:
    """Delete a group: its devices stay, what was given on it ends.

    Example: flockctl group delete line-4 --yes
    """
    which = _one(group, project)
    confirm(f"Delete the group {group!a}, with all that was given on it?", is_said=yes)
    await operator.call("ironflock.devices.group.delete", repeatable=False, **which)
    operator.output.result({"deleted": which["group"]}, "deleted")


@command(app, "add")
async def group_add(operator: Operator, group: Group, device: Device, project: WithinProject = None) -> None:
    """Put a device into a group: whoever was given flags on the group has them on the device.

    It needs MEMBERS on the group, and on the device GRANT and every flag that the group gives.

    Example: flockctl group add line-4 press-1
    """
    which = {**_one(group, project), "device": key_or_name(device, what="device")}
    await operator.call("ironflock.devices.group.add_device", repeatable=False, **which)
    operator.output.result({"added": which}, f"{which['device']} is in {which['group']}")


@command(app, "remove")
async def group_remove(operator: Operator, group: Group, device: Device, project: WithinProject = None) -> None:
    """Take a device out of a group: what people have on it by the group ends.

    Example: flockctl group remove line-4 press-1
    """
    which = {**_one(group, project), "device": key_or_name(device, what="device")}
    await operator.call("ironflock.devices.group.remove_device", repeatable=False, **which)
    operator.output.result({"removed": which}, f"{which['device']} is not in {which['group']} any more")


def _one(group: str, project: str | None) -> dict[str, Any]:
    return {"group": key_or_name(group, what="group"), **_within(project)}


def _within(project: str | None) -> dict[str, Any]:
    return {} if project is None else {"project": project_of(project)}


def _table(groups: Iterable[Mapping[str, Any]]) -> Table:
    rows = (
        (each["group_key"], each["project_name"], each["name"], each["description"], local_time(each["created_at"]))
        for each in groups
    )
    return table(("KEY", "PROJECT", "NAME", "DESCRIPTION", "CREATED"), rows)


def _details(group: Mapping[str, Any]) -> Table:
    rows = ((name, local_time(value) if name == "created_at" else value) for name, value in group.items())
    return table(("PROPERTY", "VALUE"), rows)
