"""`flockctl rights-history`: every change of rights on something, or of somebody."""

from collections.abc import Mapping
from typing import Annotated, Any, Final

import typer

from deploy.flockctl.answers import until
from deploy.flockctl.assets import asset_of
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.paging import Everything, Limit, check_limit, newest, say_whether_more
from deploy.flockctl.rights_options import WithinProject, me_or
from deploy.flockctl.text import local_time

# Where it came to be, and where it ended; by the word on the wire.
_WORDS: Final[Mapping[str, tuple[str, str]]] = {
    "owner": ("owner", "owner no more"),
    "member": ("member", "member no more"),
    "grant": ("given", "taken"),
    "default": ("default set", "default unset"),
    "public": ("public", "public no more"),
    "asset": ("came to be", "deleted"),
    "group": ("into a group", "out of a group"),
    "lock": ("locked", "unlocked"),
}
TITLES: Final = ("TIME", "WHAT", "ACCOUNT", "ON", "FLAG", "UNTIL", "BY ACCOUNT", "BECAUSE")


def add_history_command(app: typer.Typer, panel: str) -> None:
    """Put the command of this file into `app`."""
    command(app, "rights-history", panel=panel)(rights_history)


async def rights_history(
    operator: Operator,
    who: Annotated[str | None, typer.Argument(help="Whose: login name or account key.", metavar="WHO")] = None,
    *,
    on: Annotated[str | None, typer.Option("--on", help="On this: device:press-1, project:plant, ...")] = None,
    project: WithinProject = None,
    limit: Limit = None,
    everything: Everything = False,
) -> None:
    """Show who changed whose rights, when and why, the newest first: on something, of somebody, or both.

    Without either it shows what concerns you.

    Example: flockctl rights-history --on device:press-1
    """
    check_limit(limit, everything=everything)
    chosen = me_or(who)
    if on is not None:
        chosen.update((await asset_of(operator, on, project)).arguments)
    elif who is None:
        chosen["account"] = (await operator.call("ironflock.auth.account.me"))["account_key"]
    procedure = "ironflock.privileges.change.list"
    page = await newest(operator, procedure, "changes", limit=limit, everything=everything, **chosen)
    operator.output.result(page, table(TITLES, [_row(each) for each in page["changes"]]))
    say_whether_more(operator, page)


def _row(change: Mapping[str, Any]) -> tuple[object, ...]:
    on, off = _WORDS.get(change["what"], (change["what"], f"{change['what']} ended"))
    said = on if change["is_on"] else off
    return (
        local_time(change["at"]),
        f"visit {said}" if change["is_visit"] else said,
        change["account_key"],
        "" if change["kind"] is None else f"{change['kind']} {change['key']}",
        change["flag"],
        until(change["ends_at"]) if change["is_on"] else "",
        change["by_account_key"],
        change["reason"],
    )
