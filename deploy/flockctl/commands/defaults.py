"""`flockctl default ...`: flags that every member of a project has on everything of a kind."""

from typing import Annotated, Any

import typer

from deploy.flockctl.answers import until as shown_until
from deploy.flockctl.assets import kind_of
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.rights_options import (
    Because,
    Flags,
    For,
    InProject,
    OnKind,
    Project,
    Until,
    ending,
    project_of,
    reason_of,
)
from deploy.flockctl.text import local_time
from deploy.flockctl.words import flags_of

app = typer.Typer(help="Flags that all members of a project have; the owner sets them.", no_args_is_help=True)


@command(app, "set")
async def default_set(
    operator: Operator,
    flags: Flags,
    on: OnKind,
    project: InProject,
    *,
    until: Until = None,
    lasting: For = None,
    because: Because = "",
) -> None:
    """Give every member, of now and later, flags on everything of a kind in the project.

    Example: flockctl default set READ --on device --project plant
    """
    kind = kind_of(on)
    said = {"project": project_of(project), "kind": kind.value, "flags": flags_of(flags)}
    said.update(ending(operator, until, lasting))
    await operator.call("ironflock.privileges.default.set", repeatable=False, **said, **reason_of(because))
    ends = f" until {local_time(said['ends_at'])}" if "ends_at" in said else ""
    what = f"{', '.join(flags_of(flags))} on each {kind.value} of {said['project']}"
    operator.output.result({"default": said}, f"every member has {what}{ends}")


@command(app, "unset")
async def default_unset(
    operator: Operator,
    on: OnKind,
    project: InProject,
    flags: Annotated[str | None, typer.Argument(help="One or more, with commas: READ,OPERATE.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All defaults of that kind.")] = False,
    because: Because = "",
) -> None:
    """Take flags from all members that they have by a default; what was given to somebody stays theirs.

    Example: flockctl default unset READ --on device --project plant
    """
    if (flags is None) is not everything:
        raise CommandError("usage", "say which flags, or --all. See --help.", ExitStatus.USAGE)
    said: dict[str, Any] = {"project": project_of(project), "kind": kind_of(on).value}
    if flags is not None:
        said["flags"] = flags_of(flags)
    await operator.call("ironflock.privileges.default.unset", repeatable=False, **said, **reason_of(because))
    operator.output.result({"unset": said}, f"no default any more on each {said['kind']} of {said['project']}")


@command(app, "list")
async def default_list(operator: Operator, project: Project) -> None:
    """List the defaults of a project.

    Example: flockctl default list plant
    """
    found = (await operator.call("ironflock.privileges.default.list", project=project_of(project)))["defaults"]
    rows = ((each["kind"], each["flag"], shown_until(each["ends_at"])) for each in found)
    operator.output.result({"defaults": found}, table(("ON EACH", "FLAG", "UNTIL"), rows))
