"""Another owner for an app."""

from services.privileges.app_transfers import AppTransfers
from services.privileges.people import People
from services.privileges.records.apps import AppTransfer, AppTransferList, NameApp, OfferApp
from services.privileges.rows import AppTransferRow
from services.privileges.store import apps, domains, history
from shared.database import Database
from shared.identities import Person
from shared.procedures import NoArguments, for_people
from shared.rights.records import DomainKind


class AppTransferProcedures:
    """Privileges' procedures about whose an app is."""

    def __init__(self, database: Database, transfers: AppTransfers, people: People) -> None:
        """Serve from `database`."""
        self._database = database
        self._transfers = transfers
        self._people = people

    @for_people("ironflock.privileges.app_transfer.offer", OfferApp)
    async def app_transfer_offer(self, person: Person, request: OfferApp) -> AppTransfer:
        """Offer an app of one's own to somebody else, for 7 days. Needs a step-up."""
        key = await self._transfers.app_meant(request.app)
        row = await self._transfers.offer_app(person, key, request.account, request.reason)
        (view,) = await self._app_views([row])
        return view

    @for_people("ironflock.privileges.app_transfer.accept", NameApp)
    async def app_transfer_accept(self, person: Person, request: NameApp) -> None:
        """Become the owner of an app that is offered. Needs a step-up."""
        await self._transfers.accept_app(person, await self._transfers.app_meant(request.app))

    @for_people("ironflock.privileges.app_transfer.withdraw", NameApp)
    async def app_transfer_withdraw(self, person: Person, request: NameApp) -> None:
        """Take an offer back, or decline it."""
        await self._transfers.withdraw_app(person, await self._transfers.app_meant(request.app))

    @for_people("ironflock.privileges.app_transfer.list", is_reading=True)
    async def app_transfer_list(self, person: Person, request: NoArguments) -> AppTransferList:  # noqa: ARG002
        """The offers of apps that the caller made, and those that were made to them."""
        async with self._database.transaction() as connection:
            now = await history.moment(connection)
            rows = await apps.app_transfer_list_of(connection, person.account_key, now)
        return AppTransferList(await self._app_views(rows))

    async def _app_views(self, rows: list[AppTransferRow]) -> list[AppTransfer]:
        keys = [row.app_key for row in rows]
        found = await self._database.run(lambda connection: domains.domain_list(connection, keys, DomainKind.APP))
        called = {row.key: row.name for row in found}
        names = await self._people.names(row.to_account_key for row in rows)
        return [
            AppTransfer(
                app_key=row.app_key,
                app_name=called.get(row.app_key, ""),
                from_account_key=row.from_account_key,
                to_account_key=row.to_account_key,
                to_login_name=names.get(row.to_account_key, ""),
                offered_at=row.offered_at,
                ends_at=row.ends_at,
            )
            for row in rows
        ]
