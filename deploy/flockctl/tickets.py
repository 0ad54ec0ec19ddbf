"""What opens the bus for flockctl: a named API key, else the sign-in of this user, else the first owner's key."""

import time
from pathlib import Path
from typing import Any, Final

from attrs import field, frozen
from twisted.internet.threads import deferToThread

from deploy.flockctl.credentials import SETTING, key_file, read_api_key
from deploy.flockctl.endpoints import Endpoints
from deploy.flockctl.errors import CommandError
from deploy.flockctl.provider import OAuthError, Provider, Tokens
from deploy.flockctl.sign_in_file import SignIn, SignInFile, sign_in_file

MARGIN_S: Final = 60
SIGNED_OUT: Final = "your sign-in has ended; sign in again: flockctl login"


@frozen
class Ticket:
    """A ticket, and the file that it came from."""

    text: str = field(repr=False)
    file: Path
    is_sign_in: bool


async def ticket_of(endpoints: Endpoints, named: Path | None, environ: dict[str, str]) -> Ticket:
    """The ticket to join with.

    Raises:
        CommandError: There is none, it cannot be read, or the sign-in has ended.
        AwayError: The sign-in must be renewed, and the platform is away.
    """
    if named is None and not environ.get(SETTING, "").strip() and endpoints.accounts is not None:
        file = sign_in_file(endpoints.accounts, environ)
        if file.is_there:
            return await renewed(file, Provider(endpoints.accounts, endpoints.ca))
    found = key_file(named, environ, endpoints.owner_api_key)
    return Ticket(read_api_key(found), found, is_sign_in=False)


async def renewed(file: SignInFile, provider: Provider) -> Ticket:
    """The access token of the sign-in in `file`, renewed where it is about to end. Errors as `ticket_of`."""
    ticket: Ticket = await in_thread(_renewed, file, provider)
    return ticket


def _renewed(file: SignInFile, provider: Provider) -> Ticket:
    with file.locked():
        kept = file.read()
        if kept is None:
            file.forget()
            raise CommandError("signed_out", SIGNED_OUT)
        if kept.ends_at - MARGIN_S > _now():
            return Ticket(kept.access_token, file.path, is_sign_in=True)
        try:
            following = provider.refreshed(kept.refresh_token)
        except OAuthError as error:
            file.forget()
            raise CommandError("signed_out", SIGNED_OUT) from error
        file.write(kept_of(following))
        return Ticket(following.access_token, file.path, is_sign_in=True)


def kept_of(tokens: Tokens) -> SignIn:
    """What is kept of new tokens."""
    return SignIn(tokens.access_token, tokens.refresh_token, _now() + tokens.expires_in)


async def in_thread(work: Any, *arguments: Any) -> Any:
    """What blocking `work` comes to, beside the reactor."""
    return await deferToThread(work, *arguments)


def _now() -> float:
    return time.time()  # noqa: TID251 - tokens end by the wall clock
