"""`flockctl app ...`: apps, their releases, and where they are installed."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from deploy.flockctl.commands.app_access import access
from deploy.flockctl.commands.app_transfers import transfer
from deploy.flockctl.commands.device_apps import add_environment_command
from deploy.flockctl.confirming import confirm
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.rights_options import InProject, Yes, project_of
from deploy.flockctl.templates import template_in
from deploy.flockctl.text import local_time
from deploy.flockctl.words import key_or_name, port_of, stage_of
from shared.names import clean_name, clean_text

app = typer.Typer(help="Apps, their releases, and where they are installed.", no_args_is_help=True)
app.add_typer(access, name="access")
app.add_typer(transfer, name="transfer")
add_environment_command(app)

App = Annotated[str, typer.Argument(help="Its name or key.", metavar="APP")]
Stage = Annotated[str, typer.Option("--stage", help="dev or prod: the two live apart.")]


@command(app, "create")
async def app_create(
    operator: Operator,
    name: Annotated[str, typer.Argument(help="Its name: letters, digits, dots, underscores and hyphens.")],
    description: Annotated[str, typer.Option(help="What it is for.")] = "",
) -> None:
    """Create an app, which is yours alone until you publish it or give flags on it.

    Example: flockctl app create press-monitor
    """
    arguments = {"name": clean_name(name, what="name"), "description": clean_text(description, what="description")}
    made = await operator.call("ironflock.realms.app.create", repeatable=False, **arguments)
    operator.output.result({"app": made}, _table([made]))


@command(app, "list")
async def app_list(operator: Operator) -> None:
    """List the apps that you may see: your own, those that you were given flags on, and the public ones.

    Example: flockctl app list --json
    """
    apps = [each async for each in operator.pages("ironflock.realms.app.list", "apps")]
    operator.output.result({"apps": apps}, _table(apps))


@command(app, "show")
async def app_show(operator: Operator, name: App) -> None:
    """Show one app.

    Example: flockctl app show press-monitor
    """
    found = await operator.call("ironflock.realms.app.show", app=key_or_name(name, what="app"))
    operator.output.result({"app": found}, _table([found]))


@command(app, "rename")
async def app_rename(
    operator: Operator, name: App, new: Annotated[str, typer.Argument(help="The new name.", metavar="NAME")]
) -> None:
    """Give an app another name; what it was granted, and what was granted of it, stays.

    Example: flockctl app rename press-monitor press-watch
    """
    arguments = {"app": key_or_name(name, what="app"), "name": clean_name(new, what="name")}
    # By its old name it would not be found a second time.
    found = await operator.call("ironflock.realms.app.rename", repeatable=False, **arguments)
    operator.output.result({"app": found}, _table([found]))


@command(app, "publish")
async def app_publish(
    operator: Operator,
    name: App,
    *,
    off: Annotated[bool, typer.Option("--off", help="For you and whom you give flags to again.")] = False,
) -> None:
    """Let everybody see an app and install it in their projects; where it is installed it stays.

    Example: flockctl app publish press-monitor
    """
    found = await operator.call("ironflock.realms.app.publish", app=key_or_name(name, what="app"), is_public=not off)
    operator.output.result({"app": found}, _table([found]))


@command(app, "delete")
async def app_delete(operator: Operator, name: App, *, yes: Yes = False) -> None:
    """Delete an app for good, with its releases; no project may have it any more.

    Example: flockctl app delete press-monitor --yes
    """
    where = key_or_name(name, what="app")
    confirm(f"Delete the app {name!a}, with all its releases?", is_said=yes)
    await operator.call("ironflock.realms.app.delete", repeatable=False, app=where)
    operator.output.result({"deleted": where}, "deleted")


@command(app, "release")
async def app_release(
    operator: Operator,
    name: App,
    version: Annotated[str, typer.Argument(help="As 1.4.0; a release never changes.")],
    *,
    image: Annotated[str, typer.Option(help="A pushed image by its digest: registry.example.com/name@sha256:...")],
    data_template: Annotated[
        Path | None, typer.Option(help="Its .ironflock/data-template.yml.", metavar="FILE")
    ] = None,
    environment: Annotated[
        Path | None,
        typer.Option(
            help="The variables that it reads: NAME: {default, is_secret, is_required, choices, description}.",
            metavar="FILE",
        ),
    ] = None,
    port: Annotated[
        list[str] | None, typer.Option(help="A port that it offers, as 80 or 22/tcp; may stand repeatedly.")
    ] = None,
    compose: Annotated[
        Path | None, typer.Option(help="Its compose document, where it is of several containers.", metavar="FILE")
    ] = None,
) -> None:
    """Make a release of an app out of an image that was pushed; nothing is built.

    Example: flockctl app release press-monitor 1.4.0 --image registry.example.com/press@sha256:... \
        --data-template .ironflock/data-template.yml --environment variables.yml --port 80 --compose compose.yml
    """
    arguments: dict[str, Any] = {"app": key_or_name(name, what="app"), "version": version, "image": image}
    files = {"data_template": data_template, "environment": environment, "compose": compose}
    for argument, file in files.items():
        if file is not None:
            arguments[argument] = template_in(file, argument=argument)
    if port is not None:
        arguments["ports"] = [port_of(each) for each in port]
    made = await operator.call("ironflock.realms.release.create", repeatable=False, **arguments)
    operator.output.result({"release": made}, _releases([made]))


@command(app, "releases")
async def app_releases(operator: Operator, name: App) -> None:
    """List the releases of an app, oldest first.

    Example: flockctl app releases press-monitor
    """
    where = key_or_name(name, what="app")
    found = [each async for each in operator.pages("ironflock.realms.release.list", "releases", app=where)]
    operator.output.result({"releases": found}, _releases(found))


@command(app, "show-release")
async def app_show_release(
    operator: Operator, name: App, version: Annotated[str, typer.Argument(help="As 1.4.0.")]
) -> None:
    """Show one release of an app, and what on devices it asks power for; with --json all that was kept of it.

    Example: flockctl app show-release press-monitor 1.4.0 --json
    """
    where = key_or_name(name, what="app")
    found = await operator.call("ironflock.realms.release.show", app=where, version=version)
    has = {f"has_{name}": found[name] is not None for name in ("data_template", "compose")}
    operator.output.result({"release": found}, _releases([{**found, **has}]))
    if found["needs_develop"]:
        operator.output.notice(f"who puts it on a device needs DEVELOP there: {', '.join(found['needs_develop'])}")


@command(app, "install")
async def app_install(
    operator: Operator,
    name: App,
    project: InProject,
    stage: Stage,
    version: Annotated[
        str | None, typer.Option(help="Which release (default: the newest, or what is there already).")
    ] = None,
) -> None:
    """Install an app in a project, or another release of it; its devices come afterwards.

    Example: flockctl app install press-monitor --project plant --stage prod
    """
    arguments = _install(name, project, stage)
    if version is not None:
        arguments["version"] = version
    made = await operator.call("ironflock.realms.install.create", **arguments)
    operator.output.result({"install": made}, _installs([made]))


@command(app, "uninstall")
async def app_uninstall(operator: Operator, name: App, project: InProject, stage: Stage, *, yes: Yes = False) -> None:
    """Take an app out of a project: it leaves every device, and every session of it there ends.

    Example: flockctl app uninstall press-monitor --project plant --stage dev --yes
    """
    which = _install(name, project, stage)
    confirm(f"Uninstall {name!a} ({which['stage']}) from the project {project!a}, on every device?", is_said=yes)
    await operator.call("ironflock.realms.install.delete", repeatable=False, **which)
    operator.output.result({"uninstalled": which}, "uninstalled")


@command(app, "confirm-uninstalls")
async def app_confirm_uninstalls(operator: Operator, project: InProject, *, yes: Yes = False) -> None:
    """Let go from devices what a project does not have any more, where so much went at once that nobody believed it.

    Example: flockctl app confirm-uninstalls --project plant --yes
    """
    confirm(f"Take every app that the project {project!a} does not have from its devices?", is_said=yes)
    ended = await operator.call("ironflock.devices.install.confirm", project=project_of(project))
    said = "\n".join(f"{each['app_key']} ({each['stage']}) is gone" for each in ended["installs"])
    operator.output.result({"installs": ended["installs"]}, said or "the project has all that its devices have")


@command(app, "installs")
async def app_installs(operator: Operator, project: InProject) -> None:
    """List the apps in a project.

    Example: flockctl app installs --project plant
    """
    found = await operator.call("ironflock.realms.install.list", project=project_of(project))
    operator.output.result({"installs": found["installs"]}, _installs(found["installs"]))


def _install(name: str, project: str, stage: str) -> dict[str, Any]:
    return {"project": project_of(project), "app": key_or_name(name, what="app"), "stage": stage_of(stage)}


def _table(apps: Iterable[Mapping[str, Any]]) -> Table:
    rows = (
        (
            each["app_key"],
            each["name"],
            each["description"],
            each["owner_account_key"],
            "public" if each["is_public"] else "-",
            local_time(each["created_at"]),
        )
        for each in apps
    )
    return table(("KEY", "NAME", "DESCRIPTION", "OWNER", "PUBLIC", "CREATED"), rows)


def _releases(releases: Iterable[Mapping[str, Any]]) -> Table:
    rows = (
        (
            each["version"],
            each["image"],
            "yes" if each["has_data_template"] else "-",
            "yes" if each["has_compose"] else "-",
            local_time(each["created_at"]),
        )
        for each in releases
    )
    return table(("VERSION", "IMAGE", "DATA TEMPLATE", "COMPOSE", "CREATED"), rows)


def _installs(installs: Iterable[Mapping[str, Any]]) -> Table:
    rows = (
        (each["app_key"], each["app_name"], each["stage"], each["version"] or "-", local_time(each["installed_at"]))
        for each in installs
    )
    return table(("KEY", "APP", "STAGE", "VERSION", "INSTALLED"), rows)
