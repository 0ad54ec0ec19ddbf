"""Which app somebody means, and whether they may do with it what they want to."""

from typing import Final

from services.realms.records.apps import App
from services.realms.store import apps as store
from shared.database import Connection, Database
from shared.errors import NotAuthorizedError, NotFoundError
from shared.identities import Person
from shared.names import lookup_name
from shared.rights.decision_point import Rights
from shared.rights.records import DomainKind, Holdings, app_asset, app_domain

NO_APP: Final = "there is no such app, or you may not see it"
OWNER_ONLY: Final = "only the owner of the app may do this"


class Apps:
    """Finds them."""

    def __init__(self, database: Database, rights: Rights) -> None:
        """Look in `database`; `rights` knows who may do what."""
        self._database = database
        self._rights = rights

    async def with_flag(self, person: Person, flag: str, wanted: int | str) -> App:
        """The app that the person means and on which they have `flag`.

        Raises:
            NotFoundError: There is none, or they may not see it: the two look the same.
            NotAuthorizedError: They see it, and lack the flag.
        """
        app = await self._database.run(lambda connection: _find(connection, wanted))
        if app is None:
            await self._rights.settled()
            raise NotFoundError(NO_APP)
        asset, domain = app_asset(app.app_key, is_public=app.is_public), app_domain(app.app_key)
        await self._rights.require(person, flag, asset, domain, absent=NO_APP)
        return app

    async def owned(self, person: Person, flag: str, wanted: int | str) -> App:
        """As `with_flag`, for what its owner alone decides.

        Raises:
            NotAuthorizedError: They have the flag, and somebody else owns the app.
        """
        app = await self.with_flag(person, flag, wanted)
        holdings = await self._rights.holdings_now(person.account_key)
        if not holdings.standing(app_domain(app.app_key)).is_owner:
            raise NotAuthorizedError(OWNER_ONLY)
        return app

    async def list(self, person: Person, *, after: int, limit: int) -> list[App]:
        """At most `limit` apps that the person may see, with keys above `after`, in their order."""
        holdings = await self._rights.holdings(person.account_key)
        keys = [
            held.domain.key
            for held in holdings.held
            if held.domain.kind is DomainKind.APP and self._sees(holdings, held.domain.key, is_public=False)
        ]
        found = await self._database.run(lambda connection: store.app_list(connection, keys, after=after, limit=limit))
        return [app for app in found if self._sees(holdings, app.app_key, is_public=app.is_public)]

    def _sees(self, holdings: Holdings, key: int, *, is_public: bool) -> bool:
        asset = app_asset(key, is_public=is_public)
        return self._rights.judge(holdings, "READ", asset, app_domain(key)).allowed


async def _find(connection: Connection, wanted: int | str) -> App | None:
    if isinstance(wanted, int):
        return await store.app_find(connection, wanted)
    name = lookup_name(wanted)
    return None if name is None else await store.app_find_by_name(connection, name)
