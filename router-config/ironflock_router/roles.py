"""Our role in each realm's router: Crossbar asks it for every call, registration, publication and subscription.

It answers at once from the pure rules, with the caller always disclosed and never to be cached: Crossbar's cache knows
neither the session nor the options, so a cached answer for one device would hold for all of them.
"""

from collections.abc import Callable, Mapping
from typing import Any

import structlog
from crossbar.router.role import RouterRole
from crossbar.router.router import Router
from typing_extensions import override

from ironflock_router.logs import Sampler
from ironflock_router.metrics import REFUSALS
from ironflock_router.permissions import Grant
from ironflock_router.records import Identity
from ironflock_router.rules import Caller, Reason, Verdict
from ironflock_router.wire_names import Action

log = structlog.get_logger()

Decide = Callable[[Caller, Action, str, Mapping[str, Any]], Verdict]
"""A decision about one message, with its URI and options."""

_ALLOWED = {"allow": True, "disclose": True, "cache": False}
_REFUSED = {"allow": False, "disclose": True, "cache": False}


class TableRole(RouterRole):
    """One role of the table in one realm.

    `on_call(session, uri)`, where there is one, is told of every permitted call before it is routed.
    """

    def __init__(
        self,
        router: Router,
        role: str,
        decide: Decide,
        *,
        full: Callable[[Any, Action], bool],
        on_call: Callable[[Any, str], None] | None,
        now: Callable[[], float],
    ) -> None:
        """Put into `router` with its `add_role`; `full(session, action)` says that a session has all it may have."""
        super().__init__(router, role)  # type: ignore[no-untyped-call]
        self._decide = decide
        self._full = full
        self._on_call = on_call
        self._now = now
        self._lines = Sampler()

    @override
    def authorize(self, session: Any, uri: str, action: str, options: Mapping[str, Any]) -> dict[str, bool]:
        """Answer Crossbar; see `RouterRole.authorize`."""
        asked = Action(action)
        verdict = self.judge(session, uri, asked, options)
        if not verdict.allow:
            self._record(session, uri, asked, verdict.reason)
            return dict(_REFUSED)
        if self._full(session, asked):
            self._record(session, uri, asked, Reason.OVER_LIMIT)
            return dict(_REFUSED)
        if asked is Action.CALL and self._on_call is not None:
            self._on_call(session, uri)
        return dict(_ALLOWED)

    def judge(self, session: Any, uri: str, action: Action, options: Mapping[str, Any]) -> Verdict:
        """The verdict alone, nothing recorded."""
        identity: Identity | None = getattr(session, "identity", None)
        if identity is None or identity.role != self.uri:
            return Verdict(allow=False, reason=Reason.NOT_GRANTED)
        is_leaving: bool = session.is_leaving
        caller = Caller(identity.role, identity.realm, identity.serial, is_leaving, identity.device_key)
        return self._decide(caller, action, uri, options)

    def _record(self, session: Any, uri: str, action: Action, reason: Reason) -> None:
        REFUSALS.labels(self.uri, action.value, reason.value).inc()
        unwritten = self._lines.take(self._now())
        if unwritten is None:
            return
        authid = getattr(getattr(session, "identity", None), "authid", None)
        what = {"action": action.value, "uri": uri[:256], "reason": reason.value}
        log.warning("message_refused", role=self.uri, authid=authid, unwritten=unwritten, **what)


def roles_of(table: tuple[Grant, ...], realm: str) -> list[str]:
    """The roles that have lines in `table` for `realm`."""
    return sorted({grant.role for grant in table if grant.realm == realm})


def roles_install(
    router: Router,
    names: list[str],
    decide: Decide,
    *,
    registrations: int,
    subscriptions: int,
    on_call: Callable[[Any, str], None] | None,
    now: Callable[[], float],
) -> dict[str, TableRole]:
    """Put the roles `names`, for which `decide` decides, into `router`; the numbers are the most a session may have."""

    def full(session: Any, action: Action) -> bool:
        if action is Action.REGISTER:
            return len(router._dealer._session_to_registrations.get(session, ())) >= registrations  # noqa: SLF001
        if action is Action.SUBSCRIBE:
            return len(router._broker._session_to_subscriptions.get(session, ())) >= subscriptions  # noqa: SLF001
        return False

    roles = {name: TableRole(router, name, decide, full=full, on_call=on_call, now=now) for name in names}
    for role in roles.values():
        router.add_role(role)
    return roles
