"""`flockctl app transfer ...`: an app gets another owner."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer
from rich.table import Table

from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.rights_options import Because, account_of, reason_of
from deploy.flockctl.text import local_time
from deploy.flockctl.words import key_or_name

transfer = typer.Typer(help="Hand an app over to another owner.", no_args_is_help=True)
App = Annotated[str, typer.Argument(help="Its name or key.", metavar="APP")]


@command(transfer, "offer")
async def app_transfer_offer(
    operator: Operator,
    name: App,
    to: Annotated[str, typer.Option(help="Their login name or account key.", metavar="WHO")],
    *,
    because: Because = "",
) -> None:
    """Offer an app of yours to another owner, who has 7 days to accept. Needs a sign-in at most five minutes old.

    Example: flockctl app transfer offer press-monitor --to anna@example.com
    """
    said = {"app": key_or_name(name, what="app"), "account": account_of(to), **reason_of(because)}
    made = await operator.call("ironflock.privileges.app_transfer.offer", repeatable=False, **said)
    operator.output.result({"transfer": made}, _table([made]))


@command(transfer, "accept")
async def app_transfer_accept(operator: Operator, name: App) -> None:
    """Become the owner of an app that was offered to you. Needs a sign-in at most five minutes old.

    Example: flockctl app transfer accept press-monitor
    """
    which = key_or_name(name, what="app")
    await operator.call("ironflock.privileges.app_transfer.accept", repeatable=False, app=which)
    operator.output.result({"accepted": which}, f"you own {which} now")


@command(transfer, "withdraw")
async def app_transfer_withdraw(operator: Operator, name: App) -> None:
    """Take an offer back that you made, or turn one down that was made to you.

    Example: flockctl app transfer withdraw press-monitor
    """
    which = key_or_name(name, what="app")
    await operator.call("ironflock.privileges.app_transfer.withdraw", repeatable=False, app=which)
    operator.output.result({"withdrawn": which}, f"{which} keeps its owner")


@command(transfer, "list")
async def app_transfer_list(operator: Operator) -> None:
    """List the offers of apps that you made, and those made to you.

    Example: flockctl app transfer list
    """
    found = (await operator.call("ironflock.privileges.app_transfer.list"))["transfers"]
    operator.output.result({"transfers": found}, _table(found))


def _table(transfers: Iterable[Mapping[str, Any]]) -> Table:
    rows = (
        (
            each["app_key"],
            each["app_name"],
            each["from_account_key"],
            each["to_login_name"],
            local_time(each["offered_at"]),
            local_time(each["ends_at"]),
        )
        for each in transfers
    )
    return table(("KEY", "APP", "FROM ACCOUNT", "TO", "OFFERED", "UNTIL"), rows)
