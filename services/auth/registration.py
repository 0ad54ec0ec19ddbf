"""How people come, and how they change what they sign in by: invitation, sign-up, verification, reset, another address.

Whoever asks from outside learns nothing: the page says the same whether or not there is such an account, and what there
is to say goes to the address. A link opens once; looking at its page spends nothing, since mail scanners look at pages.
"""

import secrets

from services.auth import personal
from services.auth.installation import Installation
from services.auth.links import AUTH, CLOSED, LAPSED, TAKEN, AccountParts, Links, about, done_by, self_of
from services.auth.persons import person_in_txn
from services.auth.records.people import Locale, PersonAccount, Purpose, SetupLink
from services.auth.records.sessions import NewSession, Source
from services.auth.rules.login_names import clean_address, login_canonical
from services.auth.rules.places import place_of
from services.auth.rules.throttling import subject
from services.auth.sessions import TOKEN_OCTETS, token_hash
from services.auth.store.links import link_delete_all, link_insert
from services.auth.store.people import (
    person_activate,
    person_find_by_login,
    person_insert_pending,
    person_lock_in_txn,
)
from services.auth.store.sealing import person_key_insert
from shared import audit
from shared.database import Connection
from shared.errors import AlreadyExistsError, ConflictError, ExpiredError, NotAuthorizedError
from shared.identities import Person
from shared.names import clean_name


class Registration:
    """Accounts of people, from the first message on."""

    def __init__(self, parts: AccountParts, links: Links, installation: Installation) -> None:
        """Made of `parts`; inviting needs `INVITE` on the `installation`."""
        self._installation = installation
        self._parts = parts
        self._links = links
        self._database = parts.database

    @property
    def is_open(self) -> bool:
        """Whether people may sign up without an invitation."""
        return self._parts.is_open

    async def invite(self, inviter: Person, address: str, locale: Locale) -> int:
        """Invite somebody; inviting again sends another link. Returns the key of their account.

        Raises:
            NotAuthorizedError: The caller has not `INVITE` on the installation.
            AlreadyExistsError: They are here already.
            UnavailableError: Rights cannot be looked up now.
        """
        name = clean_address(address)
        await self._installation.require(inviter, "INVITE")
        async with self._database.transaction() as connection:
            host = await person_in_txn(connection, inviter.account_key)
            guest = await self.pending_in_txn(connection, name, locale)
            await self._links.send_in_txn(
                connection, guest, "invitation", inviter=host.display_name or host.login_name,
                created_by=host.account_key,
            )  # fmt: skip
            said = await personal.said_in_txn(connection, self._parts.keyring, guest.account_key, name)
            await audit.record(
                connection,
                done_by(inviter, audit.Action.ACCOUNT_INVITED, guest.account_key, said),
            )
        return guest.account_key

    async def sign_up(self, address: str, locale: Locale, source: Source) -> None:
        """Send a link to whoever has the address; nothing tells whether there was an account.

        Raises:
            NotAuthorizedError: This installation is by invitation.
            OverLimitError: Too often from one place, or for one address.
        """
        if not self._parts.is_open:
            raise NotAuthorizedError(CLOSED)
        name = clean_address(address)
        counted = (subject("sign-up", place_of(source.address)), subject("sign-up-for", login_canonical(name)))
        await self._parts.throttle.begin(*counted)
        async with self._database.transaction() as connection:
            known = await person_find_by_login(connection, login_canonical(name))
            if known is not None and known.state != "pending":
                await self._parts.mailing.write_in_txn(connection, known, "known_address")
                return
            guest = known or await self.pending_in_txn(connection, name, locale)
            await self._links.send_in_txn(connection, guest, "verification")

    async def accept(
        self, code: str, purpose: Purpose, *, display_name: str, password: str, locale: Locale, source: Source
    ) -> NewSession:
        """Come: by an `invitation`, a `verification` or the first owner's `setup`; signed in afterwards.

        Raises:
            InvalidArgumentError: The password is not good enough; the link is not spent.
            ExpiredError: The link opens nothing, or the person has come by another one.
        """
        person = await self._links.look(code, purpose)
        _require_awaited(person, purpose)
        name = clean_name(display_name, what="display_name")
        hashed = await self._parts.passwords.hash(password, login_name=person.login_name)
        async with self._database.transaction() as connection:
            await self._links.spend_in_txn(connection, code, purpose)
            locked = await person_lock_in_txn(connection, person.account_key)
            _require_awaited(locked, purpose)
            await link_delete_all(connection, person.account_key)
            await person_activate(
                connection, person.account_key, password_hash=hashed, display_name=name, locale=locale
            )
            action = audit.Action.PASSWORD_CHANGED if purpose == "setup" else audit.Action.ACCOUNT_VERIFIED
            await audit.record(connection, about(action, self_of(person.account_key), person.account_key))
            there = await person_in_txn(connection, person.account_key)
            return await self._parts.sign_in.open_in_txn(connection, there, ["pwd"], source, browser=None)

    async def setup_link(self, person: Person) -> SetupLink:
        """Where the first owner, who has an API key alone, gets a password.

        Raises:
            ConflictError: The account has been set up.
        """
        async with self._database.transaction() as connection:
            account = await person_in_txn(connection, person.account_key)
            if not account.is_first_owner or account.password_hash is not None:
                raise ConflictError("this account has been set up; sign in, or ask for a new password")
            code = secrets.token_urlsafe(TOKEN_OCTETS)
            await link_insert(
                connection, token_hash(code), purpose="setup", account_key=account.account_key,
                created_by=account.account_key,
            )  # fmt: skip
        return SetupLink(self._parts.mailing.url("setup", code), ends_in_s=1_800)

    async def arrive_in_txn(
        self, connection: Connection, address: str, *, display_name: str, locale: Locale
    ) -> PersonAccount:
        """Let somebody come whose address another provider has verified: invited before, or made anew.

        Raises:
            AlreadyExistsError: They are here already.
        """
        guest = await self.pending_in_txn(connection, clean_address(address), locale)
        await link_delete_all(connection, guest.account_key)
        await person_activate(
            connection, guest.account_key, password_hash=None, display_name=display_name, locale=locale
        )
        action = audit.Action.ACCOUNT_VERIFIED
        await audit.record(connection, about(action, self_of(guest.account_key), guest.account_key))
        return await person_in_txn(connection, guest.account_key)

    async def pending_in_txn(self, connection: Connection, name: str, locale: Locale) -> PersonAccount:
        """The account of somebody who has still to come, made where there is none.

        Raises:
            AlreadyExistsError: They are here already.
        """
        known = await person_find_by_login(connection, login_canonical(name))
        if known is not None and known.state != "pending":
            raise AlreadyExistsError(TAKEN)
        if known is not None:
            return known
        account_key = await person_insert_pending(connection, name, login_canonical(name), locale)
        key = personal.new_person_key()
        sealed = self._parts.keyring.seal_person_key(key, personal.place_of_key(account_key))
        await person_key_insert(connection, account_key, sealed)
        said = audit.Personal(account_key, personal.seal(key, account_key, name))
        await audit.record(connection, about(audit.Action.ACCOUNT_CREATED, AUTH, account_key, said))
        return await person_in_txn(connection, account_key)


def _require_awaited(person: PersonAccount | None, purpose: Purpose) -> None:
    """Links of two kinds may be open at once: once somebody has come, or is disabled, none of them opens anything."""
    awaited = "active" if purpose == "setup" else "pending"
    if person is None or person.state != awaited or person.password_hash is not None:
        raise ExpiredError(LAPSED)
