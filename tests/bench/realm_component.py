"""Starts realms inside a Crossbar worker, ours and Crossbar's own, and says how long it took."""

import time
from collections.abc import Awaitable, Callable
from typing import Any, Final

from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.types import SessionDetails
from crossbar.router.router import Router
from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred
from typing_extensions import override

from ironflock_router import data_permissions, data_rules
from ironflock_router.app_sessions import AppSessions
from ironflock_router.data_realms import DataRealms
from ironflock_router.realms import Realms
from ironflock_router.roles import roles_install, roles_of

OURS: Final = "bench.realms.ours"
BARE: Final = "bench.realms.bare"
MOST: Final = 512
EVERYTHING: Final = {
    "uri": "",
    "match": "prefix",
    "allow": {"call": True, "register": True, "publish": True, "subscribe": True},
    "cache": True,
}


class RealmComponent(ApplicationSession):
    """Named in a node's configuration; the node exposes its controller to it."""

    @override
    async def onJoin(self, details: SessionDetails) -> None:
        """Offer both ways."""
        clock: Any = reactor

        def install(router: Router) -> None:
            names = roles_of(data_permissions.TABLE, data_permissions.DATA_REALM)
            kept = {"registrations": MOST, "subscriptions": MOST, "on_call": None, "now": clock.seconds}
            roles_install(router, names, data_rules.decide, **kept)

        realms = DataRealms(Realms(), clock, AppSessions(MOST), install, lambda _: None)

        async def bare(name: str) -> None:
            config = {"name": name, "roles": [{"name": "everyone", "permissions": [EVERYTHING]}]}
            await maybeDeferred(self.config.controller.start_router_realm, name, config)

        await self.register(lambda first, last: _timed(realms.open, first, last), OURS)
        await self.register(lambda first, last: _timed(bare, first, last), BARE)


async def _timed(start: Callable[[str], Awaitable[Any]], first: int, last: int) -> float:
    """Seconds for the realms of these numbers, one after the other."""
    began = time.perf_counter()
    for number in range(first, last):
        await start(f"realm-1-{number}-dev")
    return time.perf_counter() - began
