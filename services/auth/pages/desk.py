"""What pages are made of, and what several of them do."""

from collections.abc import Callable
from contextlib import suppress
from typing import Final

from attrs import frozen

from services.auth.assembly import People
from services.auth.pages import cookies
from services.auth.pages.answers import Answer, Document, onward
from services.auth.pages.cookies import Cookie, of_session
from services.auth.pages.visits import Visit
from services.auth.procedures.accounts import AccountProcedures
from services.auth.procedures.people import PeopleProcedures
from services.auth.provider.whole import Provider
from services.auth.records.factors import PasskeyChallenge
from services.auth.records.people import Me
from services.auth.records.sessions import NewSession
from services.auth.store.people import person_find
from services.auth.upstream.whole import Upstream
from shared.database import Database
from shared.errors import (
    AlreadyExistsError,
    ConflictError,
    FactorRejectedError,
    InvalidArgumentError,
    NotFoundError,
    OverLimitError,
    SignInRefusedError,
)
from shared.procedures import NoArguments

SAID_ON_THE_FORM: Final = (
    AlreadyExistsError,
    ConflictError,
    FactorRejectedError,
    InvalidArgumentError,
    NotFoundError,
    OverLimitError,
    SignInRefusedError,
)
"""Refusals after which a form is shown again; whatever else is refused gets a page of its own."""


@frozen
class Desk:
    """The parts behind the pages; `now` gives Unix seconds."""

    database: Database
    people: People
    own: PeopleProcedures
    accounts: AccountProcedures
    provider: Provider
    upstream: Upstream
    now: Callable[[], float]

    async def me(self, visit: Visit) -> Me:
        """The account of who is signed in."""
        me: Me = await self.own.account_me(visit.person, NoArguments())
        return me

    async def leave(self, visit: Visit) -> None:
        """The session that the browser has, if any, ends; one that has ended meanwhile is what was wanted."""
        if visit.session is not None:
            with suppress(NotFoundError):
                await self.people.sessions.end(visit.person, visit.session.session_id)

    async def welcome(self, visit: Visit, new: NewSession, return_to: str, *given: Cookie) -> Answer:
        """Somebody has signed in: a session that the browser had before ends, and it goes on where it wanted to.

        The browser speaks the account's language from now on, unless another was chosen in it.
        """
        await self.leave(visit)
        account_key = new.session.account_key
        person = await self.database.run(lambda connection: person_find(connection, account_key))
        has_chosen = cookies.LANGUAGE in visit.cookies
        spoken = () if has_chosen or person is None else (language(person.locale),)
        return onward(return_to, *of_session(new), *spoken, *given)


def language(locale: str) -> Cookie:
    """The language of this browser's pages."""
    return Cookie(cookies.LANGUAGE, locale, cookies.YEAR_S)


def challenge(asked: PasskeyChallenge) -> Document:
    """What the script that talks to authenticators is answered; `options` is JSON already."""
    return Document(
        b'{"token": "%s", "options": %s}' % (asked.token.encode(), asked.options.encode()), "application/json"
    )
