"""`flockctl device app ...` and `flockctl app env`: the apps on a device, and what their containers are given."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import typer

from deploy.flockctl.commands.arriving import FAILED, arrived
from deploy.flockctl.errors import CommandError, ExitStatus, OutcomeUnknownError
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table, write_json
from deploy.flockctl.rights_options import WithinProject, project_of
from deploy.flockctl.secret_files import SecretFile
from deploy.flockctl.secret_files import as_json as json_of
from deploy.flockctl.text import is_printable, local_time
from deploy.flockctl.words import key_or_name, port_of

app = typer.Typer(
    help="Apps on a device: install, start, stop, upgrade, uninstall, rotate their credentials.", no_args_is_help=True
)

APPS: Final = "ironflock.devices.app"
SHOW: Final = "ironflock.realms.app.show"
LOOK: Final = "the credential may have been rotated: the old one then opens for 15 minutes"
NOTHING_TO_WATCH: Final = "nothing is fetched at the stage dev: a build puts the app there later"

Stage = Literal["dev", "prod"]
Device = Annotated[str, typer.Argument(help="The device's name or key.", metavar="DEVICE")]
App = Annotated[str, typer.Argument(help="The app's name or key.", metavar="APP")]
At = Annotated[Stage, typer.Option("--stage", help="Which of its stages.")]
Version = Annotated[str | None, typer.Option(help="Which of its releases; what the project has where none is named.")]
Out = Annotated[
    str, typer.Option(help="File to write (mode 0600), or - to have the secret on standard output.", metavar="FILE")
]


@command(app, "install")
async def device_app_install(
    operator: Operator,
    device: Device,
    app: App,
    *,
    stage: At,
    version: Version = None,
    project: WithinProject = None,
    watch: Annotated[bool, typer.Option("--watch", help="Show what the device says until it has the release.")] = False,
) -> int:
    """Put an app on a device; its project must have it at that stage. A release is fetched: start it with `start`.

    With `--watch` exit status 1 where the device has failed with it; a device that does not take it is told again.

    Example: flockctl device app install press-1 weather --stage prod --watch
    """
    if watch and stage == "dev":
        raise CommandError("invalid_argument", NOTHING_TO_WATCH, argument="watch")
    which = await which_app(operator, device, app, stage, project)
    installed = await operator.call(f"{APPS}.install", **which, **_version(version))
    if watch:
        installed = await arrived(operator, which, installed)
    operator.output.result({"app": installed}, _table([installed]))
    return ExitStatus.REFUSED if watch and installed["state"] == FAILED else ExitStatus.DONE


@command(app, "uninstall")
async def device_app_uninstall(
    operator: Operator, device: Device, app: App, *, stage: At, project: WithinProject = None
) -> None:
    """Take an app from a device: what it has open is cut at once.

    Example: flockctl device app uninstall press-1 weather --stage dev
    """
    which = await which_app(operator, device, app, stage, project)
    await operator.call(f"{APPS}.uninstall", **which)
    operator.output.result({"uninstalled": which}, "uninstalled")


@command(app, "list")
async def device_app_list(operator: Operator, device: Device, project: WithinProject = None) -> None:
    """List the apps on a device.

    Example: flockctl device app list press-1
    """
    apps = (await operator.call(f"{APPS}.list", **which_device(device, project)))["apps"]
    operator.output.result({"apps": apps}, _table(apps))


@command(app, "status")
async def device_app_status(
    operator: Operator, device: Device, app: App, *, stage: At, project: WithinProject = None
) -> None:
    """Show an app on a device: what is wanted of it, and what the device says.

    Example: flockctl device app status press-1 weather --stage prod
    """
    await _show(operator, "status", await which_app(operator, device, app, stage, project))


@command(app, "start")
async def device_app_start(
    operator: Operator, device: Device, app: App, *, stage: At, project: WithinProject = None
) -> None:
    """Have an app run.

    Example: flockctl device app start press-1 weather --stage prod
    """
    await _show(operator, "start", await which_app(operator, device, app, stage, project))


@command(app, "stop")
async def device_app_stop(
    operator: Operator, device: Device, app: App, *, stage: At, project: WithinProject = None
) -> None:
    """Have an app not run; it stays on the device.

    Example: flockctl device app stop press-1 weather --stage prod
    """
    await _show(operator, "stop", await which_app(operator, device, app, stage, project))


@command(app, "remove")
async def device_app_remove(
    operator: Operator, device: Device, app: App, *, stage: At, project: WithinProject = None
) -> None:
    """Have an app's container and image go from a device; it stays installed.

    Example: flockctl device app remove press-1 weather --stage prod
    """
    await _show(operator, "remove", await which_app(operator, device, app, stage, project))


@command(app, "rollback")
async def device_app_rollback(
    operator: Operator, device: Device, app: App, *, stage: At, project: WithinProject = None
) -> None:
    """Have an app be of the release before.

    Example: flockctl device app rollback press-1 weather --stage prod
    """
    await _show(operator, "rollback", await which_app(operator, device, app, stage, project))


@command(app, "cancel")
async def device_app_cancel(
    operator: Operator, device: Device, app: App, *, stage: At, project: WithinProject = None
) -> None:
    """Have a device give up what it is at with an app; the app does not run then.

    Example: flockctl device app cancel press-1 weather --stage prod
    """
    await _show(operator, "cancel", await which_app(operator, device, app, stage, project))


@command(app, "upgrade")
async def device_app_upgrade(
    operator: Operator, device: Device, app: App, *, stage: At, version: Version = None, project: WithinProject = None
) -> None:
    """Have an app be of another release: the one named, or the one that the project has.

    Example: flockctl device app upgrade press-1 weather --stage prod --version 1.4.0
    """
    which = await which_app(operator, device, app, stage, project)
    await _show(operator, "upgrade", {**which, **_version(version)})


@command(app, "variables")
async def device_app_variables(
    operator: Operator, device: Device, app: App, *, stage: At, project: WithinProject = None
) -> None:
    """Show the variables of an app on a device, those too that its release reads; secret values stay away.

    Example: flockctl device app variables press-1 weather --stage prod
    """
    answer = await operator.call(f"{APPS}.variables", **await which_app(operator, device, app, stage, project))
    operator.output.result({"variables": answer["variables"]}, _variables(answer["variables"]))


@command(app, "set-environment")
async def device_app_set_environment(
    operator: Operator,
    device: Device,
    app: App,
    *,
    stage: At,
    file: Annotated[str | None, typer.Option(help="A file of NAME=value lines, or - for standard input.")] = None,
    secret: Annotated[list[str] | None, typer.Option(help="The name of a secret one; may stand repeatedly.")] = None,
    unset: Annotated[list[str] | None, typer.Option(help="A name to take away; may stand repeatedly.")] = None,
    project: WithinProject = None,
) -> None:
    """Set variables of an app's environment from NAME=value lines, and take others away; the device is told.

    Example: flockctl device app set-environment press-1 weather --stage prod --file weather.env --secret TOKEN
    """
    which = await which_app(operator, device, app, stage, project)
    values = {**values_of(file), **dict.fromkeys(unset or [])}
    answer = await operator.call(f"{APPS}.set_environment", **which, values=values, secrets=secret or [])
    operator.output.result({"variables": answer["variables"]}, _variables(answer["variables"]))


@command(app, "set-ports")
async def device_app_set_ports(
    operator: Operator,
    device: Device,
    app: App,
    ports: Annotated[list[str] | None, typer.Argument(help="As 80, 443/https or 22/tcp.", metavar="PORT")] = None,
    *,
    stage: At,
    project: WithinProject = None,
) -> None:
    """Say which ports of an app its device offers as tunnels, all of them; at the stage prod each is declared, private.

    Example: flockctl device app set-ports press-1 weather 80 22/tcp --stage prod
    """
    which = await which_app(operator, device, app, stage, project)
    shown = await operator.call(f"{APPS}.set_ports", **which, ports=[port_of(each) for each in ports or []])
    operator.output.result({"app": shown}, _table([shown]))


@command(app, "confirm")
async def device_app_confirm(operator: Operator, device: Device, project: WithinProject = None) -> None:
    """Say that what is listed is all that a device is to have: whatever else is on it goes.

    Example: flockctl device app confirm press-1
    """
    apps = (await operator.call(f"{APPS}.confirm", **which_device(device, project)))["apps"]
    operator.output.result({"apps": apps}, _table(apps))


@command(app, "rotate")
async def device_app_rotate(
    operator: Operator, device: Device, app: App, *, stage: At, project: WithinProject = None
) -> None:
    """Give an app on a device a new credential; the old one opens for 15 minutes more.

    Example: flockctl device app rotate press-1 weather --stage prod
    """
    which = await which_app(operator, device, app, stage, project)
    try:
        rotated = await operator.call(f"{APPS}.rotate_credential", repeatable=False, **which)
    except OutcomeUnknownError as error:
        raise OutcomeUnknownError(f"{error.message}; {LOOK}", **error.details) from error
    said = f"credential {rotated['epoch']} counts; the one before opens until {local_time(rotated['overlap_until'])}"
    operator.output.result({"rotated": rotated}, said)


async def app_env(
    operator: Operator,
    *,
    device: Annotated[str, typer.Option(help="The device's name or key.")],
    app: Annotated[str, typer.Option(help="The app's name or key.")],
    stage: At,
    out: Out,
    project: WithinProject = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write the environment that the agent gives the app's container: NAME=value lines, or one JSON object (--json).

    Its APP_AUTH_SECRET opens the app's data. Each time is recorded. Docker and podman read it by --env-file.

    Example: flockctl app env --device press-1 --app weather --stage dev --out weather.env
    """
    which = await which_app(operator, device, app, stage, project)
    if out == "-":
        environment = await _environment(operator, which)
        if operator.output.as_json:
            write_json(environment)
        else:
            sys.stdout.write(_lines(environment))
        return
    with SecretFile(out, replace=force) as file:
        environment = await _environment(operator, which)
        with file.draft() as stream:
            stream.write(json_of(environment) if operator.output.as_json else _lines(environment))
    said = f"{file.path} holds the app's credential; keep it from others"
    operator.output.result({"file": str(file.path)}, said)


def add_environment_command(apps: typer.Typer) -> None:
    """Make `env` a command of `apps`."""
    command(apps, "env")(app_env)


async def _environment(operator: Operator, which: Mapping[str, Any]) -> dict[str, str]:
    answer = await operator.call(f"{APPS}.environment", **which)
    return {str(name): str(value) for name, value in answer["environment"].items()}


def _lines(environment: Mapping[str, str]) -> str:
    for name, value in environment.items():
        if not is_printable(value) or not is_printable(name):
            raise CommandError("unexpected_answer", "a value has control characters; --json writes it as it is")
    return "".join(f"{name}={value}\n" for name, value in environment.items())


async def which_app(operator: Operator, device: str, app: str, stage: Stage, project: str | None) -> dict[str, Any]:
    """The arguments that name an app on a device; an app's name is looked up, since only its key is sent."""
    word = key_or_name(app, what="app")
    key = word if isinstance(word, int) else int((await operator.call(SHOW, app=word))["app_key"])
    return {**which_device(device, project), "app": key, "stage": stage.upper()}


def which_device(device: str, project: str | None) -> dict[str, Any]:
    """The arguments that name a device."""
    within = {} if project is None else {"project": project_of(project)}
    return {"device": key_or_name(device, what="device"), **within}


def values_of(file: str | None) -> dict[str, str]:
    """The variables in a file of NAME=value lines, `-` being standard input; none where no file is named.

    Raises:
        CommandError: It cannot be read, or a line is no such thing.
    """
    if file is None:
        return {}
    try:
        text = sys.stdin.read() if file == "-" else Path(file).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError("invalid_argument", f"{file} cannot be read: {error}") from error
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        name, equals, value = line.partition("=")
        if not equals and line.strip():
            raise CommandError("invalid_argument", f"line {number} of {file} is not NAME=value")
        if equals:
            found[name.strip()] = value
    return found


def _variables(variables: list[Mapping[str, Any]]) -> Any:
    return table(("NAME", "VALUE", "SET", "WHAT IT IS FOR"), map(_variable, variables))


def _variable(each: Mapping[str, Any]) -> tuple[str, ...]:
    is_set = each.get("is_set", True)
    unset = "no, and it is needed" if each.get("is_required") and each["value"] is None else "-"
    value = "(secret)" if each["is_secret"] and is_set else each["value"] or ""
    choices = f" (one of {', '.join(each['choices'])})" if each.get("choices") else ""
    return (each["name"], value, "yes" if is_set else unset, f"{each.get('description', '')}{choices}".strip())


def _version(version: str | None) -> dict[str, Any]:
    return {} if version is None else {"version": version}


async def _show(operator: Operator, verb: str, which: Mapping[str, Any]) -> None:
    shown = await operator.call(f"{APPS}.{verb}", **which)
    operator.output.result({"app": shown}, _table([shown]))


def _table(apps: list[Mapping[str, Any]]) -> Any:
    return table(("APP", "NAME", "STAGE", "WANTED", "STATE", "VERSION", "INSTALLED"), map(_row, apps))


def _row(each: Mapping[str, Any]) -> tuple[Any, ...]:
    wanted, present = each.get("version"), each.get("present_version")
    is_told = "" if each.get("is_told", True) else " (to be told)"
    refusal = f": {each['refusal']}" if each.get("refusal") else ""
    return (
        each["app_key"],
        each.get("app_name") or "",
        str(each["stage"]).lower(),
        f"{each.get('target', '').lower()}{is_told}",
        f"{each.get('state', '').lower()}{refusal}",
        (present or "") if wanted in (None, present) else f"{present or 'none'} -> {wanted}",
        local_time(each["created_at"]),
    )
