"""Realms: starting and stopping them in Crossbar's worker."""

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred, maybeDeferred
from twisted.internet.interfaces import IReactorTime
from twisted.internet.task import deferLater

if TYPE_CHECKING:
    from crossbar.router.router import Router
    from crossbar.worker.router import RouterController


async def realm_start(controller: "RouterController", realm: str) -> "Router":
    """Start `realm` if it is not running, and return its router."""
    if not controller.has_realm(realm):
        await maybeDeferred(controller.start_router_realm, realm, {"name": realm, "roles": []})
    router: Router = controller.router_factory.get(realm)
    return router


async def realm_stop(controller: "RouterController", realm: str, reactor: IReactorTime) -> None:
    """Stop `realm`, which every session but Crossbar's own has left, so that it can be started again.

    Not by the controller's `stop_router_realm`: it removes the router twice, fails at the second time, and leaves the
    name behind as that of a realm which runs and which nobody can join (tried, 26.10.1).
    """
    started = controller.realms.pop(realm)
    await maybeDeferred(started.session.leave)
    # Takes Crossbar's own session out of the router in the next turn; with the last session the router goes.
    controller._router_session_factory.remove(started.session)  # noqa: SLF001 - there is no other way
    await turn(reactor)
    controller.router_factory._routers.pop(realm, None)  # noqa: SLF001 - whatever has stayed, the realm is over
    controller.realm_to_id.pop(realm, None)
    controller._service_sessions.pop(realm, None)  # noqa: SLF001


def turn(reactor: IReactorTime) -> "Deferred[None]":
    """The next turn of the reactor."""
    return deferLater(reactor, 0, lambda: None)


def is_registered(router: "Router", procedure: str) -> bool:
    """Whether a call of `procedure` would find a callee now."""
    registration = router._dealer._registration_map.best_matching_observation(procedure)  # noqa: SLF001
    return registration is not None and bool(registration.observers)
