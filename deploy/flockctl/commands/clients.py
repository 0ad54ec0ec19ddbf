"""`flockctl client ...`: OpenID clients, and what people let them do."""

from typing import Annotated, Any

import typer

from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table, write_json
from deploy.flockctl.secret_files import SecretFile
from deploy.flockctl.text import local_time
from shared.names import clean_name

app = typer.Typer(help="Applications that sign people in here (OpenID Connect).", no_args_is_help=True)


@command(app, "register")
async def client_register(
    operator: Operator,
    name: Annotated[str, typer.Argument(help="What people see.")],
    *,
    redirect_uri: Annotated[list[str], typer.Option(help="Where people go back to; may be said again.")],
    out: Annotated[str, typer.Option(help="File for the client's secret (mode 0600), or - for standard output.")],
    scope: Annotated[list[str] | None, typer.Option(help="What it may ask for; may be said again.")] = None,
    post_logout_redirect_uri: Annotated[
        list[str] | None, typer.Option(help="Where people go after signing out; may be said again.")
    ] = None,
    backchannel_logout_uri: Annotated[str | None, typer.Option(help="Where it is told of a session's end.")] = None,
    first_party: Annotated[bool, typer.Option("--first-party", help="People are not asked for their consent.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Register an application; its secret is shown this once. Needs a sign-in that is at most five minutes old.

    Example: flockctl client register Grafana --redirect-uri https://grafana.example/login --out grafana.secret
    """
    arguments: dict[str, Any] = {
        "name": clean_name(name, what="name"),
        "redirect_uris": redirect_uri,
        "post_logout_redirect_uris": post_logout_redirect_uri or [],
        "backchannel_logout_uri": backchannel_logout_uri,
        "scopes": scope or ["openid", "profile", "email"],
        "is_first_party": first_party,
    }
    if out == "-":
        made = await operator.call("ironflock.auth.client.register", repeatable=False, **arguments)
        write_json({"client": made})
        return
    with SecretFile(out, replace=force) as file:
        made = await operator.call("ironflock.auth.client.register", repeatable=False, **arguments)
        with file.draft() as stream:
            stream.write(f"{made['client_secret']}\n")
    operator.output.notice(f"its secret is in {out}; it is shown nowhere else")
    shown = {"client_id": made["client_id"]}
    operator.output.result({"client": shown, "file": out}, table(("CLIENT",), [(made["client_id"],)]))


@command(app, "list")
async def client_list(operator: Operator) -> None:
    """List the applications.

    Example: flockctl client list --json
    """
    found = (await operator.call("ironflock.auth.client.list"))["clients"]
    rows = [
        (each["client_id"], each["name"], " ".join(each["scopes"]), local_time(each["created_at"])) for each in found
    ]
    operator.output.result({"clients": found}, table(("CLIENT", "NAME", "SCOPES", "SINCE"), rows))


@command(app, "end")
async def client_end(
    operator: Operator,
    client: Annotated[str, typer.Argument(help="Its id, as `client list` shows it.")],
    *,
    yes: Annotated[bool, typer.Option("--yes", help="It is meant.")] = False,
) -> None:
    """End an application: neither it nor a token that it has opens anything any more.

    Example: flockctl client end app_3f2a9c --yes
    """
    if not yes:
        raise CommandError("not_confirmed", "this cannot be undone: say --yes", ExitStatus.USAGE)
    await operator.call("ironflock.auth.client.end", repeatable=False, client_id=client)
    operator.output.result({"ended": client}, f"{client} opens nothing any more")
