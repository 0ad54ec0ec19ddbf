"""`flockctl members` and `flockctl member ...`: who works in a project."""

from collections.abc import Mapping
from typing import Any

import typer

from deploy.flockctl.answers import until
from deploy.flockctl.confirming import confirm
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.rights_options import Because, InProject, Project, Who, Yes, account_of, project_of, reason_of
from deploy.flockctl.text import local_time

app = typer.Typer(help="Who works in a project.", no_args_is_help=True)


async def members(operator: Operator, project: Project) -> None:
    """List who works in a project: its owner, its members, and who visits.

    Examples: flockctl members plant

    flockctl member list plant
    """
    found = (await operator.call("ironflock.privileges.member.list", project=project_of(project)))["members"]
    rows = (
        (
            each["account_key"],
            each["login_name"],
            _standing(each),
            "" if each["since"] is None else local_time(each["since"]),
            until(each["ends_at"]),
        )
        for each in found
    )
    operator.output.result({"members": found}, table(("ACCOUNT", "WHO", "IS", "SINCE", "UNTIL"), rows))


command(app, "list")(members)


@command(app, "remove")
async def member_remove(
    operator: Operator, who: Who, project: InProject, *, because: Because = "", yes: Yes = False
) -> None:
    """Remove somebody from a project: all that they were given in it ends, and what they have open is cut.

    Example: flockctl member remove anna@example.com --project plant --yes
    """
    said = {"project": project_of(project), "account": account_of(who)}
    confirm(f"Remove {who!a} from {project!a}, with all that they were given there?", is_said=yes)
    await operator.call("ironflock.privileges.member.remove", repeatable=False, **said, **reason_of(because))
    operator.output.result({"removed": said}, f"{said['account']} is no member of {said['project']} any more")


@command(app, "leave")
async def member_leave(operator: Operator, project: Project, *, yes: Yes = False) -> None:
    """Leave a project: all that you were given in it ends.

    Example: flockctl member leave plant --yes
    """
    which = project_of(project)
    confirm(f"Leave {project!a}, and lose all that you were given there?", is_said=yes)
    await operator.call("ironflock.privileges.member.leave", repeatable=False, project=which)
    operator.output.result({"left": which}, f"you are no member of {which} any more")


def _standing(member: Mapping[str, Any]) -> str:
    if member["is_owner"]:
        return "owner"
    return "visitor" if member["is_visitor"] else "member"
