"""`flockctl device exec`, `logs`, `reboot`, ...: what a connected device does and says."""

import json
import sys
from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from deploy.flockctl.commands.device_apps import Device, Stage, which_app, which_device
from deploy.flockctl.commands.device_networks import add_network_commands
from deploy.flockctl.commands.progress import device_progress, watched
from deploy.flockctl.commands.terminal import device_terminal
from deploy.flockctl.commands.watching import follow as stream
from deploy.flockctl.confirming import confirm
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import write_json
from deploy.flockctl.rights_options import WithinProject
from deploy.flockctl.text import without_steering

DEVICES: Final = "ironflock.devices.device"

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")]
Watch = Annotated[bool, typer.Option("--watch", help="Show how far it is, while it goes on.")]
Since = Annotated[str | None, typer.Option(help="From when: RFC 3339, or how long ago (30m).")]
Until = Annotated[str | None, typer.Option(help="Until when.")]
Lines = Annotated[int, typer.Option("--lines", "-n", min=1, max=5000, help="How many lines, the newest.")]
At = Annotated[Stage, typer.Option("--stage", help="Which stage of the app.")]


async def device_exec(
    operator: Operator,
    device: Device,
    program: Annotated[list[str], typer.Argument(help="The program and its arguments, after --.")],
    *,
    project: WithinProject = None,
    seconds: Annotated[
        int, typer.Option("--timeout", min=1, max=20, help="After how many seconds the device ends it.")
    ] = 10,
) -> None:
    """Run a program on the device, as root, and show what it printed. No shell reads it; it is recorded.

    Example: flockctl device exec press-1 -- df -h
    """
    named: dict[str, Any] = {"command": program[0], "arguments": program[1:], "timeout_s": seconds}
    answer = await _asked(operator, "exec", device, project, is_change=True, **named)
    _shown(operator, "output", answer or "")


async def device_logs(
    operator: Operator,
    device: Device,
    *,
    app: Annotated[str | None, typer.Option(help="What this app printed (its name or key), not the agent.")] = None,
    stage: At = "prod",
    lines: Lines = 200,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="What the app prints from now on, until Ctrl-C.")
    ] = False,
    since: Since = None,
    until: Until = None,
    project: WithinProject = None,
) -> None:
    """Show the log of the device's agent, or of an app on it. Each reading is recorded.

    Example: flockctl device logs press-1 --app weather --stage dev --since 30m
    """
    span: dict[str, Any] = {name: value for name, value in (("since", since), ("until", until)) if value is not None}
    if follow:
        await _followed(operator, device, app, stage, project)
        return
    if app is None:
        answer = await _asked(operator, "logs", device, project, lines=lines, **span)
    else:
        which = await which_app(operator, device, app, stage, project)
        answer = (await operator.call(f"{DEVICES}.app_logs", **which, lines=lines, **span))["answer"]
    if operator.output.as_json:
        operator.output.result({"log": answer}, "")
        return
    read = answer.get("lines") if isinstance(answer, dict) else None
    _shown(operator, "log", "\n".join(str(line) for line in read or []))


async def _followed(operator: Operator, device: str, app: str | None, stage: Stage, project: str | None) -> None:
    if app is None:
        raise CommandError("usage", "an app's log can be followed: name it by --app", ExitStatus.USAGE)
    which = await which_app(operator, device, app, stage, project)

    def show(piece: Mapping[str, Any]) -> None:
        if operator.output.as_json:
            write_json(piece)
        else:
            _shown(operator, "log", str(piece["text"]))
        sys.stdout.flush()

    await stream(operator, f"{DEVICES}.follow_logs", show, which)


def _power(verb: str, question: str, done: str, doc: str) -> Any:
    """A command that asks before the device does what cannot be taken back from here."""

    async def act(operator: Operator, device: Device, *, project: WithinProject = None, yes: Yes = False) -> None:
        confirm(question.format(device), is_said=yes)
        answer = await _asked(operator, verb, device, project, is_change=True)
        operator.output.result({verb: answer}, done)

    act.__doc__ = f"{doc}\n\n    Example: flockctl device {verb.replace('_', '-')} press-1"
    return act


def _updating(verb: str, question: str, done: str, doc: str) -> Any:
    """As `_power`, of what takes a while: how far the device is may be watched."""

    async def act(
        operator: Operator, device: Device, *, project: WithinProject = None, yes: Yes = False, watch: Watch = False
    ) -> None:
        confirm(question.format(device), is_said=yes)

        async def ask() -> Any:
            return await _asked(operator, verb, device, project, is_change=True)

        answer = await (watched(operator, which_device(device, project), ask, of=UPDATES[verb]) if watch else ask())
        operator.output.result({verb: answer}, done)

    act.__doc__ = f"{doc}\n\n    Example: flockctl device {verb.replace('_', '-')} press-1 --watch"
    return act


def _view(verb: str, doc: str) -> Any:
    """A command that shows what the device says, as it says it."""

    async def look(operator: Operator, device: Device, *, project: WithinProject = None) -> None:
        answer = await _asked(operator, verb, device, project)
        if operator.output.as_json:
            operator.output.result({verb: answer}, "")
        else:
            _shown(operator, verb, json.dumps(answer, indent=2, sort_keys=True, ensure_ascii=True))

    look.__doc__ = f"{doc}\n\n    Example: flockctl device {verb.replace('_', '-')} press-1"
    return look


ACTS: Final = {
    "reboot": ("Reboot the device {!a}?", "it reboots", "Reboot a device; everything on it is interrupted."),
    "shutdown": ("Switch the device {!a} off? Somebody must switch it on.", "it goes off", "Switch a device off."),
    "restart_agent": ("Restart the agent of {!a}?", "it restarts", "Restart a device's agent; apps keep running."),
    "download_os_update": (
        "Fetch the system update of {!a}?",
        "it is fetched",
        "Have a device fetch its system update.",
    ),
    "install_os_update": (
        "Install the system update on {!a}? It reboots.",
        "it is installed",
        "Have a device install a fetched update.",
    ),
    "scan_wifi": ("Have {!a} look for wireless networks?", "it looks", "Have a device look for wireless networks."),
    "restart_wifi": (
        "Switch the wireless adapter of {!a} off and on?",
        "it is on again",
        "Switch a wireless adapter off and on.",
    ),
    "update_agent": ("Update the agent of {!a}?", "it updates itself", "Have a device's agent update itself."),
}
UPDATES: Final = {
    "update_agent": "agent_update",
    "download_os_update": "os_download",
    "install_os_update": "os_install",
}
"""Which take a while, and what the progress of each is of."""
VIEWS: Final = {
    "storage": "Show memory, disks and their use, in octets.",
    "agent_metadata": "Show what the agent says of itself and its machine.",
    "os_release": "Show the release of the operating system, and the newest.",
    "containers": "Show the containers on a device.",
    "images": "Show the images on a device.",
    "addresses": "Show the IPv4 addresses of a device.",
    "interfaces": "Show the wired interfaces of a device.",
    "wifi_networks": "Show the wireless networks that a device sees or knows.",
    "tunnel_state": "Show how the tunnels of a device are, as it says itself.",
}


def add_operation_commands(devices: typer.Typer) -> None:
    """Make all of these commands of `devices`."""
    command(devices, "exec")(device_exec)
    command(devices, "logs")(device_logs)
    command(devices, "terminal")(device_terminal)
    add_network_commands(devices)
    command(devices, "progress")(device_progress)
    for verb, said in ACTS.items():
        made = _updating if verb in UPDATES else _power
        command(devices, verb.replace("_", "-"))(made(verb, *said))
    for verb, doc in VIEWS.items():
        command(devices, verb.replace("_", "-"))(_view(verb, doc))


async def _asked(
    operator: Operator, verb: str, device: str, project: str | None, *, is_change: bool = False, **named: Any
) -> Any:
    which = which_device(device, project)
    return (await operator.call(f"{DEVICES}.{verb}", repeatable=not is_change, **which, **named))["answer"]


def _shown(operator: Operator, name: str, text: str) -> None:
    """What came from a device, without what would steer the terminal."""
    if operator.output.as_json:
        operator.output.result({name: text}, "")
        return
    sys.stdout.write("".join(f"{without_steering(line)}\n" for line in text.splitlines()))
