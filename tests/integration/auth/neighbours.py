"""Who auth speaks with: privileges, and the routers of both realms, in memory."""

from typing import Any

from autobahn.wamp.exception import ApplicationError

from shared.bus import Bus
from shared.identities import CONTROL_REALM, SYSTEM_REALM
from tests.unit.shared.memory_router import MemoryRouter, MemorySession

KILL_BY_AUTHID = "wamp.session.kill_by_authid"
OWNED = "ironflock.privileges.domain.owned"


class Neighbours:
    """A router in memory; privileges answers with the projects and apps that a test gave out."""

    def __init__(self, bus: Bus) -> None:
        """Nobody has joined yet, nobody owns anything."""
        self.bus = bus
        self.router = MemoryRouter()
        self.owned: dict[int, list[dict[str, Any]]] = {}
        self.heard: list[int] = []
        self.router.answers[OWNED] = lambda *, account_key: self.owned.get(account_key, [])
        self.router.answers[KILL_BY_AUTHID] = lambda *_: 1

    async def join(self) -> tuple[MemorySession, MemorySession]:
        """Both realms' sessions, the system realm's first."""
        system = await self.router.join(self.bus, SYSTEM_REALM)
        await system.subscribe(lambda *, account_key: self.heard.append(account_key), "ironflock.auth.account.erased")
        return system, await self.router.join(self.bus, CONTROL_REALM)

    def goes(self, procedure: str) -> None:
        """Whoever answers `procedure` is away."""

        def away(*_: Any, **__: Any) -> None:
            raise ApplicationError("wamp.error.no_such_procedure", "away")

        self.router.answers[procedure] = away

    def killed(self) -> list[str]:
        """The authids whose sessions were ended, in order."""
        return [args[0] for args in self.router.called(KILL_BY_AUTHID)]
