"""`flockctl invite` and `flockctl invitation ...`: how somebody becomes a member of a project."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer
from rich.table import Table

from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.rights_options import Because, InProject, Who, account_of, project_of, reason_of
from deploy.flockctl.text import local_time
from deploy.flockctl.words import MAX_KEY

app = typer.Typer(help="Invitations into projects, to you and from you.", no_args_is_help=True)

InvitationKey = Annotated[
    int, typer.Argument(help="Its number, as `invitation list` shows it.", metavar="INVITATION", min=1, max=MAX_KEY)
]


async def invite(operator: Operator, who: Who, project: InProject, *, because: Because = "") -> None:
    """Ask somebody to become a member of a project; they have 14 days to accept. As a member alone they may nothing.

    Example: flockctl invite anna@example.com --project plant
    """
    said = {"project": project_of(project), "account": account_of(who), **reason_of(because)}
    made = await operator.call("ironflock.privileges.invitation.create", repeatable=False, **said)
    operator.output.result({"invitation": made}, _table([made]))


@command(app, "list")
async def invitation_list(
    operator: Operator,
    project: Annotated[str | None, typer.Option(help="Those of this project (default: those to you).")] = None,
) -> None:
    """List invitations that wait for an answer.

    Example: flockctl invitation list
    """
    within: dict[str, Any] = {} if project is None else {"project": project_of(project)}
    found = (await operator.call("ironflock.privileges.invitation.list", **within))["invitations"]
    operator.output.result({"invitations": found}, _table(found))


@command(app, "accept")
async def invitation_accept(operator: Operator, invitation: InvitationKey) -> None:
    """Become a member of the project that you are invited to.

    Example: flockctl invitation accept 12
    """
    await _answer(operator, "accept", invitation)
    operator.output.result({"accepted": invitation}, "you are a member now")


@command(app, "decline")
async def invitation_decline(operator: Operator, invitation: InvitationKey) -> None:
    """Turn an invitation down.

    Example: flockctl invitation decline 12
    """
    await _answer(operator, "decline", invitation)
    operator.output.result({"declined": invitation}, "declined")


@command(app, "revoke")
async def invitation_revoke(operator: Operator, invitation: InvitationKey) -> None:
    """Take an invitation back that was not accepted yet.

    Example: flockctl invitation revoke 12
    """
    await _answer(operator, "revoke", invitation)
    operator.output.result({"revoked": invitation}, "revoked")


async def _answer(operator: Operator, verb: str, invitation: int) -> None:
    procedure = f"ironflock.privileges.invitation.{verb}"
    await operator.call(procedure, repeatable=False, invitation_key=invitation)


def _table(invitations: Iterable[Mapping[str, Any]]) -> Table:
    rows = (
        (
            each["invitation_key"],
            each["project_name"],
            each["login_name"],
            each["invited_by"],
            local_time(each["ends_at"]),
            each["reason"],
        )
        for each in invitations
    )
    return table(("INVITATION", "PROJECT", "WHO", "BY ACCOUNT", "UNTIL", "BECAUSE"), rows)
