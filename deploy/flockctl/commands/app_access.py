"""`flockctl app access ...`: whose data apps may read in a project."""

from typing import Annotated, Any, Final

import typer

from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.rights_options import InProject, project_of
from deploy.flockctl.text import local_time
from deploy.flockctl.words import key_or_name
from shared.names import clean_name

access = typer.Typer(help="Whose data apps may read in a project; its owner decides.", no_args_is_help=True)

EVERYTHING: Final = "*"
App = Annotated[str, typer.Argument(help="The app that reads: its name or key.", metavar="APP")]
Provider = Annotated[
    str, typer.Argument(help="The app that is read, as the request names it; '*' for all.", metavar="PROVIDER")
]


@command(access, "list")
async def access_list(operator: Operator, project: InProject) -> None:
    """List what apps ask to read in a project, and what was granted.

    Example: flockctl app access list --project plant
    """
    found = await operator.call("ironflock.realms.access.list", project=project_of(project))
    rows = (
        (
            each["app_name"],
            each["provider"],
            "granted" if each["is_granted"] else "asked for",
            local_time(each["granted_at"] or "-"),
            each["reason"],
        )
        for each in found["access"]
    )
    operator.output.result({"access": found["access"]}, table(("APP", "READS", "STATE", "SINCE", "BECAUSE"), rows))


@command(access, "grant")
async def access_grant(operator: Operator, app: App, provider: Provider, project: InProject) -> None:
    """Let an app read another one's data in a project, as it asks to.

    Example: flockctl app access grant press-monitor opc-ua --project plant
    """
    which = _one(app, provider, project)
    await operator.call("ironflock.realms.access.grant", **which)
    operator.output.result({"granted": which}, f"{which['app']} may read {which['provider']}")


@command(access, "revoke")
async def access_revoke(operator: Operator, app: App, provider: Provider, project: InProject) -> None:
    """Let an app not read another one's data any more; its sessions there end.

    Example: flockctl app access revoke press-monitor opc-ua --project plant
    """
    which = _one(app, provider, project)
    await operator.call("ironflock.realms.access.revoke", **which)
    operator.output.result({"revoked": which}, f"{which['app']} may not read {which['provider']} any more")


def _one(app: str, provider: str, project: str) -> dict[str, Any]:
    return {
        "project": project_of(project),
        "app": key_or_name(app, what="app"),
        "provider": provider if provider == EVERYTHING else clean_name(provider, what="provider"),
    }
