"""Another owner for a project."""

from services.privileges.people import People
from services.privileges.projects import Projects
from services.privileges.records.members import NameMember, NameProject, Transfer, TransferList
from services.privileges.rows import TransferRow
from services.privileges.store import domains, history, people
from services.privileges.transfers import Transfers
from shared.database import Database
from shared.identities import Person
from shared.procedures import NoArguments, for_people
from shared.rights.records import DomainKind


class TransferProcedures:
    """Privileges' procedures about ownership."""

    def __init__(self, database: Database, transfers: Transfers, projects: Projects, people: People) -> None:
        """Serve from `database`."""
        self._database = database
        self._transfers = transfers
        self._projects = projects
        self._people = people

    @for_people("ironflock.privileges.transfer.offer", NameMember)
    async def transfer_offer(self, person: Person, request: NameMember) -> Transfer:
        """Offer a project of one's own to somebody else, for 7 days. Needs a step-up."""
        key = await self._projects.meant(person, request.project)
        row = await self._transfers.offer(person, key, request.account, request.reason)
        (view,) = await self._views([row])
        return view

    @for_people("ironflock.privileges.transfer.accept", NameProject)
    async def transfer_accept(self, person: Person, request: NameProject) -> None:
        """Become the owner of a project that is offered. Needs a step-up."""
        await self._transfers.accept(person, await self._projects.meant(person, request.project))

    @for_people("ironflock.privileges.transfer.withdraw", NameProject)
    async def transfer_withdraw(self, person: Person, request: NameProject) -> None:
        """Take an offer back, or decline it."""
        await self._transfers.withdraw(person, await self._projects.meant(person, request.project))

    @for_people("ironflock.privileges.transfer.list", is_reading=True)
    async def transfer_list(self, person: Person, request: NoArguments) -> TransferList:  # noqa: ARG002
        """The offers that the caller made, and those that were made to them."""
        async with self._database.transaction() as connection:
            now = await history.moment(connection)
            rows = await people.transfer_list_of(connection, person.account_key, now)
        return TransferList(await self._views(rows))

    async def _views(self, rows: list[TransferRow]) -> list[Transfer]:
        keys = {row.project_key for row in rows}
        found = await self._database.run(lambda connection: domains.domain_list(connection, keys, DomainKind.PROJECT))
        projects = {row.key: row.name for row in found}
        names = await self._people.names(row.to_account_key for row in rows)
        return [
            Transfer(
                project_key=row.project_key,
                project_name=projects.get(row.project_key, ""),
                from_account_key=row.from_account_key,
                to_account_key=row.to_account_key,
                to_login_name=names.get(row.to_account_key, ""),
                offered_at=row.offered_at,
                ends_at=row.ends_at,
            )
            for row in rows
        ]
