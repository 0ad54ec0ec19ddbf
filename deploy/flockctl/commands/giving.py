"""`flockctl grant|revoke|grants`: one person's flags on one thing."""

from typing import Annotated, Any

import typer

from deploy.flockctl.answers import until as shown_until
from deploy.flockctl.assets import asset_of
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.rights_options import (
    Because,
    Flags,
    For,
    On,
    Until,
    Who,
    WithinProject,
    account_of,
    ending,
    reason_of,
)
from deploy.flockctl.text import local_time
from deploy.flockctl.words import flags_of


def add_giving_commands(app: typer.Typer, panel: str) -> None:
    """Put the commands of this file into `app`."""
    command(app, "grant", panel=panel)(grant)
    command(app, "revoke", panel=panel)(revoke)
    command(app, "grants", panel=panel)(grants)


async def grant(
    operator: Operator,
    who: Who,
    flags: Flags,
    on: On,
    *,
    project: WithinProject = None,
    until: Until = None,
    lasting: For = None,
    visit: Annotated[
        bool, typer.Option("--visit", help="To somebody outside the project, for 7 days at most; never GRANT.")
    ] = False,
    because: Because = "",
) -> None:
    """Give a member of the project flags on something, for good or until an end.

    What they have there already gets the new end. Nobody gives what they
    do not hold themselves, nor for longer than they hold it.

    Example: flockctl grant anna@example.com READ,OPERATE --on device:press-1 --for 8h
    """
    said = {"account": account_of(who), "flags": flags_of(flags), **ending(operator, until, lasting)}
    if visit and "ends_at" not in said:
        raise CommandError("usage", "a visit has an end: say --until or --for. See --help.", ExitStatus.USAGE)
    where = await asset_of(operator, on, project)
    given = {**said, **where.arguments, "is_visit": visit}
    await operator.call("ironflock.privileges.grant.give", repeatable=False, **given, **reason_of(because))
    ends = f" until {local_time(said['ends_at'])}" if "ends_at" in said else ""
    operator.output.result({"granted": given}, f"{said['account']} has {', '.join(said['flags'])} on {where}{ends}")


async def revoke(
    operator: Operator,
    who: Who,
    on: On,
    flags: Annotated[str | None, typer.Argument(help="One or more, with commas: READ,OPERATE.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="All that they were given on it.")] = False,
    project: WithinProject = None,
    because: Because = "",
) -> None:
    """Take flags that a person was given on something; what lived from them is cut within a second.

    What they have by a default, a group or as owner stays: `flockctl explain` tells.

    Example: flockctl revoke anna@example.com OPERATE --on device:press-1
    """
    if (flags is None) is not everything:
        raise CommandError("usage", "say which flags, or --all. See --help.", ExitStatus.USAGE)
    named: dict[str, Any] = {} if flags is None else {"flags": flags_of(flags)}
    account = account_of(who)
    where = await asset_of(operator, on, project)
    taken = {"account": account, **named, **where.arguments}
    await operator.call("ironflock.privileges.grant.take", repeatable=False, **taken, **reason_of(because))
    what = "what was given to" if everything else f"{', '.join(named['flags'])} of"
    operator.output.result({"revoked": taken}, f"{what} {account} on {where} is taken")


async def grants(operator: Operator, on: On, project: WithinProject = None) -> None:
    """List what was given on something, and to whom.

    Example: flockctl grants --on device:press-1
    """
    where = await asset_of(operator, on, project)
    pages = operator.pages("ironflock.privileges.grant.list", "grants", **where.arguments)
    found = [each async for each in pages]
    rows = (
        (
            each["grant_key"],
            each["login_name"],
            each["flag"],
            shown_until(each["ends_at"]),
            "visit" if each["is_visit"] else "",
            local_time(each["given_at"]),
            each["given_by"] or "-",
        )
        for each in found
    )
    titles = ("GRANT", "WHO", "FLAG", "UNTIL", "", "SINCE", "BY ACCOUNT")
    operator.output.result({"grants": found}, table(titles, rows))
