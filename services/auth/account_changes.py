"""How people change what they sign in by: a new password, another address."""

from psycopg.errors import UniqueViolation

from services.auth import personal
from services.auth.links import AUTH, LAPSED, TAKEN, AccountParts, Links, about, self_of
from services.auth.persons import person_in_txn
from services.auth.records.people import PersonAccount, Purpose
from services.auth.records.sessions import Session, Source
from services.auth.rules.login_names import clean_address, login_canonical
from services.auth.rules.places import place_of
from services.auth.rules.throttling import subject
from services.auth.store.links import link_delete_all, link_is_used
from services.auth.store.people import (
    person_find_by_login,
    person_set_login,
    person_set_password,
)
from services.auth.store.sessions import browser_forget_all, sign_in_delete_all
from services.auth.store.upstream import upstream_link_list
from shared import audit
from shared.database import Connection
from shared.errors import AlreadyExistsError, ExpiredError


class AccountChanges:
    """Changes of an account by its person."""

    def __init__(self, parts: AccountParts, links: Links) -> None:
        """Made of `parts`."""
        self._parts = parts
        self._links = links
        self._database = parts.database

    async def ask_reset(self, address: str, source: Source) -> None:
        """Send a link for a new password, if there is such an account; nothing tells whether there is.

        Raises:
            OverLimitError: Too often from one place, or for one address.
            UnavailableError: Locks cannot be looked up now.
        """
        canonical = login_canonical(address)
        await self._parts.sign_in.lets_in(None)  # before anything is counted: locks that are not known refuse everybody
        await self._parts.throttle.begin(subject("reset", canonical), subject("reset-from", place_of(source.address)))
        async with self._database.transaction() as connection:
            person = await person_find_by_login(connection, canonical)
            is_let_in = await self._parts.sign_in.lets_in(person)
            if person is not None and is_let_in and await _may_reset_in_txn(connection, person):
                await self._links.send_in_txn(connection, person, "reset")

    async def reset(self, code: str, password: str) -> None:
        """Another password: every session ends and no browser is known any more; second factors stay.

        Raises:
            InvalidArgumentError: It is not good enough; the link is not spent.
            ExpiredError: The link opens nothing.
        """
        person = await self._links.look(code, "reset")
        if not await self._parts.sign_in.lets_in(person):
            raise ExpiredError(LAPSED)
        hashed = await self._parts.passwords.hash(password, login_name=person.login_name)
        async with self._database.transaction() as connection:
            await self._links.spend_in_txn(connection, code, "reset")
            await person_set_password(connection, person.account_key, hashed)
            await self._forget_begun_in_txn(connection, person.account_key)
            await browser_forget_all(connection, person.account_key)
            await self._parts.sessions.end_all_in_txn(connection, person.account_key, AUTH, "the password was reset")
            await self._parts.mailing.tell_in_txn(connection, person, "password")
            await audit.record(connection, about(audit.Action.PASSWORD_RESET, AUTH, person.account_key))

    async def change_password(self, session: Session, password: str) -> None:
        """Another password, on an open session that stays; every other session ends. Needs a step-up before.

        Raises:
            InvalidArgumentError: It is not good enough.
        """
        person = await self._database.run(lambda connection: person_in_txn(connection, session.account_key))
        hashed = await self._parts.passwords.hash(password, login_name=person.login_name)
        actor = audit.Actor(audit.ActorKind.PERSON, person.account_key, credential=session.session_id)
        async with self._database.transaction() as connection:
            await person_set_password(connection, person.account_key, hashed)
            await self._forget_begun_in_txn(connection, person.account_key)
            await self._parts.sessions.end_all_in_txn(
                connection, person.account_key, actor, "the password was changed", but=session.session_id
            )
            await self._parts.mailing.tell_in_txn(connection, person, "password")
            await audit.record(connection, about(audit.Action.PASSWORD_CHANGED, actor, person.account_key))

    async def ask_address(self, session: Session, address: str) -> None:
        """Write to the old and to the new address; the change is made once both have been confirmed.

        Raises:
            InvalidArgumentError: It is no address.
            OverLimitError: Too often by one person.
        """
        name = clean_address(address)
        await self._parts.throttle.begin(subject("address", session.account_key))
        async with self._database.transaction() as connection:
            person = await person_in_txn(connection, session.account_key)
            await self._links.send_in_txn(connection, person, "old_address", address=name)
            await self._links.send_in_txn(connection, person, "new_address", to=name, address=name)

    async def confirm_address(self, code: str, purpose: Purpose) -> bool:
        """One end confirms; True once both have and the address has changed.

        Raises:
            ExpiredError: The link opens nothing.
            AlreadyExistsError: Somebody has the address by now.
        """
        other: Purpose = "new_address" if purpose == "old_address" else "old_address"
        try:
            async with self._database.transaction() as connection:
                link = await self._links.spend_in_txn(connection, code, purpose)
                person = await person_in_txn(connection, link.account_key)
                if link.address is None or not await link_is_used(connection, link.account_key, other, link.address):
                    return False
                await person_set_login(connection, link.account_key, link.address, login_canonical(link.address))
                await self._forget_begun_in_txn(connection, link.account_key)
                await self._parts.mailing.tell_in_txn(connection, person, "address")
                before = await personal.said_in_txn(
                    connection, self._parts.keyring, person.account_key, person.login_name
                )
                after = await personal.said_in_txn(connection, self._parts.keyring, person.account_key, link.address)
                await audit.record(connection, _address_changed(person.account_key, before, after))
        except UniqueViolation as error:
            raise AlreadyExistsError(TAKEN) from error
        return True

    async def _forget_begun_in_txn(self, connection: Connection, account_key: int) -> None:
        """What was begun by what somebody signed in by before does not go on: links, half-done sign-ins."""
        await link_delete_all(connection, account_key)
        await sign_in_delete_all(connection, account_key)


def _address_changed(account_key: int, before: audit.Personal | None, after: audit.Personal | None) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.ACCOUNT_ADDRESS_CHANGED,
        aspect=audit.Aspect.ADDRESS,
        actor=self_of(account_key),
        asset=audit.Asset("account", account_key),
        before=None if before is None else {"login_name": before.value()},
        after=None if after is None else {"login_name": after.value()},
    )


async def _may_reset_in_txn(connection: Connection, person: PersonAccount) -> bool:
    """Whether the person may get a password by letter: who is out at another provider comes in by no mailbox."""
    return person.password_hash is not None or not await upstream_link_list(connection, person.account_key)
