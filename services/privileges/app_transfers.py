"""An app gets another owner: offered, accepted, and theirs at once. Realms, which shows it, is told until it knows.

Names of apps are one in the installation, so that realms has nothing against it.
"""

from contextlib import suppress
from typing import Final

from services.privileges import rules
from services.privileges.asking import NOT_THERE, require
from services.privileges.granting import take_in_txn
from services.privileges.ledger import Ledger, Turn
from services.privileges.people import People
from services.privileges.rows import AppTransferRow, Place
from services.privileges.store import apps, domains, grants
from shared import audit
from shared.bus import Bus
from shared.database import Database
from shared.errors import ConflictError, ExpiredError, NotAuthorizedError, NotFoundError, PublicError
from shared.flags import AssetKind
from shared.identities import Person
from shared.names import clean_text, lookup_name
from shared.rights.records import app_domain

NO_OFFER: Final = "this app is not offered to you"
ENDED: Final = "this offer has ended: ask for another one"
CARRIED_OUT: Final = "this app has just changed hands; try again in a moment"
IS_OWNER: Final = "this person owns the app already"
OWNER_ONLY: Final = "only the owner of the app may do this"


class AppTransfers:
    """Offers apps, and hands them over."""

    def __init__(self, bus: Bus, database: Database, ledger: Ledger, people: People) -> None:
        """Tell realms over `bus`, change rights by `ledger`."""
        self._bus = bus
        self._database = database
        self._ledger = ledger
        self._people = people

    async def app_meant(self, app: int | str) -> int:
        """The key of the app; a key is taken as it is, what may be done there is decided later.

        Raises:
            NotFoundError: None is called that.
        """
        if isinstance(app, int):
            return app
        name = lookup_name(app)
        found = None if name is None else await self._database.run(lambda one: apps.app_find_named(one, name))
        if found is None:
            raise NotFoundError(NOT_THERE)
        return found

    async def offer_app(self, person: Person, app_key: int, account: int | str, reason: str) -> AppTransferRow:
        """Offer the app to somebody, for 7 days; an earlier offer falls away. Needs a step-up.

        Raises:
            StepUpRequiredError: The caller has not shown lately who they are.
            NotFoundError, NotAuthorizedError: There is no such app; they do not own it.
            ConflictError: It is theirs already, or has just changed hands.
        """
        said = clean_text(reason, what="reason")
        await self._people.require_fresh(person)
        await self._require_app_owner(person, app_key)
        heir = (await self._people.meant(person, account)).account_key
        if heir == person.account_key:
            raise ConflictError(IS_OWNER)
        async with self._ledger.turn(app_domain(app_key), person, said) as turn:
            if turn.row.owner_account_key != person.account_key:
                raise NotAuthorizedError(OWNER_ONLY)
            standing = await apps.app_transfer_find(turn.connection, app_key)
            if standing is not None and standing.accepted_at is not None:
                raise ConflictError(CARRIED_OUT)
            row = AppTransferRow(app_key, person.account_key, heir, turn.at, turn.at + rules.TRANSFER_LIFE, None)
            await apps.app_transfer_put(turn.connection, row)
            await turn.record(audit.Action.OWNERSHIP_OFFERED, _app(app_key), after={"account_key": heir})
        return row

    async def withdraw_app(self, person: Person, app_key: int) -> None:
        """The offer is no more: taken back by the owner, or declined by whom it was made to.

        Raises:
            NotFoundError: There is none that is the caller's.
        """
        await self._require_app_offered(person, app_key)
        async with self._ledger.turn(app_domain(app_key), person, absent=NO_OFFER) as turn:
            row = await apps.app_transfer_find(turn.connection, app_key)
            if row is None or row.accepted_at is not None or not _concerns(row, person):
                raise NotFoundError(NO_OFFER)
            await apps.app_transfer_delete(turn.connection, app_key, row.to_account_key)
            before = {"account_key": row.to_account_key}
            await turn.record(audit.Action.OWNERSHIP_WITHDRAWN, _app(app_key), before=before)

    async def accept_app(self, person: Person, app_key: int) -> None:
        """The caller owns the app from now on; who owned it has nothing on it any more. Needs a step-up.

        Raises:
            StepUpRequiredError: The caller has not shown lately who they are.
            NotFoundError, ExpiredError: It is not offered to them; the offer has ended.
        """
        await self._people.require_fresh(person)
        await self._require_app_offered(person, app_key)
        async with self._ledger.turn(app_domain(app_key), person, absent=NO_OFFER) as turn:
            row = await apps.app_transfer_find(turn.connection, app_key)
            if row is None or row.to_account_key != person.account_key or row.accepted_at is not None:
                raise NotFoundError(NO_OFFER)
            if row.ends_at <= turn.at:
                raise ExpiredError(ENDED)
            await _hand_over_in_txn(turn, row)
        with suppress(PublicError):  # it is theirs; who shows it is told again
            await self._tell_owner(row)

    async def tell_owners(self) -> None:
        """Tell realms of every app that has changed hands and of which it does not know yet.

        Raises:
            PublicError: Realms or the database is away.
        """
        for row in await self._database.run(apps.app_transfer_list_accepted):
            await self._tell_owner(row)

    async def _tell_owner(self, row: AppTransferRow) -> None:
        await self._bus.call(
            "ironflock.realms.app.set_owner", app_key=row.app_key, owner_account_key=row.to_account_key
        )
        await self._database.run(
            lambda connection: apps.app_transfer_delete(connection, row.app_key, row.to_account_key)
        )

    async def _require_app_owner(self, person: Person, app_key: int) -> None:
        domain = app_domain(app_key)
        row = await self._database.run(lambda connection: domains.domain_find(connection, domain))
        if row is None:
            raise NotFoundError(NOT_THERE)
        if row.owner_account_key != person.account_key:
            await require(self._database, person, Place(AssetKind.APP, app_key, domain), "READ")
            raise NotAuthorizedError(OWNER_ONLY)

    async def _require_app_offered(self, person: Person, app_key: int) -> None:
        """Let pass whom an offer concerns: to everybody else it is as if there were no such app."""
        row = await self._database.run(lambda connection: apps.app_transfer_find(connection, app_key))
        if row is None or not _concerns(row, person):
            raise NotFoundError(NO_OFFER)


async def _hand_over_in_txn(turn: Turn, row: AppTransferRow) -> None:
    before = turn.row.owner_account_key or 0
    await domains.domain_set_owner(turn.connection, turn.domain, row.to_account_key)
    await apps.app_transfer_accept(turn.connection, row.app_key, turn.at)
    await take_in_txn(turn, await grants.grant_delete_in(turn.connection, turn.domain, row.to_account_key))
    turn.write([rules.owner_line(before, is_on=False), rules.owner_line(row.to_account_key, is_on=True)])
    await turn.record(
        audit.Action.OWNERSHIP_TRANSFERRED,
        _app(row.app_key),
        before={"owner_account_key": before},
        after={"owner_account_key": row.to_account_key},
    )


def _concerns(row: AppTransferRow, person: Person) -> bool:
    return person.account_key in (row.from_account_key, row.to_account_key)


def _app(app_key: int) -> audit.Asset:
    return audit.Asset("app", app_key)
