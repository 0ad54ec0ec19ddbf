"""Links in messages: made, looked at, spent; and what registration and changes of an account have in common."""

import secrets
from typing import Final

from attrs import evolve, frozen

from services.auth.keyring import Keyring
from services.auth.mailing import Mailing
from services.auth.passwords import Passwords
from services.auth.persons import person_in_txn
from services.auth.records.people import Link, PersonAccount, Purpose
from services.auth.sessions import TOKEN_OCTETS, Sessions, token_hash
from services.auth.sign_in import SignIn
from services.auth.store.links import link_find, link_insert, link_spend
from services.auth.throttling import Throttle
from shared import audit
from shared.database import Connection, Database
from shared.errors import ExpiredError
from shared.identities import Person

LAPSED: Final = "this link is too old, or was used before; ask for a new one"
TAKEN: Final = "there is an account of that address"
CLOSED: Final = "people come to this installation by invitation"
AUTH: Final = audit.Actor(audit.ActorKind.SERVICE, "auth")


@frozen
class AccountParts:
    """What changes an account is made of; `is_open`: whether people may sign up without an invitation."""

    database: Database
    keyring: Keyring
    mailing: Mailing
    passwords: Passwords
    sessions: Sessions
    sign_in: SignIn
    throttle: Throttle
    is_open: bool


class Links:
    """Opens once, for one purpose; looking spends nothing, since mail scanners look at pages."""

    def __init__(self, database: Database, mailing: Mailing) -> None:
        """Keep them in `database`, send them with `mailing`."""
        self._database = database
        self._mailing = mailing

    async def look(self, code: str, purpose: Purpose) -> PersonAccount:
        """Whose open link `code` is; nothing is spent.

        Raises:
            ExpiredError: It opens nothing.
        """
        async with self._database.transaction() as connection:
            link = await link_find(connection, token_hash(code))
            if link is None or link.purpose != purpose:
                raise ExpiredError(LAPSED)
            return await person_in_txn(connection, link.account_key)

    async def send_in_txn(
        self,
        connection: Connection,
        person: PersonAccount,
        purpose: Purpose,
        *,
        to: str | None = None,
        address: str | None = None,
        created_by: int | None = None,
        **words: str,
    ) -> None:
        """Send a link to `person`, or to their new address `to`."""
        code = secrets.token_urlsafe(TOKEN_OCTETS)
        await link_insert(
            connection, token_hash(code), purpose=purpose, account_key=person.account_key, address=address,
            created_by=created_by,
        )  # fmt: skip
        url = self._mailing.url(purpose.replace("_", "-"), code)
        known = {"address": address} if address is not None else {}
        await self._mailing.write_in_txn(connection, person, purpose, to=to, url=url, **known, **words)

    async def spend_in_txn(self, connection: Connection, code: str, purpose: Purpose) -> Link:
        """Spend a link.

        Raises:
            ExpiredError: It opens nothing.
        """
        link = await link_spend(connection, token_hash(code))
        if link is None or link.purpose != purpose:
            raise ExpiredError(LAPSED)
        return link


def self_of(account_key: int) -> audit.Actor:
    """The person of the account as the one who acts."""
    return audit.Actor(audit.ActorKind.PERSON, account_key)


def about(
    action: audit.Action, actor: audit.Actor, account_key: int, said: audit.Personal | None = None
) -> audit.Draft:
    """An entry about an account; `said` is its login name."""
    return audit.Draft(
        action=action,
        aspect=audit.Aspect.EXISTENCE if action is audit.Action.ACCOUNT_CREATED else audit.Aspect.ACCESS,
        actor=actor,
        asset=audit.Asset("account", account_key),
        after=None if said is None else {"login_name": said.value()},
    )


def done_by(person: Person, action: audit.Action, account_key: int, said: audit.Personal | None = None) -> audit.Draft:
    """As `about`, of what a person has done on the session that they are there by."""
    return evolve(about(action, audit.actor_of(person), account_key, said), session=person.session or None)
