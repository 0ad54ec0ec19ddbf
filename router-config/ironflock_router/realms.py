"""Realms: a router of Crossbar's for each, with Crossbar's own session in it, which publishes and answers its meta API.

This is what Crossbar's router worker does with a node's configuration. The worker itself is not here: it is managed by
a second process, a node's controller, and all that the two say to each other is how to do these few lines.
"""

from typing import Any, Final

from attrs import define
from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp.types import ComponentConfig
from crossbar.router.router import Router, RouterFactory
from crossbar.router.service import RouterServiceAgent
from crossbar.router.session import RouterSessionFactory
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime

from ironflock_router.loops import turn

TRUSTED: Final = "trusted"
"""The role of sessions of our own: Crossbar lets it do everything."""
OWN: Final = "router"


@define(eq=False)
class Realm:
    """What a router of Crossbar's reads of the realm that it serves; `session` is Crossbar's own."""

    id: str
    config: dict[str, Any]
    session: ApplicationSession | None = None


class Realms:
    """The realms that run in this process."""

    def __init__(self) -> None:
        """None runs."""
        self.factory: Final = RouterFactory(OWN, OWN, None)
        self._embedded: Any = RouterSessionFactory(self.factory)
        self._running: dict[str, Realm] = {}

    def has(self, name: str) -> bool:
        """Whether the realm runs."""
        return name in self._running

    def router(self, name: str) -> Router:
        """The router of a realm that runs."""
        return self.factory._routers[name]  # noqa: SLF001 - `get` is not typed

    def own_session(self, name: str) -> ApplicationSession:
        """Crossbar's own session in a realm that runs."""
        session = self._running[name].session
        assert session is not None  # noqa: S101 - set before it runs
        return session

    def start(self, name: str) -> Router:
        """Start a realm if it is not running, in this turn, and return its router."""
        if name not in self._running:
            realm = Realm(name, {"name": name, "roles": []})
            router = self.factory.start_realm(realm)  # type: ignore[arg-type]  # as much of one as is read
            realm.session = RouterServiceAgent(ComponentConfig(name, {"onready": Deferred()}), router)
            self._running[name] = realm
            self.embed(realm.session, name)
        return self.router(name)

    def is_registered(self, procedure: str, name: str) -> bool:
        """Whether a call of `procedure` in a realm that runs would find a callee now."""
        dealer = self.router(name)._dealer  # noqa: SLF001
        registration = dealer._registration_map.best_matching_observation(procedure)  # noqa: SLF001
        return registration is not None and bool(registration.observers)

    def embed(self, session: ApplicationSession, name: str) -> None:
        """Have `session` join a realm that runs, with every right."""
        self._embedded.add(session, self.router(name), authid=OWN, authrole=TRUSTED)

    async def stop(self, name: str, reactor: IReactorTime) -> None:
        """Stop a realm, which every session but Crossbar's own has left, so that it can be started again."""
        own: Any = self.own_session(name)
        del self._running[name]
        await maybeDeferred(own.leave)
        # Takes Crossbar's own session out of the router in the next turn; with the last session the router goes.
        self._embedded.remove(own)
        await turn(reactor)
        self.factory._routers.pop(name, None)  # noqa: SLF001 - whatever has stayed, the realm is over
