"""`flockctl client ...`: OpenID clients, and what people let them do."""

from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from deploy.flockctl.errors import CommandError, ExitStatus
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.output import table, write_json
from deploy.flockctl.secret_files import SecretFile
from deploy.flockctl.text import local_time
from shared.names import clean_name


class Grant(StrEnum):
    """How a client gets tokens, in short."""

    CODE = "code"
    REFRESH = "refresh"
    DEVICE = "device"
    OWN = "own"


PUBLIC: Final = "none"
PROCEDURE: Final = "ironflock.auth.client.register"
GRANTS: Final = {
    Grant.CODE: "authorization_code",
    Grant.REFRESH: "refresh_token",
    Grant.DEVICE: "urn:ietf:params:oauth:grant-type:device_code",
    Grant.OWN: "client_credentials",
}

app = typer.Typer(help="Applications that sign people in here (OpenID Connect).", no_args_is_help=True)


@command(app, "register")
async def client_register(
    operator: Operator,
    name: Annotated[str, typer.Argument(help="What people see.")],
    *,
    redirect_uri: Annotated[list[str] | None, typer.Option(help="Where people go back to; may be said again.")] = None,
    out: Annotated[
        str | None, typer.Option(help="File for its secret (mode 0600), or - for standard output.", metavar="FILE")
    ] = None,
    scope: Annotated[list[str] | None, typer.Option(help="What it may ask for; may be said again.")] = None,
    grant: Annotated[
        list[Grant] | None, typer.Option(help="How it gets tokens; may be said again (default: code and refresh).")
    ] = None,
    auth_method: Annotated[
        str, typer.Option(help="client_secret_basic, client_secret_post, or none: it has no secret.", metavar="METHOD")
    ] = "client_secret_basic",
    post_logout_redirect_uri: Annotated[
        list[str] | None, typer.Option(help="Where people go after signing out; may be said again.")
    ] = None,
    backchannel_logout_uri: Annotated[str | None, typer.Option(help="Where it is told of a session's end.")] = None,
    of: Annotated[int | None, typer.Option("--of", help="The service account as which it acts for itself.")] = None,
    first_party: Annotated[bool, typer.Option("--first-party", help="People are not asked for their consent.")] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
) -> None:
    """Register an application; its secret is shown this once. Needs a sign-in that is at most five minutes old.

    Example: flockctl client register Grafana --redirect-uri https://grafana.example/login --out grafana.secret
    """
    arguments = {
        "name": clean_name(name, what="name"),
        "redirect_uris": redirect_uri or [],
        "post_logout_redirect_uris": post_logout_redirect_uri or [],
        "backchannel_logout_uri": backchannel_logout_uri,
        "scopes": scope or ["openid", "profile", "email"],
        "grant_types": [GRANTS[each] for each in grant or (Grant.CODE, Grant.REFRESH)],
        "token_endpoint_auth_method": auth_method,
        "is_first_party": first_party,
        "account_key": of,
    }
    await _registered(operator, arguments, out, force=force)


async def _registered(operator: Operator, arguments: dict[str, Any], out: str | None, *, force: bool) -> None:
    """The new client; its secret goes into its file, which is reserved before there is a secret."""
    has_secret = arguments["token_endpoint_auth_method"] != PUBLIC
    if has_secret != (out is not None):
        why = "name a file for its secret with --out" if has_secret else "it has no secret: leave --out out"
        raise CommandError("usage", why, ExitStatus.USAGE)
    if out is None or out == "-":
        write_json({"client": await operator.call(PROCEDURE, repeatable=False, **arguments)})
        return
    with SecretFile(out, replace=force) as file:
        made = await operator.call(PROCEDURE, repeatable=False, **arguments)
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

    It needs a sign-in that is at most five minutes old.

    Example: flockctl client end app_3f2a9c --yes
    """
    if not yes:
        raise CommandError("not_confirmed", "this cannot be undone: say --yes", ExitStatus.USAGE)
    await operator.call("ironflock.auth.client.end", repeatable=False, client_id=client)
    operator.output.result({"ended": client}, f"{client} opens nothing any more")
