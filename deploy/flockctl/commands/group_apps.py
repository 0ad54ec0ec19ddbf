"""`flockctl group apps ...`: apps that the devices of a group are to have."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Final, Literal

import typer
from rich.table import Table

from deploy.flockctl.commands.device_apps import SHOW, App, At, Version, values_of
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.rights_options import WithinProject, project_of
from deploy.flockctl.text import local_time
from deploy.flockctl.words import key_or_name

app = typer.Typer(help="Apps that every device of a group is to have, those too that join.", no_args_is_help=True)

GROUP_APP: Final = "ironflock.devices.group_app"

Group = Annotated[str, typer.Argument(help="The group's name or key.", metavar="GROUP")]


@command(app, "set")
async def group_apps_set(
    operator: Operator,
    group: Group,
    app: App,
    *,
    stage: At,
    version: Version = None,
    target: Annotated[
        Literal["running", "present"], typer.Option(help="Whether it is to run, or be there.")
    ] = "running",
    file: Annotated[str | None, typer.Option(help="A file of NAME=value lines, or - for standard input.")] = None,
    secret: Annotated[list[str] | None, typer.Option(help="The name of a secret one; may stand repeatedly.")] = None,
    project: WithinProject = None,
) -> None:
    """Have every device of a group have an app, now and when it joins; what is said replaces what was said before.

    A device's own wish wins: where the app is otherwise, or was taken away, it is left be. Who leaves keeps it.

    Example: flockctl group apps set line-4 weather --stage prod --version 1.4.0
    """
    which = await _which(operator, group, app, stage, project)
    wanted: dict[str, Any] = {"target": target.upper(), "values": values_of(file), "secrets": secret or []}
    if version is not None:
        wanted["version"] = version
    shown = await operator.call(f"{GROUP_APP}.set", **which, **wanted)
    operator.output.result({"app": shown}, _table([shown]))


@command(app, "unset")
async def group_apps_unset(
    operator: Operator, group: Group, app: App, *, stage: At, project: WithinProject = None
) -> None:
    """Have a group not want an app any more; its devices keep it.

    Example: flockctl group apps unset line-4 weather --stage prod
    """
    which = await _which(operator, group, app, stage, project)
    await operator.call(f"{GROUP_APP}.unset", **which)
    operator.output.result({"unset": which}, "the group does not want it any more; its devices keep it")


@command(app, "list")
async def group_apps_list(operator: Operator, group: Group, project: WithinProject = None) -> None:
    """List the apps that a group is to have, and on how many of its devices it is so.

    Example: flockctl group apps list line-4
    """
    apps = (await operator.call(f"{GROUP_APP}.list", **_group(group, project)))["apps"]
    operator.output.result({"apps": apps}, _table(apps))


async def _which(operator: Operator, group: str, app: str, stage: str, project: str | None) -> dict[str, Any]:
    word = key_or_name(app, what="app")
    key = word if isinstance(word, int) else int((await operator.call(SHOW, app=word))["app_key"])
    return {**_group(group, project), "app": key, "stage": stage.upper()}


def _group(group: str, project: str | None) -> dict[str, Any]:
    within = {} if project is None else {"project": project_of(project)}
    return {"group": key_or_name(group, what="group"), **within}


def _table(apps: Iterable[Mapping[str, Any]]) -> Table:
    rows = (
        (
            each["app_key"],
            each["app_name"],
            str(each["stage"]).lower(),
            f"{str(each['target']).lower()} {each['version']}",
            each["applied"],
            each["waiting"],
            each["own"],
            ", ".join(f"{refusal['device_key']}: {refusal['reason']}" for refusal in each["refused"]),
            local_time(each["changed_at"]),
        )
        for each in apps
    )
    return table(("APP", "NAME", "STAGE", "WANTED", "IS SO", "TO COME", "OWN WISH", "REFUSED", "SINCE"), rows)
