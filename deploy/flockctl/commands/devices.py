"""`flockctl device ...`."""

import json
from typing import Annotated, Any, Literal

import typer

from deploy.flockctl.commands import device_apps
from deploy.flockctl.commands.flashing import flash, into_file
from deploy.flockctl.commands.operations import add_operation_commands
from deploy.flockctl.commands.reflashing import add_reflash_command
from deploy.flockctl.commands.watching import DeviceBoard, follow
from deploy.flockctl.confirming import confirm
from deploy.flockctl.errors import CommandError
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.rendering import decommissioned_row, device_details, device_table
from deploy.flockctl.words import key_or_name
from shared.names import clean_name, clean_text

app = typer.Typer(help="Devices: create, flash, watch; the apps on them.", no_args_is_help=True)
app.add_typer(device_apps.app, name="app")

Name = Annotated[str, typer.Argument(help="Its name.")]
Device = Annotated[str, typer.Argument(help="Its name or key.")]
Project = Annotated[str | None, typer.Option(help="The project's name or key; needed where two have the name.")]
Only = Annotated[str | None, typer.Option(help="Only the devices of this project (its name or key).")]


@command(app, "create")
async def device_create(
    operator: Operator,
    name: Name,
    project: Annotated[str, typer.Option(help="The project's name or key.")],
    description: Annotated[str, typer.Option(help="What it is.")] = "",
) -> None:
    """Register a device. It can connect once it is flashed.

    Example: flockctl device create --project plant press-1
    """
    arguments = {"name": clean_name(name, what="name"), "description": clean_text(description, what="description")}
    where = key_or_name(project, what="project")
    device = await operator.call("ironflock.devices.device.create", repeatable=False, project=where, **arguments)
    operator.output.result({"device": device}, device_table([device]))


@command(app, "list")
async def device_list(
    operator: Operator,
    project: Only = None,
    *,
    group: Annotated[str | None, typer.Option(help="Only those in this group (its name or key).")] = None,
    tag: Annotated[list[str] | None, typer.Option(help="Only those with this tag: line, or line=4.")] = None,
    status: Annotated[
        str | None, typer.Option(help="Only those that are CONNECTED, DISCONNECTED, EMERGENCY ...")
    ] = None,
    agent: Annotated[str | None, typer.Option(help="Only those whose agent is of this release.")] = None,
    architecture: Annotated[str | None, typer.Option(help="Only those of this architecture.")] = None,
    name: Annotated[str | None, typer.Option(help="Only those with this in their name.")] = None,
) -> None:
    """List devices with their presence.

    Example: flockctl device list --project plant --tag line=4 --status DISCONNECTED
    """
    chosen = _within(project)
    said = {"tag": tag, "status": status, "agent_version": agent, "architecture": architecture, "name": name}
    chosen |= {key: value for key, value in said.items() if value}
    if group is not None:
        chosen["group"] = key_or_name(group, what="group")
    pages = operator.pages("ironflock.devices.device.list", "devices", **chosen)
    devices = [device async for device in pages]
    operator.output.result({"devices": devices}, device_table(devices))


@command(app, "show")
async def device_show(operator: Operator, device: Device, project: Project = None) -> None:
    """Show all that is known of one device.

    Example: flockctl device show press-1
    """
    found = await operator.call("ironflock.devices.device.show", **_one(device, project))
    operator.output.result({"device": found}, device_details(found))


@command(app, "flash")
async def device_flash(
    operator: Operator,
    device: Device,
    *,
    out: Annotated[str, typer.Option(help="File to write (mode 0600), or - to have the secret on standard output.")],
    project: Project = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Make a device's .flock file: its identity, with a new secret that is shown this once.

    A device that was flashed before is cut off at once and needs the new file.

    Example: flockctl device flash press-1 --out press-1.flock
    """
    arguments = _one(device, project)
    await into_file(operator, out, lambda: flash(operator, arguments), replace=force)


@command(app, "rename")
async def device_rename(
    operator: Operator,
    device: Device,
    name: Annotated[str, typer.Argument(help="The new name.")],
    project: Project = None,
) -> None:
    """Give a device another name; it stays the same device.

    Example: flockctl device rename press-1 press-left
    """
    arguments = {**_one(device, project), "name": clean_name(name, what="name")}
    # By its old name it would not be found a second time.
    found = await operator.call("ironflock.devices.device.rename", repeatable=False, **arguments)
    operator.output.result({"device": found}, device_table([found]))


@command(app, "decommission")
async def device_decommission(
    operator: Operator,
    device: Device,
    *,
    project: Project = None,
    data: Annotated[
        Literal["keep", "delete"], typer.Option(help="What becomes of what it wrote: it stays, or all of it goes.")
    ] = "keep",
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Put a device out of service for good, and print the certificate of what was ended, and of what was not.

    With `--data delete` its rows are deleted in every data backend of the project, which takes two minutes and more:
    the certificate is then in `flockctl device decommissioned`. The audit log has its SHA-256: `flockctl audit proof`.

    Example: flockctl device decommission press-1 --data delete --yes
    """
    arguments = _one(device, project) | {"data": data}
    rows = " and delete every row that it wrote" if data == "delete" else ""
    confirm(f"Put the device {device!a} out of service for good{rows}?", is_said=yes)
    found = await operator.call("ironflock.devices.device.decommission", repeatable=False, **arguments)
    pending = f"its rows are being deleted: see flockctl device decommissioned; its key was {found['device_key']}"
    operator.output.result(found, pending if found["is_pending"] else json.dumps(found["certificate"], indent=2))


@command(app, "decommissioned")
async def device_decommissioned(
    operator: Operator, project: Annotated[str, typer.Option(help="Its name or key.")]
) -> None:
    """List the devices of a project that are out of service, with their certificates, or what is in the way of them.

    Example: flockctl device decommissioned --project plant --json
    """
    pages = operator.pages("ironflock.devices.decommission.list", "devices", **_within(project))
    devices = [device async for device in pages]
    rows = (decommissioned_row(each) for each in devices)
    operator.output.result({"devices": devices}, table(("KEY", "NAME", "ENDED", "ROWS DELETED", "SHA-256"), rows))


@command(app, "tag")
async def device_tag(
    operator: Operator,
    device: Device,
    tags: Annotated[list[str], typer.Argument(help="line=4 sets, line- takes away.", metavar="TAG...")],
    project: Project = None,
) -> None:
    """Set tags of a device, or take them away.

    Example: flockctl device tag press-1 line=4 hall-
    """
    given = [tag.partition("=") for tag in tags]
    wanted: dict[str, Any] = {"set": {name: value for name, equals, value in given if equals}}
    wanted["remove"] = [name.removesuffix("-") for name, equals, _ in given if not equals]
    if any(not equals and not name.endswith("-") for name, equals, _ in given):
        raise CommandError("invalid_argument", "say line=4 to set a tag, line- to take it away", argument="tags")
    found = await operator.call("ironflock.devices.device.tag", **_one(device, project), **wanted)
    operator.output.result({"device": found}, device_details(found))


@command(app, "move")
async def device_move(
    operator: Operator,
    device: Device,
    to: Annotated[str, typer.Option(help="The project that it goes to (its name or key).")],
    *,
    project: Project = None,
    name: Annotated[str | None, typer.Option(help="Its name there, where another one has its own.")] = None,
) -> None:
    """Move a device to another project of yours. It comes back there by itself, with the secret that it has.

    What was given on it ends, its groups, apps and tunnels stay behind. Whoever kept its .flock file can still use its
    secret: flash it again where that must not be.

    Example: flockctl device move press-1 --to depot
    """
    arguments = {**_one(device, project), "to": key_or_name(to, what="to")}
    if name is not None:
        arguments["name"] = clean_name(name, what="name")
    found = await operator.call("ironflock.devices.device.move", repeatable=False, **arguments)
    operator.output.result({"device": found}, device_table([found]))


@command(app, "delete")
async def device_delete(
    operator: Operator,
    device: Device,
    *,
    project: Project = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Delete a device: its secret ends, its session is cut, its name is free again.

    Example: flockctl device delete press-1 --yes
    """
    arguments = _one(device, project)
    confirm(f"Delete the device {device!a} for good?", is_said=yes)
    await operator.call("ironflock.devices.device.delete", repeatable=False, **arguments)
    operator.output.result({"deleted": arguments["device"]}, "deleted")


@command(app, "watch")
async def device_watch(operator: Operator, project: Only = None) -> None:
    """Follow the presence of devices until Ctrl-C; with --json one object a line.

    Example: flockctl device watch --project plant
    """
    with DeviceBoard(as_json=operator.output.as_json, seconds=operator.reactor.seconds) as board:
        await follow(operator, "ironflock.devices.device.watch", board.show, _within(project))


def _one(device: str, project: str | None) -> dict[str, Any]:
    return {"device": key_or_name(device, what="device"), **_within(project)}


def _within(project: str | None) -> dict[str, Any]:
    return {} if project is None else {"project": key_or_name(project, what="project")}


add_reflash_command(app)
add_operation_commands(app)
