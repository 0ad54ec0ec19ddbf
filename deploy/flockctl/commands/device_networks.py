"""`flockctl device set-address`, `add-wifi`, ...: the networks of a device, and images that nothing uses."""

from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from deploy.flockctl.commands.device_apps import Device, which_device
from deploy.flockctl.confirming import confirm
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.rights_options import WithinProject, Yes

DEVICES = "ironflock.devices.device"
Ssid = Annotated[str, typer.Argument(help="The name of the wireless network.")]
Mac = Annotated[str | None, typer.Option(help="The adapter's hardware address.")]


async def device_set_address(
    operator: Operator,
    device: Device,
    interface: Annotated[str, typer.Argument(help="As `device interfaces` shows it.")],
    mac: Annotated[str, typer.Argument(help="Its hardware address.")],
    address: Annotated[
        str | None, typer.Argument(help="As 192.0.2.7/24; without one the interface asks for one.")
    ] = None,
    *,
    project: WithinProject = None,
    yes: Yes = False,
) -> None:
    """Give a wired interface of a device an address, or have it ask for one. A wrong one cuts the device off.

    Example: flockctl device set-address press-1 eth0 02:00:00:00:00:01 192.0.2.7/24
    """
    confirm(f"Change the address of {interface!a} of {device!a}? A wrong one cuts it off.", is_said=yes)
    method: Literal["auto", "manual"] = "auto" if address is None else "manual"
    named: dict[str, Any] = {"interface": interface, "mac": mac, "method": method}
    if address is not None:
        number, _, prefix = address.partition("/")
        if not prefix.isdecimal():
            raise CommandError("usage", "an address is written with its prefix, as 192.0.2.7/24", ExitStatus.USAGE)
        named |= {"address": number, "prefix": int(prefix)}
    await _changed(operator, "set_address", which_device(device, project), "it has that address", named)


async def device_add_wifi(
    operator: Operator,
    device: Device,
    ssid: Ssid,
    *,
    password_file: Annotated[
        Path | None, typer.Option(help="A file with the network's password; without one it has none.")
    ] = None,
    priority: Annotated[int, typer.Option(min=0, max=999, help="The network with the highest is chosen.")] = 0,
    security: Annotated[str | None, typer.Option(help="As wpa-psk.")] = None,
    mac: Mac = None,
    project: WithinProject = None,
) -> None:
    """Let a device know a wireless network. The password is recorded nowhere, and stands in no argument.

    Example: flockctl device add-wifi press-1 hall --password-file hall.password
    """
    named: dict[str, Any] = {"ssid": ssid, "password": _password(password_file), "priority": priority}
    named |= {name: value for name, value in (("security", security), ("mac", mac)) if value is not None}
    await _changed(operator, "add_wifi", which_device(device, project), "it knows the network", named)


async def device_remove_wifi(
    operator: Operator, device: Device, ssid: Ssid, *, project: WithinProject = None, yes: Yes = False
) -> None:
    """Have a device forget a wireless network.

    Example: flockctl device remove-wifi press-1 hall --yes
    """
    confirm(f"Have {device!a} forget the network {ssid!a}?", is_said=yes)
    await _changed(
        operator, "remove_wifi", which_device(device, project), "it has forgotten the network", {"ssid": ssid}
    )


async def device_select_wifi(
    operator: Operator,
    device: Device,
    ssid: Ssid,
    mac: Annotated[str, typer.Argument(help="The adapter's hardware address.")],
    *,
    project: WithinProject = None,
    yes: Yes = False,
) -> None:
    """Have a device join a wireless network that it knows.

    Example: flockctl device select-wifi press-1 hall 02:00:00:00:00:02
    """
    confirm(f"Have {device!a} join the network {ssid!a}? A wrong one cuts it off.", is_said=yes)
    await _changed(
        operator, "select_wifi", which_device(device, project), "it joins the network", {"ssid": ssid, "mac": mac}
    )


async def device_prune_images(
    operator: Operator,
    device: Device,
    *,
    include_named: Annotated[bool, typer.Option("--all", help="Of unused images those with a name, too.")] = False,
    project: WithinProject = None,
    yes: Yes = False,
) -> None:
    """Remove images from a device that nothing there uses.

    Example: flockctl device prune-images press-1 --all --yes
    """
    confirm(f"Remove unused images from {device!a}?", is_said=yes)
    await _changed(
        operator, "prune_images", which_device(device, project), "they are gone", {"include_named": include_named}
    )


def add_network_commands(devices: typer.Typer) -> None:
    """Make all of these commands of `devices`."""
    command(devices, "set-address")(device_set_address)
    command(devices, "add-wifi")(device_add_wifi)
    command(devices, "remove-wifi")(device_remove_wifi)
    command(devices, "select-wifi")(device_select_wifi)
    command(devices, "prune-images")(device_prune_images)


def _password(file: Path | None) -> str:
    if file is None:
        return ""
    try:
        return file.read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError("no_password", f"the file {file} cannot be read", ExitStatus.USAGE) from error


async def _changed(operator: Operator, verb: str, which: dict[str, Any], done: str, named: dict[str, Any]) -> None:
    answer = await operator.call(f"{DEVICES}.{verb}", repeatable=False, **which, **named)
    operator.output.result({verb: answer["answer"]}, done)
