"""`flockctl api-key ...` and `flockctl service-account ...`."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any, Final

import typer

from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table, write_json
from deploy.flockctl.secret_files import SecretFile
from deploy.flockctl.text import local_time
from shared.names import clean_name
from shared.scopes import parse_scopes

app = typer.Typer(help="API keys: for programs that act as you.", no_args_is_help=True)
service_accounts = typer.Typer(help="Accounts for programs, where no person should own the key.", no_args_is_help=True)

TITLES: Final = ("KEY", "NAME", "SCOPES", "ENDS", "LAST USED", "FROM", "STATE")
Out = Annotated[
    str, typer.Option(help="File to write the key to (mode 0600), or - to have it on standard output.", metavar="FILE")
]
Of = Annotated[int | None, typer.Option("--of", help="A service account of yours (its key), instead of yourself.")]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]


@command(app, "create")
async def api_key_create(
    operator: Operator,
    name: Annotated[str, typer.Argument(help="What it is for.")],
    *,
    out: Out,
    scope: Annotated[
        list[str] | None,
        typer.Option(help="How far it reaches: all, read, read@project/3, all@device/7; may be said again."),
    ] = None,
    days: Annotated[int, typer.Option(help="For how many days it opens.", min=1, max=366)] = 90,
    of: Of = None,
    force: Force = False,
) -> None:
    """Make an API key; its text is shown this once. Needs a sign-in that is at most five minutes old.

    Example: flockctl api-key create line-4 --scope read@project/3 --days 30 --out line-4.key
    """
    arguments: dict[str, Any] = {
        "name": clean_name(name, what="name"),
        "scopes": parse_scopes(scope or ["all"]).texts,
        "ends_at": (datetime.now(UTC) + timedelta(days=days)).isoformat(),  # noqa: TID251 - a date of a key
    }
    if of is not None:
        arguments["account_key"] = of
    await _made(operator, "ironflock.auth.api_key.create", arguments, out, force=force)


@command(app, "list")
async def api_key_list(operator: Operator, *, of: Of = None) -> None:
    """List API keys, the newest first; those that ended are shown for 90 days.

    Example: flockctl api-key list
    """
    arguments: dict[str, Any] = {} if of is None else {"account_key": of}
    found = (await operator.call("ironflock.auth.api_key.list", **arguments))["api_keys"]
    operator.output.result({"api_keys": found}, table(TITLES, [_row(each) for each in found]))


@command(app, "rotate")
async def api_key_rotate(
    operator: Operator,
    key: Annotated[str, typer.Argument(help="Its id, as `api-key list` shows it.")],
    *,
    out: Out,
    overlap: Annotated[int, typer.Option(help="For how many hours the old key still opens.", min=0, max=720)] = 24,
    force: Force = False,
) -> None:
    """Make a key like the one before, which ends after an overlap. Needs a sign-in at most five minutes old.

    Example: flockctl api-key rotate 3Fh2kQ9sLm0P --out line-4.key --force
    """
    arguments = {"key_id": key, "overlap_s": overlap * 3600}
    await _made(operator, "ironflock.auth.api_key.rotate", arguments, out, force=force)


@command(app, "revoke")
async def api_key_revoke(
    operator: Operator,
    key: Annotated[str, typer.Argument(help="Its id, as `api-key list` shows it.")],
    *,
    because: Annotated[str, typer.Option(help="Why; the audit log remembers it.")] = "",
) -> None:
    """End an API key: it opens nothing any more, and what it opened is cut within a second.

    Example: flockctl api-key revoke 3Fh2kQ9sLm0P --because "left on a train"
    """
    await operator.call("ironflock.auth.api_key.end", repeatable=False, key_id=key, reason=because)
    operator.output.result({"revoked": key}, f"{key} opens nothing any more")


@command(service_accounts, "create")
async def service_account_create(
    operator: Operator, name: Annotated[str, typer.Argument(help="What it is for.")]
) -> None:
    """Make an account for programs, which you own; give it keys with `api-key create --of`.

    It needs a sign-in that is at most five minutes old.

    Example: flockctl service-account create historian
    """
    made = await operator.call(
        "ironflock.auth.service_account.create", repeatable=False, name=clean_name(name, what="name")
    )
    operator.output.result({"service_account": made}, _accounts([made]))


@command(service_accounts, "list")
async def service_account_list(operator: Operator) -> None:
    """List the service accounts that you own.

    Example: flockctl service-account list --json
    """
    found = (await operator.call("ironflock.auth.service_account.list"))["service_accounts"]
    operator.output.result({"service_accounts": found}, _accounts(found))


@command(service_accounts, "end")
async def service_account_end(
    operator: Operator,
    account: Annotated[int, typer.Argument(help="Its key, as `service-account list` shows it.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="It is meant.")] = False,
    with_projects: Annotated[
        bool, typer.Option("--with-projects", help="Also where it owns projects: they stay, without an owner.")
    ] = False,
) -> None:
    """End a service account for good, with all its keys. Needs a sign-in at most five minutes old.

    Example: flockctl service-account end 12 --yes
    """
    if not yes:
        raise CommandError("not_confirmed", "this cannot be undone: say --yes", ExitStatus.USAGE)
    await operator.call(
        "ironflock.auth.service_account.end", repeatable=False, account_key=account, with_projects=with_projects
    )
    operator.output.result({"ended": account}, f"{account} opens nothing any more")


async def _made(operator: Operator, procedure: str, arguments: dict[str, Any], out: str, *, force: bool) -> None:
    """A new key into its file, which is reserved before there is a key."""
    if out == "-":
        new = await operator.call(procedure, repeatable=False, **arguments)
        if operator.output.as_json:
            write_json({"api_key": new})
        else:
            typer.echo(new["key"])
        return
    with SecretFile(out, replace=force) as file:
        new = await operator.call(procedure, repeatable=False, **arguments)
        with file.draft() as stream:
            stream.write(f"{new['key']}\n")
    shown = {name: value for name, value in new.items() if name != "key"}
    operator.output.notice(f"the key is in {Path(out)}; it is shown nowhere else")
    cells = (shown["key_id"], shown["name"], " ".join(shown["scopes"]), local_time(shown["ends_at"]))
    operator.output.result({"api_key": shown, "file": out}, table(TITLES[:4], [cells]))


def _row(key: dict[str, Any]) -> tuple[object, ...]:
    state = "open" if key["ended_at"] is None else f"ended: {key['ended_because'] or ''}".rstrip(": ")
    used = "never" if key["last_used_at"] is None else local_time(key["last_used_at"])
    scopes, ends_at = " ".join(key["scopes"]), local_time(key["ends_at"])
    return key["key_id"], key["name"], scopes, ends_at, used, key["last_address"] or "", state


def _accounts(found: list[dict[str, Any]]) -> Any:
    rows = [(each["account_key"], each["name"], local_time(each["created_at"])) for each in found]
    return table(("ACCOUNT", "NAME", "SINCE"), rows)
