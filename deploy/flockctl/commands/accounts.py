"""`flockctl account ...`."""

import sys
from typing import Annotated, Final

import typer

from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table
from deploy.flockctl.secret_files import SecretFile
from deploy.flockctl.text import local_time

app = typer.Typer(help="Your own account.", no_args_is_help=True)

WARNING: Final = (
    "This erases the account of this API key for good: nobody can sign in with it again, its name is forgotten,"
    " and what the audit log says of the person can be read by nobody any more."
)


@command(app, "setup")
async def account_setup(operator: Operator) -> None:
    """Print the link by which the first owner, who has an API key alone, chooses a password.

    It opens once, within 30 minutes, for whoever has it; asking again ends the one before.

    Example: flockctl account setup
    """
    link = await operator.call("ironflock.auth.account.setup_link", repeatable=False)
    minutes = int(link["ends_in_s"]) // 60
    operator.output.notice(f"open it in a browser within {minutes} minutes; it works once")
    operator.output.result(link, printable_url(link["url"]))


@command(app, "invite")
async def account_invite(
    operator: Operator,
    address: Annotated[str, typer.Argument(help="Their e-mail address.")],
    *,
    locale: Annotated[str, typer.Option(help="In which language they are written to: en or de.")] = "en",
) -> None:
    """Invite somebody: a message with a link goes to their address. Needs INVITE on the installation.

    Example: flockctl account invite bert@example.com
    """
    made = await operator.call("ironflock.auth.account.invite", repeatable=False, address=address, locale=locale)
    operator.output.result({"invitation": made}, table(("ACCOUNT", "ADDRESS"), [(made["account_key"], address)]))


@command(app, "sessions")
async def account_sessions(operator: Operator) -> None:
    """List where you are signed in.

    Example: flockctl account sessions
    """
    found = (await operator.call("ironflock.auth.session.list"))["sessions"]
    rows = [
        (
            each["session"],
            each["client"] or each["kind"],
            local_time(each["last_seen_at"]),
            each["last_address"],
            each["user_agent"],
            "this" if each["is_this"] else "",
        )
        for each in found
    ]
    titles = ("SESSION", "WHAT", "LAST SEEN", "FROM", "PROGRAM", "")
    operator.output.result({"sessions": found}, table(titles, rows))


@command(app, "end-session")
async def account_end_session(
    operator: Operator, session: Annotated[str, typer.Argument(help="Its id, as `account sessions` shows it.")]
) -> None:
    """End one of your sessions, and everything that lives from it.

    Example: flockctl account end-session ses_5f0c...
    """
    await operator.call("ironflock.auth.session.end", repeatable=False, session=session)
    operator.output.result({"ended": session}, f"{session} has ended")


@command(app, "export")
async def account_export(
    operator: Operator,
    *,
    out: Annotated[str, typer.Option(help="File to write (mode 0600).", metavar="FILE")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Write everything that is kept of you as JSON, without a secret. Needs a sign-in at most five minutes old.

    Example: flockctl account export --out me.json
    """
    with SecretFile(out, replace=force) as file:
        file.write(await operator.call("ironflock.auth.account.export", repeatable=False))
    operator.output.result({"file": out}, f"written to {out}")


@command(app, "erase")
async def account_erase(
    operator: Operator,
    *,
    with_projects: Annotated[
        bool, typer.Option("--with-projects", help="Also where it owns projects: they stay, without an owner.")
    ] = False,
    confirm: Annotated[
        str | None, typer.Option(help="Its login name, instead of typing it when asked.", metavar="LOGIN")
    ] = None,
) -> None:
    """Erase the account that flockctl acts as, and end all its sessions and keys. There is no way back.

    Example: flockctl account erase
    """
    login = _typed() if confirm is None else confirm
    receipt = await operator.call(
        "ironflock.auth.account.erase", repeatable=False, confirm=login, with_projects=with_projects
    )
    cells = (receipt["account_key"], local_time(receipt["erased_at"]), receipt["entry"])
    operator.output.result({"receipt": receipt}, table(("ACCOUNT", "ERASED", "RECORDED AS"), [cells]))


def printable_url(url: object) -> str:
    """The whole of `url`: a link that is cut opens nothing.

    Raises:
        CommandError: It is none that a browser opens safely.
    """
    text = str(url)
    if not text.startswith("https://") or not text.isascii() or not text.isprintable() or " " in text:
        raise CommandError("unexpected_answer", "the platform answered with something that is no link")
    return text


def _typed() -> str:
    if not sys.stdin.isatty():
        raise CommandError(
            "not_confirmed", "nobody can be asked here: say --confirm and the login name", ExitStatus.USAGE
        )
    typer.echo(WARNING, err=True)
    return str(typer.prompt("Type the login name of the account to erase it", err=True))
