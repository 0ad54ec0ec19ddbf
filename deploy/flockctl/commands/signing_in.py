"""`flockctl login` and `flockctl logout`."""

import io
from contextlib import suppress
from typing import Annotated, Final

import segno
import typer
from twisted.internet.task import deferLater

from deploy.flockctl.commands.accounts import printable_url
from deploy.flockctl.errors import AwayError, CommandError
from deploy.flockctl.operator import Operator
from deploy.flockctl.options import command
from deploy.flockctl.provider import OAuthError, Provider, Tokens, Waiting
from deploy.flockctl.sign_in_file import SignInFile, sign_in_file
from deploy.flockctl.text import printable
from deploy.flockctl.tickets import in_thread, kept_of

SLOWER_BY_S: Final = 5
ENDS: Final = {
    "access_denied": ("refused", "the sign-in was refused in the browser"),
    "expired_token": ("expired", "nobody let this sign-in in; run flockctl login again"),
}


def add_commands(app: typer.Typer) -> None:
    """Put the commands of this file into `app`."""
    command(app, "login")(login)
    command(app, "logout")(logout)


async def login(
    operator: Operator,
    *,
    read_only: Annotated[
        bool, typer.Option("--read-only", help="Let this sign-in look at things, and change nothing.")
    ] = False,
) -> None:
    """Sign in with a browser, here or on another device; from then on flockctl acts as you.

    Where an API key is named (--api-key-file, IRONFLOCK_API_KEY_FILE), it counts instead.
    What asks for a fresh factor (keys, clients, deletion) works for five minutes from
    when you showed yours in that browser, which asks for it where that was longer ago.

    Example: flockctl login
    """
    provider, file = _of(operator)
    waiting: Waiting = await in_thread(provider.begin, "read" if read_only else "all")
    _say(operator, waiting)
    tokens = await _awaited(operator, provider, waiting)
    await in_thread(keep, file, provider, tokens)
    me = await operator.call("ironflock.auth.account.me")
    operator.output.result({"account": me}, f"signed in as {printable(me['login_name'])}")


async def logout(operator: Operator) -> None:
    """End the sign-in of `flockctl login`, and everything that lives from it.

    Example: flockctl logout
    """
    provider, file = _of(operator)
    was_there = await in_thread(_end, file, provider)
    said = "signed out" if was_there else "nobody was signed in"
    operator.output.result({"signed_out": was_there}, said)


def _of(operator: Operator) -> tuple[Provider, SignInFile]:
    accounts = operator.endpoints.accounts
    if accounts is None:
        raise CommandError("no_platform", "endpoints.json does not say where people sign in; is it of this release?")
    return Provider(accounts, operator.endpoints.ca), sign_in_file(accounts, operator.environ)


def _say(operator: Operator, waiting: Waiting) -> None:
    """Where to go: a picture for a phone, the link, the code."""
    url = printable_url(waiting.verification_uri_complete)
    operator.output.prompt(
        {"verification_uri": url, "user_code": waiting.user_code},
        f"{_qr(url)}\nOpen {url}\nand make sure that it shows the code {printable(waiting.user_code)}",
    )


def _qr(url: str) -> str:
    """The link as a picture for a phone, two modules a character high."""
    drawn = io.StringIO()
    segno.make(url, error="l", micro=False).terminal(drawn, compact=True, border=2)
    return drawn.getvalue().rstrip("\n")


async def _awaited(operator: Operator, provider: Provider, waiting: Waiting) -> Tokens:
    pause, until = waiting.interval, operator.reactor.seconds() + waiting.expires_in
    while operator.reactor.seconds() < until:
        await deferLater(operator.reactor, pause)
        try:
            tokens: Tokens = await in_thread(provider.tokens, waiting)
        except OAuthError as error:
            if error.error in ENDS:
                code, message = ENDS[error.error]
                raise CommandError(code, message) from error
            if error.error not in ("authorization_pending", "slow_down"):
                raise CommandError("refused", "the platform does not let this sign-in in; try again") from error
            pause += SLOWER_BY_S if error.error == "slow_down" else 0
        except AwayError:
            pause = max(pause, waiting.interval)
        else:
            return tokens
    raise CommandError(*ENDS["expired_token"])


def keep(file: SignInFile, provider: Provider, tokens: Tokens) -> None:
    """Keep a new sign-in; the one before ends, which nobody would find in a file any more."""
    with file.locked():
        before = file.read()
        file.write(kept_of(tokens))
    if before is not None:
        with suppress(OAuthError, AwayError):  # it has ended before, or ends by itself
            provider.revoke(before.refresh_token)


def _end(file: SignInFile, provider: Provider) -> bool:
    with file.locked():
        kept = file.read()
        if kept is None:
            return False
        with suppress(OAuthError):  # it has ended before
            provider.revoke(kept.refresh_token)
        file.forget()
        return True
