"""Realms: starting them in Crossbar's worker and putting our roles into them."""

from collections.abc import Callable
from typing import Any

from crossbar.router.router import Router
from crossbar.worker.router import RouterController
from twisted.internet.defer import maybeDeferred

from ironflock_router.permissions import TABLE
from ironflock_router.roles import TableRole
from ironflock_router.wire_names import Action


async def realm_start(controller: RouterController, realm: str) -> Router:
    """Start `realm` if it is not running, and return its router."""
    if not controller.has_realm(realm):
        await maybeDeferred(controller.start_router_realm, realm, {"name": realm, "roles": []})
    router: Router = controller.router_factory.get(realm)
    return router


def roles_install(
    router: Router,
    *,
    registrations: int,
    subscriptions: int,
    on_call: Callable[[Any, str], None],
    now: Callable[[], float],
) -> dict[str, TableRole]:
    """Put every role that the table knows in `router`'s realm into it; the numbers are the most a session may have."""

    def full(session: Any, action: Action) -> bool:
        if action is Action.REGISTER:
            return len(router._dealer._session_to_registrations.get(session, ())) >= registrations  # noqa: SLF001
        if action is Action.SUBSCRIBE:
            return len(router._broker._session_to_subscriptions.get(session, ())) >= subscriptions  # noqa: SLF001
        return False

    names = sorted({grant.role for grant in TABLE if grant.realm == router.realm})
    roles = {name: TableRole(router, name, full=full, on_call=on_call, now=now) for name in names}
    for role in roles.values():
        router.add_role(role)
    return roles


def is_registered(router: Router, procedure: str) -> bool:
    """Whether a call of `procedure` would find a callee now."""
    registration = router._dealer._registration_map.best_matching_observation(procedure)  # noqa: SLF001
    return registration is not None and bool(registration.observers)
