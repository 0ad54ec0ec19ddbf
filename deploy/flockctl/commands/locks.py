"""`flockctl lock ...`: keep a person, device, API key or project out, at once."""

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import typer
from rich.table import Table

from deploy.backup.reviving import RESTORED
from deploy.flockctl.answers import until as shown_until
from deploy.flockctl.assets import key_of
from deploy.flockctl.confirming import confirm
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.rights_options import (
    Because,
    For,
    Project,
    Until,
    Who,
    WithinProject,
    account_of,
    ending,
    project_of,
    reason_of,
)
from deploy.flockctl.text import local_time
from deploy.flockctl.words import MAX_KEY, key_or_name
from shared.flags import AssetKind

app = typer.Typer(
    help="Keep a person, device, API key or project out: what they have open is cut within a second.",
    no_args_is_help=True,
)


@command(app, "person")
async def lock_person(
    operator: Operator, who: Who, *, until: Until = None, lasting: For = None, because: Because = ""
) -> None:
    """Keep a person out: no sign-in, no key, no session, no right of theirs opens anything.

    Example: flockctl lock person anna@example.com --for 2h --because "phone was stolen"
    """
    account, ends = account_of(who), ending(operator, until, lasting)
    await _lock(operator, "person", account, {**ends, **reason_of(because)})


@command(app, "device")
async def lock_device(
    operator: Operator,
    device: Annotated[str, typer.Argument(help="Its name or key.", metavar="DEVICE")],
    *,
    project: WithinProject = None,
    until: Until = None,
    lasting: For = None,
    because: Because = "",
) -> None:
    """Keep a device out: its session is cut, and it cannot connect.

    Example: flockctl lock device press-1 --for 2h --because "opened by strangers"
    """
    word, ends = key_or_name(device, what="device"), ending(operator, until, lasting)
    key = await key_of(operator, AssetKind.DEVICE, word, project)
    await _lock(operator, "device", key, {**ends, **reason_of(because)})


@command(app, "api-key")
async def lock_api_key(
    operator: Operator,
    key: Annotated[str, typer.Argument(help="Its id, as `api-key list` shows it.", metavar="KEY")],
    *,
    until: Until = None,
    lasting: For = None,
    because: Because = "",
) -> None:
    """Keep an API key out, of your own or with LOCK on the installation of anybody's. To end one: `api-key revoke`.

    Example: flockctl lock api-key 3Fh2kQ9sLm0P --for 2h --because "was it in the log?"
    """
    await _lock(operator, "api_key", key, {**ending(operator, until, lasting), **reason_of(because)})


@command(app, "project")
async def lock_project(
    operator: Operator, project: Project, *, until: Until = None, lasting: For = None, because: Because = ""
) -> None:
    """Keep everybody from doing anything in a project but look at it, and its devices out.

    Example: flockctl lock project plant --for 2h --because "fire drill"
    """
    word, ends = project_of(project), ending(operator, until, lasting)
    key = await key_of(operator, AssetKind.PROJECT, word)
    await _lock(operator, "project", key, {**ends, **reason_of(because)})


@command(app, "list")
async def lock_list(operator: Operator) -> None:
    """List the locks in force that you set or may end.

    Example: flockctl lock list
    """
    found = (await operator.call("ironflock.privileges.lock.list"))["locks"]
    operator.output.result({"locks": found}, _table(found))


@command(app, "end")
async def lock_end(
    operator: Operator,
    lock: Annotated[
        int, typer.Argument(help="Its number, as `lock list` shows it.", metavar="LOCK", min=1, max=MAX_KEY)
    ],
    *,
    because: Because = "",
) -> None:
    """End a lock before its time.

    Example: flockctl lock end 5
    """
    await operator.call("ironflock.privileges.lock.end", repeatable=False, lock_key=lock, **reason_of(because))
    operator.output.result({"ended": lock}, f"lock {lock} has ended")


@command(app, "confirm")
async def lock_confirm(
    operator: Operator,
    who: Annotated[
        list[str] | None, typer.Argument(help="Account keys and ids of API keys, as `lock list` shows them.")
    ] = None,
    *,
    everybody: Annotated[bool, typer.Option("--all", help="All of them.")] = False,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    because: Because = "",
) -> None:
    """After a restore without a ledger: say who and what was not taken out meanwhile, and end their locks.

    Examples: flockctl lock confirm 5 3Fh2kQ9sLm0P --because "asked them"

    flockctl lock confirm --all --yes
    """
    if bool(who) == everybody:
        raise CommandError("usage", "name whom you have asked, or say --all", ExitStatus.USAGE)
    found = (await operator.call("ironflock.privileges.lock.list"))["locks"]
    waiting = [each for each in found if each["reason"] == RESTORED and (everybody or each["key"] in (who or []))]
    if everybody:
        confirm(f"Let all {len(waiting)} in again, whoever was taken out since the backup too?", is_said=yes)
    for each in waiting:
        said = {"lock_key": each["lock_key"], **reason_of(because)}
        await operator.call("ironflock.privileges.lock.end", repeatable=False, **said)
    operator.output.result({"ended": waiting}, _table(waiting))


async def _lock(operator: Operator, kind: str, key: int | str, said: Mapping[str, Any]) -> None:
    procedure = "ironflock.privileges.lock.create"
    made = await operator.call(procedure, repeatable=False, kind=kind, key=str(key), **said)
    operator.output.result({"lock": made}, _table([made]))


def _table(locks: Iterable[Mapping[str, Any]]) -> Table:
    rows = (
        (
            each["lock_key"],
            f"{each['kind']} {each['key']}",
            shown_until(each["ends_at"]),
            each["reason"],
            each["created_by"],
            local_time(each["created_at"]),
        )
        for each in locks
    )
    return table(("LOCK", "KEEPS OUT", "UNTIL", "BECAUSE", "BY ACCOUNT", "SINCE"), rows)
