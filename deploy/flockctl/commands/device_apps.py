"""`flockctl device app ...` and `flockctl app env`: the apps on a device, and what their containers are given."""

import sys
from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

import typer

from deploy.flockctl.errors import CommandError, OutcomeUnknownError
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table, write_json
from deploy.flockctl.rights_options import WithinProject, project_of
from deploy.flockctl.secret_files import SecretFile
from deploy.flockctl.secret_files import as_json as json_of
from deploy.flockctl.text import is_printable, local_time
from deploy.flockctl.words import key_or_name

app = typer.Typer(help="Apps on a device: install, uninstall, rotate their credentials.", no_args_is_help=True)

APPS: Final = "ironflock.devices.app"
SHOW: Final = "ironflock.realms.app.show"
LOOK: Final = "the credential may have been rotated: the old one then opens for 15 minutes"


Stage = Literal["dev", "prod"]
Device = Annotated[str, typer.Argument(help="The device's name or key.", metavar="DEVICE")]
App = Annotated[str, typer.Argument(help="The app's name or key.", metavar="APP")]
At = Annotated[Stage, typer.Option("--stage", help="Which of its stages.")]
Out = Annotated[
    str, typer.Option(help="File to write (mode 0600), or - to have the secret on standard output.", metavar="FILE")
]


@command(app, "install")
async def device_app_install(
    operator: Operator, device: Device, app: App, *, stage: At, project: WithinProject = None
) -> None:
    """Put an app on a device; its project must have it at that stage.

    Example: flockctl device app install press-1 weather --stage dev
    """
    installed = await operator.call(f"{APPS}.install", **await _which(operator, device, app, stage, project))
    operator.output.result({"app": installed}, _table([installed]))


@command(app, "uninstall")
async def device_app_uninstall(
    operator: Operator, device: Device, app: App, *, stage: At, project: WithinProject = None
) -> None:
    """Take an app from a device: what it has open is cut at once.

    Example: flockctl device app uninstall press-1 weather --stage dev
    """
    which = await _which(operator, device, app, stage, project)
    await operator.call(f"{APPS}.uninstall", **which)
    operator.output.result({"uninstalled": which}, "uninstalled")


@command(app, "list")
async def device_app_list(operator: Operator, device: Device, project: WithinProject = None) -> None:
    """List the apps on a device.

    Example: flockctl device app list press-1
    """
    apps = (await operator.call(f"{APPS}.list", **_one(device, project)))["apps"]
    operator.output.result({"apps": apps}, _table(apps))


@command(app, "rotate")
async def device_app_rotate(
    operator: Operator, device: Device, app: App, *, stage: At, project: WithinProject = None
) -> None:
    """Give an app on a device a new credential; the old one opens for 15 minutes more.

    Example: flockctl device app rotate press-1 weather --stage prod
    """
    which = await _which(operator, device, app, stage, project)
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
    which = await _which(operator, device, app, stage, project)
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


async def _which(operator: Operator, device: str, app: str, stage: Stage, project: str | None) -> dict[str, Any]:
    """The arguments that name an app on a device; an app's name is looked up, since only its key is sent."""
    word = key_or_name(app, what="app")
    key = word if isinstance(word, int) else int((await operator.call(SHOW, app=word))["app_key"])
    return {**_one(device, project), "app": key, "stage": stage.upper()}


def _one(device: str, project: str | None) -> dict[str, Any]:
    within = {} if project is None else {"project": project_of(project)}
    return {"device": key_or_name(device, what="device"), **within}


def _table(apps: list[Mapping[str, Any]]) -> Any:
    rows = ((each["app_key"], str(each["stage"]).lower(), local_time(each["created_at"])) for each in apps)
    return table(("APP", "STAGE", "INSTALLED"), rows)
