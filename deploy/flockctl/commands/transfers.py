"""`flockctl transfer ...`: a project gets another owner."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer
from rich.table import Table

from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.rights_options import Because, Project, account_of, project_of, reason_of
from deploy.flockctl.text import local_time

app = typer.Typer(help="Hand a project over to another owner.", no_args_is_help=True)


@command(app, "offer")
async def transfer_offer(
    operator: Operator,
    project: Project,
    to: Annotated[str, typer.Option(help="Their login name or account key.", metavar="WHO")],
    *,
    because: Because = "",
) -> None:
    """Offer a project of yours to another owner, who has 7 days to accept. Needs a sign-in at most five minutes old.

    Example: flockctl transfer offer plant --to anna@example.com
    """
    said = {"project": project_of(project), "account": account_of(to), **reason_of(because)}
    made = await operator.call("ironflock.privileges.transfer.offer", repeatable=False, **said)
    operator.output.result({"transfer": made}, _table([made]))


@command(app, "accept")
async def transfer_accept(operator: Operator, project: Project) -> None:
    """Become the owner of a project that was offered to you. Needs a sign-in at most five minutes old.

    Name it by its key, as `transfer list` shows it, where you are no member yet.

    Example: flockctl transfer accept 3
    """
    which = project_of(project)
    await operator.call("ironflock.privileges.transfer.accept", repeatable=False, project=which)
    operator.output.result({"accepted": which}, f"you own {which} now")


@command(app, "withdraw")
async def transfer_withdraw(operator: Operator, project: Project) -> None:
    """Take an offer back that you made, or turn one down that was made to you.

    Example: flockctl transfer withdraw plant
    """
    which = project_of(project)
    await operator.call("ironflock.privileges.transfer.withdraw", repeatable=False, project=which)
    operator.output.result({"withdrawn": which}, f"{which} keeps its owner")


@command(app, "list")
async def transfer_list(operator: Operator) -> None:
    """List the offers that you made, and those made to you.

    Example: flockctl transfer list
    """
    found = (await operator.call("ironflock.privileges.transfer.list"))["transfers"]
    operator.output.result({"transfers": found}, _table(found))


def _table(transfers: Iterable[Mapping[str, Any]]) -> Table:
    rows = (
        (
            each["project_key"],
            each["project_name"],
            each["from_account_key"],
            each["to_login_name"],
            local_time(each["offered_at"]),
            local_time(each["ends_at"]),
        )
        for each in transfers
    )
    return table(("KEY", "PROJECT", "FROM ACCOUNT", "TO", "OFFERED", "UNTIL"), rows)
