"""Which subject of another provider opens which account: linked by the person alone, who has shown here who they are.

Whoever comes with an address that an account has takes nothing over: the link waits, in their browser, until somebody
signs in to that account and says that it is meant.
"""

import secrets
from typing import Final

from attrs import evolve
from psycopg.errors import UniqueViolation

from services.auth.factors import factor_draft, overview_in_txn
from services.auth.mailing import Mailing
from services.auth.persons import person_in_txn
from services.auth.records.people import PersonAccount
from services.auth.records.sessions import Session
from services.auth.records.upstream import Identity, Offer, UpstreamLink
from services.auth.rules.letters import Change
from services.auth.rules.upstream import may_unlink
from services.auth.sessions import TOKEN_OCTETS, Sessions, token_hash
from services.auth.store.upstream import (
    session_list_of_upstream,
    upstream_link_delete,
    upstream_link_find,
    upstream_link_insert,
    upstream_link_list,
    upstream_offer_delete,
    upstream_offer_find,
    upstream_offer_insert,
    upstream_session_list_of_account,
)
from services.auth.upstream.requests import refusal
from shared import audit
from shared.database import Connection, Database
from shared.errors import ConflictError, ExpiredError, NotFoundError
from shared.identities import Person

LAPSED: Final = "there is no link that waits for you; begin again"
LAST: Final = "this is the only way by which you can sign in; choose a password or add a passkey first"


class Linking:
    """The links of this installation."""

    def __init__(self, database: Database, mailing: Mailing, sessions: Sessions) -> None:
        """Keep them in `database`; people are told with `mailing`."""
        self._database = database
        self._mailing = mailing
        self._sessions = sessions

    async def of(self, account_key: int) -> list[UpstreamLink]:
        """The links of the account."""
        return await self._database.run(lambda connection: upstream_link_list(connection, account_key))

    async def link(self, session: Session, identity: Identity) -> None:
        """The person of `session`, who has shown lately who they are, links `identity`.

        Raises:
            SignInRefusedError: It opens another account, or another subject of the provider opens this one.
        """
        offer = Offer(identity.provider, identity.subject, session.account_key)
        try:
            async with self._database.transaction() as connection:
                person = await person_in_txn(connection, session.account_key)
                await self.link_in_txn(connection, person, offer, session.session_id)
        except UniqueViolation as error:  # another account was quicker
            raise refusal("taken") from error

    async def link_in_txn(
        self, connection: Connection, person: PersonAccount, offer: Offer, credential: str | None
    ) -> None:
        """Link, record and tell. Errors as `link`; UniqueViolation where another account was quicker."""
        there = await upstream_link_find(connection, offer.provider, offer.subject)
        if there is not None and there.account_key == person.account_key:
            return
        own = {link.provider for link in await upstream_link_list(connection, person.account_key)}
        if there is not None or offer.provider in own:
            raise refusal("taken")
        await upstream_link_insert(connection, offer.provider, offer.subject, person.account_key)
        draft = factor_draft(person.account_key, credential, audit.Action.UPSTREAM_LINKED)
        await self._told_in_txn(
            connection, person, evolve(draft, after={"provider": offer.provider}), "upstream_linked"
        )

    async def offer_in_txn(self, connection: Connection, offer: Offer) -> str:
        """Let a link wait; its token, for the browser."""
        token = secrets.token_urlsafe(TOKEN_OCTETS)
        await upstream_offer_insert(connection, token_hash(token), offer)
        return token

    async def offered(self, token: str, account_key: int) -> Offer:
        """The link that waits for the person.

        Raises:
            ExpiredError: None does, or for somebody else.
        """
        offer = await self._database.run(lambda connection: upstream_offer_find(connection, token_hash(token)))
        if offer is None or offer.account_key != account_key:
            raise ExpiredError(LAPSED)
        return offer

    async def confirm(self, session: Session, token: str) -> None:
        """The person says that it is meant. Errors as `offered` and `link`."""
        offer = await self.offered(token, session.account_key)
        try:
            async with self._database.transaction() as connection:
                person = await person_in_txn(connection, session.account_key)
                if not await upstream_offer_delete(connection, token_hash(token)):
                    raise ExpiredError(LAPSED)
                await self.link_in_txn(connection, person, offer, session.session_id)
        except UniqueViolation as error:
            raise refusal("taken") from error

    async def unlink(self, person: Person, provider: str) -> None:
        """No subject of the provider opens the person's account; sessions that came by it end, but for the asking one.

        Raises:
            NotFoundError: None did.
            ConflictError: It is the only way by which they can sign in.
        """
        account_key = person.account_key
        async with self._database.transaction() as connection:
            account = await person_in_txn(connection, account_key)
            overview = await overview_in_txn(connection, account_key)
            links = len(await upstream_link_list(connection, account_key))
            has_password = account.password_hash is not None
            if not await upstream_link_delete(connection, account_key, provider):
                raise NotFoundError("no account of that provider is linked")
            if not may_unlink(has_password=has_password, passkeys=len(overview.passkeys), links=links):
                raise ConflictError(LAST, argument="upstream", reason="last")
            for upstream_id in await upstream_session_list_of_account(connection, provider, account_key):
                for session_id, _ in await session_list_of_upstream(connection, upstream_id):
                    if session_id != person.credential:
                        await self._sessions.end_in_txn(
                            connection, account_key, session_id, audit.actor_of(person), "its provider was unlinked"
                        )
            draft = factor_draft(account_key, person.credential, audit.Action.UPSTREAM_UNLINKED)
            await self._told_in_txn(
                connection, account, evolve(draft, after={"provider": provider}), "upstream_unlinked"
            )

    async def _told_in_txn(
        self, connection: Connection, person: PersonAccount, draft: audit.Draft, change: Change
    ) -> None:
        await self._mailing.tell_in_txn(connection, person, change)
        await audit.record(connection, draft)
