"""What releases of apps ask for: asked of realms once, since it never changes, and what of it needs another flag."""

from typing import Final

from services.devices.apps.installs import Installs
from services.devices.reaching import NO_DEVICE
from services.devices.records.apps import AppContents, AppOnDevice, AppRelease
from services.devices.records.devices import Device
from services.devices.rules import devices as rules
from services.devices.store import releases as store
from shared.database import Database
from shared.errors import NotAuthorizedError
from shared.identities import Person
from shared.releases import NOTHING, Contents
from shared.rights.decision_point import Rights

DEVELOP: Final = "DEVELOP"
POWER: Final = "this release asks for power over the device ({where}), which needs DEVELOP there besides INSTALL"
MOST_SAID: Final = 5


class Releases:
    """Knows what releases ask for."""

    def __init__(self, database: Database, rights: Rights, installs: Installs) -> None:
        """Keep in `database` what `installs` asks realms for."""
        self._database = database
        self._rights = rights
        self._installs = installs

    async def contents(self, release: AppRelease | None) -> Contents:
        """What the release asks for.

        Raises:
            UnavailableError, OutcomeUnknownError: Realms is to be asked, and is away.
        """
        if release is None:
            return NOTHING
        key = release.release_key
        found = await self._database.run(lambda connection: store.contents_find(connection, key))
        if found is None:
            found = await self._installs.contents(key)
            asked = found
            await self._database.run(lambda connection: store.contents_put(connection, key, asked))
        return found

    async def of(self, app: AppOnDevice) -> AppContents:
        """What is asked for by the release that is wanted, and by the one that the device has; errors as `contents`."""
        wanted = await self.contents(app.release)
        return AppContents(wanted, wanted if app.present in (None, app.release) else await self.contents(app.present))

    async def require(self, person: Person, device: Device, release: AppRelease | None) -> None:
        """The person may put that release on the device, on which they have `INSTALL` (decision 18).

        Raises:
            NotAuthorizedError: It asks for power over the device, and they lack `DEVELOP` there. Others as `contents`.
        """
        where = (await self.contents(release)).needs_develop
        if not where:
            return
        asset, place = rules.asset(device), rules.domain(device.project_key)
        try:
            await self._rights.require(person, DEVELOP, asset, place, absent=NO_DEVICE)
        except NotAuthorizedError as error:
            raise NotAuthorizedError(POWER.format(where=", ".join(where[:MOST_SAID])), flag=DEVELOP) from error

    async def may(self, account_key: int, device: Device, release: AppRelease | None) -> bool:
        """As `require`, for what is done for somebody who is not there: whether the account may."""
        if not (await self.contents(release)).needs_develop:
            return True
        place = rules.domain(device.project_key)
        return (await self._rights.decide(account_key, DEVELOP, rules.asset(device), place)).allowed
