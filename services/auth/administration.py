"""Accounts in the hands of those who run the installation: disabled, enabled, uninvited; and what lapsed by itself.

Disabling and enabling need `LOCK` on the installation, invitations `INVITE`.
"""

from collections.abc import Callable
from typing import Final

import structlog

from services.auth.installation import Installation
from services.auth.links import about, done_by
from services.auth.mailing import Mailing
from services.auth.persons import person_in_txn
from services.auth.records.people import Invitation, PersonAccount
from services.auth.rules.throttling import FORGOTTEN_AFTER_S
from services.auth.sessions import Sessions
from services.auth.store.accounts import account_erase
from services.auth.store.links import link_delete_all
from services.auth.store.messages import message_delete_all
from services.auth.store.people import person_list_invited, person_list_lapsed, person_set_state
from services.auth.store.sealing import person_key_delete
from services.auth.store.throttle import throttle_sweep
from shared import audit
from shared.database import Connection, Database
from shared.errors import ConflictError, NotFoundError
from shared.identities import Person
from shared.names import clean_text

LAPSED_AT_ONCE: Final = 100

log = structlog.get_logger()


class Administration:
    """What those who run the installation do with others' accounts."""

    def __init__(
        self,
        database: Database,
        sessions: Sessions,
        mailing: Mailing,
        installation: Installation,
        *,
        shut_out: Callable[[], None],
    ) -> None:
        """Work on `database`; `shut_out` is called when somebody was disabled, so that what they have open ends."""
        self._installation = installation
        self._shut_out = shut_out
        self._database = database
        self._sessions = sessions
        self._mailing = mailing

    async def disable(self, person: Person, account_key: int, reason: str) -> None:
        """Nobody signs in by the account, its sessions end, its keys open nothing; it can be enabled again.

        Raises:
            NotAuthorizedError, NotFoundError, ConflictError: Without `LOCK`; no such account; their own.
            UnavailableError: Rights cannot be looked up now.
        """
        said = clean_text(reason, what="reason")
        await self._installation.require(person, "LOCK")
        async with self._database.transaction() as connection:
            account = await _other_in_txn(connection, person, account_key)
            if account.state == "disabled":
                return
            actor = audit.actor_of(person)
            await person_set_state(connection, account_key, "disabled", said)
            await self._sessions.end_all_in_txn(connection, account_key, actor, "the account was disabled")
            await self._mailing.tell_in_txn(connection, account, "disabled")
            await audit.record(connection, _state_changed(audit.Action.ACCOUNT_DISABLED, person, account, said))
        self._shut_out()

    async def enable(self, person: Person, account_key: int, reason: str) -> None:
        """The account can be used again; whoever wants to must sign in anew. Errors as `disable`."""
        said = clean_text(reason, what="reason")
        await self._installation.require(person, "LOCK")
        async with self._database.transaction() as connection:
            account = await _other_in_txn(connection, person, account_key)
            if account.state != "disabled":
                return
            await person_set_state(connection, account_key, "active", None)
            await audit.record(connection, _state_changed(audit.Action.ACCOUNT_ENABLED, person, account, said))

    async def invitations(self, person: Person) -> list[Invitation]:
        """Who is invited and has not come yet.

        Raises:
            NotAuthorizedError: The caller has not `INVITE`.
            UnavailableError: Rights cannot be looked up now.
        """
        await self._installation.require(person, "INVITE")
        async with self._database.transaction() as connection:
            return await person_list_invited(connection)

    async def revoke_invitation(self, person: Person, account_key: int) -> None:
        """The invitation opens nothing any more, and nothing is kept of the address.

        Raises:
            NotAuthorizedError, NotFoundError: Without `INVITE`; nobody is invited by that key.
            UnavailableError: Rights cannot be looked up now.
        """
        await self._installation.require(person, "INVITE")
        async with self._database.transaction() as connection:
            guest = await person_in_txn(connection, account_key)
            if guest.state != "pending":
                raise NotFoundError("nobody is invited by that key")
            await _forget_in_txn(connection, account_key)
            await audit.record(connection, done_by(person, audit.Action.INVITATION_REVOKED, account_key))

    async def sweep(self) -> None:
        """Forget who never came, and counters that nobody needs."""
        async with self._database.transaction() as connection:
            lapsed = await person_list_lapsed(connection, LAPSED_AT_ONCE)
            for account_key in lapsed:
                await _forget_in_txn(connection, account_key)
                actor = audit.Actor(audit.ActorKind.SERVICE, "auth", on_behalf_of=account_key)
                await audit.record(connection, about(audit.Action.ACCOUNT_ERASED, actor, account_key))
            await throttle_sweep(connection, FORGOTTEN_AFTER_S)
        if lapsed:
            log.info("accounts_lapsed", count=len(lapsed))


async def _other_in_txn(connection: Connection, person: Person, account_key: int) -> PersonAccount:
    if account_key == person.account_key:
        raise ConflictError("you would lock yourself out; somebody else has to do that")
    account = await person_in_txn(connection, account_key)
    if account.erased_at is not None or account.state == "pending":
        raise NotFoundError("there is no such account")
    return account


async def _forget_in_txn(connection: Connection, account_key: int) -> None:
    await account_erase(connection, account_key)
    await person_key_delete(connection, account_key)
    await link_delete_all(connection, account_key)
    await message_delete_all(connection, account_key)


def _state_changed(action: audit.Action, person: Person, account: PersonAccount, reason: str) -> audit.Draft:
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.STATE,
        actor=audit.actor_of(person),
        asset=audit.Asset("account", account.account_key),
        before={"state": account.state},
        after={"state": "disabled" if action is audit.Action.ACCOUNT_DISABLED else "active"},
        reason=reason or None,
        session=person.session or None,
    )
