"""Who may read a data backend by SQL: whose API key or access token it is, and whether they have `CONNECT` there."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

import attrs

from services.fleetdb.records.backends import Backend
from services.fleetdb.records.sql import Admission, Startup
from shared.bus import Bus
from shared.errors import NotAuthorizedError, NotFoundError
from shared.flags import AssetKind
from shared.identities import Person
from shared.rights.decision_point import Rights
from shared.rights.records import Asset, project_domain
from shared.scopes import scopes_of

FLAG: Final = "CONNECT"
NO_KEY: Final = "the password opens nothing: it is an API key or an access token of yours"
ABSENT: Final = "there is no such data backend, or you may not see it; its name is that of its realm"
NOW_ANOTHER: Final = "the credential is another person's now; connect again"

Find = Callable[[str], Backend | None]
"""The backend that serves the data realm of that name."""
LoginOf = Callable[[Backend, int], Awaitable[str]]
"""The login of an account at a backend, which reads there; made where there was none."""


class Admissions:
    """Lets people in, and says whether they may still be there."""

    def __init__(self, bus: Bus, rights: Rights, find: Find, login_of: LoginOf) -> None:
        """Ask auth and realms over `bus`, and `rights`."""
        self._bus = bus
        self._rights = rights
        self._find = find
        self._login_of = login_of

    async def admit(self, startup: Startup, password: str, address: str) -> Admission:
        """As what the client may read; its `user` says nothing, since the password does.

        Raises:
            NotAuthorizedError: The password opens nothing, or they lack the flag.
            NotFoundError: There is no such backend, or they may not know of it.
            UnavailableError: Nobody can say.
        """
        opened = await self._opened(password, address)
        backend = self._find(startup.database)
        if backend is None:
            raise NotFoundError(ABSENT)
        admission = Admission(
            account_key=opened["account_key"],
            credential=opened["credential"],
            address=address,
            project_key=backend.project_key,
            backend_key=backend.backend_key,
            database=backend.database,
            login="",
            ends_at=opened["ends_at"],
            cluster=backend.cluster,
        )
        await self._require(admission, opened["scopes"])
        return attrs.evolve(admission, login=await self._login_of(backend, admission.account_key))

    async def confirm(self, admission: Admission, password: str) -> None:
        """Return while the person may be there. Errors as `admit`."""
        opened = await self._opened(password, admission.address)
        if opened["account_key"] != admission.account_key:
            raise NotAuthorizedError(NOW_ANOTHER)
        await self._require(admission, opened["scopes"])

    async def _opened(self, password: str, address: str) -> dict[str, Any]:
        opened = await self._bus.call("ironflock.auth.ticket.verify", ticket=password, address=address)
        if opened is None:
            raise NotAuthorizedError(NO_KEY)
        return dict(opened)

    async def _require(self, admission: Admission, scopes: list[str]) -> None:
        usable = scopes_of(scopes).usable(changes=False)
        person = Person(admission.account_key, 0, admission.credential, usable)
        asset, domain = Asset(AssetKind.DATA_BACKEND, admission.backend_key), project_domain(admission.project_key)
        await self._rights.require(person, FLAG, asset, domain, absent=ABSENT)
        # Where the project requires a second factor, realms refuses those who have none.
        await self._bus.call(
            "ironflock.realms.project.resolve", account_key=admission.account_key, project=admission.project_key
        )
