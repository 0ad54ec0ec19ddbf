"""`flockctl can|who-can|where-can|explain|flags`: who may do what, and why."""

from collections.abc import Mapping
from typing import Any, Final

import typer
from rich.table import Table

from deploy.flockctl.answers import in_words, until, why
from deploy.flockctl.assets import asset_of, kind_of
from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.rights_options import (
    At,
    DespiteLocks,
    Flag,
    On,
    OnKind,
    OrMe,
    OrMeAndFlag,
    WithinProject,
    me_or,
    one_flag,
    who_and_flag,
)
from deploy.flockctl.times import moment
from shared.flags import AssetKind

# Where the keys of these kinds have names that can be listed: procedure, its items, key.
_LISTS: Final[Mapping[AssetKind, tuple[str, str, str]]] = {
    AssetKind.PROJECT: ("ironflock.realms.project.list", "projects", "project_key"),
    AssetKind.DEVICE: ("ironflock.devices.device.list", "devices", "device_key"),
    AssetKind.GROUP: ("ironflock.devices.group.list", "groups", "group_key"),
}


def add_asking_commands(app: typer.Typer, panel: str) -> None:
    """Put the commands of this file into `app`."""
    command(app, "can", panel=panel)(can)
    command(app, "who-can", panel=panel)(who_can)
    command(app, "where-can", panel=panel)(where_can)
    command(app, "explain", panel=panel)(explain)
    command(app, "flags", panel=panel)(flags)


async def can(
    operator: Operator, words: OrMeAndFlag, on: On, project: WithinProject = None, at: At = None
) -> ExitStatus:
    """Ask whether somebody may, and why. Exit status 0 is yes, 4 is no.

    Example: flockctl can anna@example.com MAINTAIN --on device:press-1
    """
    account, flag = who_and_flag(words)
    then = _then(operator, at)
    where = await asset_of(operator, on, project)
    answer = await operator.call("ironflock.privileges.flag.check", flag=flag, **account, **where.arguments, **then)
    if answer["rule"] == "unknown_flag":
        raise CommandError("unknown_flag", f"there is no flag {flag} on a {where.kind.value}; see `flockctl flags`")
    operator.output.result({"answer": answer}, in_words(answer))
    return ExitStatus.DONE if answer["allowed"] else ExitStatus.NO


async def who_can(operator: Operator, flag: Flag, on: On, project: WithinProject = None) -> None:
    """List everybody who has a flag on something.

    Example: flockctl who-can MAINTAIN --on device:press-1
    """
    named = one_flag(flag)
    where = await asset_of(operator, on, project)
    pages = operator.pages("ironflock.privileges.person.list", "people", flag=named, **where.arguments)
    people = [each async for each in pages]
    rows = ((each["account_key"], each["login_name"], why(each), until(each["until"])) for each in people)
    operator.output.result({"people": people}, table(("ACCOUNT", "WHO", "WHY", "UNTIL"), rows))


async def where_can(operator: Operator, words: OrMeAndFlag, on: OnKind, *, despite_locks: DespiteLocks = False) -> None:
    """List on which devices, projects, ... somebody has a flag.

    Examples: flockctl where-can anna@example.com OPERATE --on device

    flockctl where-can anna@example.com GRANT --on project --despite-locks
    """
    account, flag = who_and_flag(words)
    kind = kind_of(on)
    # Only where it is said: privileges of the release before knows no such argument.
    asked = {"kind": kind.value, "flag": flag, **account, **({"despite_locks": True} if despite_locks else {})}
    pages = operator.pages("ironflock.privileges.asset.list", "keys", **asked)
    keys = [key async for key in pages]
    names = await _names(operator, kind) if keys else {}
    assets = [{"kind": kind.value, "key": key, "name": names.get(key)} for key in keys]
    rows = ((each["key"], each["name"]) for each in assets)
    operator.output.result({"assets": assets}, table(("KEY", "NAME"), rows))


async def explain(operator: Operator, on: On, who: OrMe = None, project: WithinProject = None, at: At = None) -> None:
    """Show every flag that there is on something: whether somebody has it, by what, or what is missing.

    Example: flockctl explain anna@example.com --on device:press-1 --at 7d
    """
    account, then = me_or(who), _then(operator, at)
    where = await asset_of(operator, on, project)
    found = await operator.call("ironflock.privileges.flag.explain", **account, **where.arguments, **then)
    operator.output.result({"explanation": found}, _explanation(found["flags"]))


async def flags(operator: Operator) -> None:
    """List the flags that there are, and what each allows.

    Example: flockctl flags
    """
    found = (await operator.call("ironflock.privileges.flag.list"))["flags"]
    rows = ((each["kind"], each["flag"], each["meaning"]) for each in found)
    operator.output.result({"flags": found}, table(("ON", "FLAG", "ALLOWS TO"), rows))


def _then(operator: Operator, at: str | None) -> dict[str, Any]:
    return {} if at is None else {"at": moment(at, what="at", now=operator.reactor.seconds())}


def _explanation(answers: Mapping[str, Mapping[str, Any]]) -> Table:
    rows = (
        (flag, "yes" if each["allowed"] else "no", why(each), until(each["until"])) for flag, each in answers.items()
    )
    return table(("FLAG", "HAS IT", "WHY", "UNTIL"), rows)


async def _names(operator: Operator, kind: AssetKind) -> dict[int, str]:
    if kind not in _LISTS:
        return {}
    procedure, items, key = _LISTS[kind]
    return {each[key]: each["name"] async for each in operator.pages(procedure, items)}
