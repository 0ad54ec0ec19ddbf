"""Accounts in the hands of those who run the installation: disabled, enabled, uninvited; and what lapsed by itself.

Until rights on the installation are flags of their own, the first owner alone has them.
"""

from collections.abc import Callable
from typing import Final

import structlog

from services.auth.links import about
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
from shared.errors import ConflictError, NotAuthorizedError, NotFoundError
from shared.identities import Person
from shared.names import clean_text

NOT_YOURS: Final = "only the first owner of this installation may do this"
LAPSED_AT_ONCE: Final = 100

log = structlog.get_logger()


class Administration:
    """What the first owner does with others' accounts."""

    def __init__(
        self, database: Database, sessions: Sessions, mailing: Mailing, *, shut_out: Callable[[], None]
    ) -> None:
        """Work on `database`; `shut_out` is called when somebody was disabled, so that what they have open ends."""
        self._shut_out = shut_out
        self._database = database
        self._sessions = sessions
        self._mailing = mailing

    async def disable(self, person: Person, account_key: int, reason: str) -> None:
        """Nobody signs in by the account, its sessions end, its keys open nothing; it can be enabled again.

        Raises:
            NotAuthorizedError, NotFoundError, ConflictError: Not the first owner; no such account; their own.
        """
        said = clean_text(reason, what="reason")
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
        async with self._database.transaction() as connection:
            account = await _other_in_txn(connection, person, account_key)
            if account.state != "disabled":
                return
            await person_set_state(connection, account_key, "active", None)
            await audit.record(connection, _state_changed(audit.Action.ACCOUNT_ENABLED, person, account, said))

    async def invitations(self, person: Person) -> list[Invitation]:
        """Who is invited and has not come yet.

        Raises:
            NotAuthorizedError: The caller is not the first owner.
        """
        async with self._database.transaction() as connection:
            await first_owner_in_txn(connection, person)
            return await person_list_invited(connection)

    async def revoke_invitation(self, person: Person, account_key: int) -> None:
        """The invitation opens nothing any more, and nothing is kept of the address.

        Raises:
            NotAuthorizedError, NotFoundError: Not the first owner; nobody is invited by that key.
        """
        async with self._database.transaction() as connection:
            await first_owner_in_txn(connection, person)
            guest = await person_in_txn(connection, account_key)
            if guest.state != "pending":
                raise NotFoundError("nobody is invited by that key")
            await _forget_in_txn(connection, account_key)
            await audit.record(connection, about(audit.Action.INVITATION_REVOKED, audit.actor_of(person), account_key))

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


async def first_owner_in_txn(connection: Connection, person: Person) -> PersonAccount:
    """The caller, who is the first owner.

    Raises:
        NotAuthorizedError: They are not.
    """
    caller = await person_in_txn(connection, person.account_key)
    if not caller.is_first_owner:
        raise NotAuthorizedError(NOT_YOURS)
    return caller


async def _other_in_txn(connection: Connection, person: Person, account_key: int) -> PersonAccount:
    await first_owner_in_txn(connection, person)
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
