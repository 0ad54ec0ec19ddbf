"""The router's parts, put together."""

import time
from collections.abc import Callable
from typing import Any

import structlog
from autobahn.twisted.wamp import ApplicationSession
from autobahn.wamp import message
from autobahn.wamp.types import CallOptions, PublishOptions
from crossbar.router.router import Router
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IReactorTime

from ironflock_router import board_watch, data_permissions, data_rules, meta, people_watch, permissions, rules
from ironflock_router import expiry as expiries
from ironflock_router.app_sessions import AppSessions, Ending
from ironflock_router.authentication.credentials import Credentials
from ironflock_router.authentication.proofs import Proofs
from ironflock_router.authentication.slowdown import Slowdown
from ironflock_router.data_realms import DataRealms
from ironflock_router.expiry import Expiry
from ironflock_router.followers import Followers
from ironflock_router.hearing import Hearing
from ironflock_router.listeners import Listeners
from ironflock_router.logs import Sampler
from ironflock_router.loops import Loop
from ironflock_router.metrics import CELL
from ironflock_router.readiness import AgentProcedures
from ironflock_router.realms import Realms
from ironflock_router.reception import Reception
from ironflock_router.records import Identity
from ironflock_router.roles import Decide, TableRole, roles_install, roles_of
from ironflock_router.seats import Seats
from ironflock_router.session import PlatformSession, PlatformSessionFactory
from ironflock_router.settings import RouterSettings
from ironflock_router.wire_names import (
    ACCESS_CHANGED,
    BOARDS_JUDGED,
    CREDENTIAL_END,
    CREDENTIALS_TOLD,
    DEVICE_DUPLICATED,
    FOLLOWED_TAKE,
    INSTALL_CHANGED,
    LEGACY_CHANGED,
    REALM1,
    REALM_END,
    SESSION_END,
    SYSTEM,
    Action,
)
from shared import tracing
from shared.health import Health
from shared.tls import ServerOptions

log = structlog.get_logger()

LOOK_FOR_PROCEDURES_EVERY_S = 0.5
"""Beside the meta events: Crossbar does not report every end of a registration."""

LISTEN_AGAIN_S = 2.0

SERVICE_LISTENER = "service_listener"
PUBLIC_LISTENER = "public_listener"
PROCEDURES = "agent_procedures"
HEALTH_PARTS = (SERVICE_LISTENER, PUBLIC_LISTENER, PROCEDURES)


class RouterNode:
    """The router of one cell."""

    def __init__(
        self,
        session: ApplicationSession,
        realms: Realms,
        reactor: IReactorTime,
        settings: RouterSettings,
        health: Health,
    ) -> None:
        """`session` is the component's, on the system realm."""
        self._session = session
        self._realms = realms
        self._reactor = reactor
        self._settings = settings
        self._health = health
        self._roles: dict[str, dict[str, TableRole]] = {}
        self._apps = AppSessions(settings.sessions_per_device)
        self._judged, self._told = Hearing(reactor.seconds), Hearing(reactor.seconds)
        self._boards = board_watch.BoardWatch(self._judged, self._told)
        self._people = people_watch.PeopleWatch(self._told, reactor.seconds)
        self._followers = Followers(time.time)  # noqa: TID251 - the shell: the audit log has dates
        self._data_realms = DataRealms(realms, reactor, self._apps, self._data_realm_started, self._data_realm_ended)
        CELL.labels(settings.cell).set(1)
        self._loops: list[Loop] = []
        self._is_public = False

    async def start(self, tls: ServerOptions, inside: ServerOptions) -> None:
        """Set the realms up and open the services' listener; the public one follows when devices can be served.

        `tls` is for the public listener, `inside` for that of services.
        """
        realm1 = self._realms.start(REALM1)
        procedures = AgentProcedures(lambda uri: self._realms.is_registered(uri, REALM1), self._reactor.seconds)
        for router in (realm1, self._realms.start(SYSTEM)):
            names = roles_of(permissions.TABLE, router.realm)
            self._install_roles(router, names, rules.decide, procedures.called)
        events = meta.confine_meta_events(realm1, self._realms.own_session(REALM1))
        reception = self._reception(procedures, events)
        sessions = PlatformSessionFactory(self._realms.factory, reception)
        await self._serve(reception.expiry)
        listeners = Listeners(self._reactor, self._settings, tls, sessions)
        listeners.open_services(inside)
        self._health.set(SERVICE_LISTENER, ok=True)
        procedures.on_change.append(lambda missing: self._procedures_changed(missing, listeners))
        events.on_registration.append(lambda: self._soon(procedures.look))
        self._repeat(procedures.look, LOOK_FOR_PROCEDURES_EVERY_S)
        self._repeat(reception.expiry.look, expiries.LOOK_EVERY_S)
        self._repeat(self._boards.look, board_watch.LOOK_EVERY_S)
        self._repeat(self._people.look, people_watch.LOOK_EVERY_S)

    async def _serve(self, expiry: Expiry) -> None:
        """What services call and publish on the system realm to end sessions."""
        await self._session.register(expiry.end, CREDENTIAL_END)
        await self._session.register(self._data_realms.end, REALM_END)
        await self._session.register(self._end_app_sessions, SESSION_END)
        await self._session.register(self._followers.take, FOLLOWED_TAKE)
        await self._session.subscribe(self._data_realms.follow, INSTALL_CHANGED)
        await self._session.subscribe(self._apps.follow, ACCESS_CHANGED)
        await self._session.subscribe(self._judged.follow, BOARDS_JUDGED)
        await self._session.subscribe(self._told.follow, CREDENTIALS_TOLD)
        await self._session.subscribe(self._apps.follow_legacy, LEGACY_CHANGED)

    def _end_app_sessions(self, **conditions: Any) -> dict[str, int]:
        return {"ended": self._apps.end(Ending.parse(conditions))}

    def _data_realm_started(self, router: Router) -> None:
        names = roles_of(data_permissions.TABLE, data_permissions.DATA_REALM)
        self._install_roles(router, names, data_rules.decide, None)

    def _data_realm_ended(self, realm: str) -> None:
        self._roles.pop(realm, None)

    def _install_roles(
        self, router: Router, names: list[str], decide: Decide, on_call: Callable[[Any, str], None] | None
    ) -> None:
        self._roles[router.realm] = roles_install(
            router,
            names,
            decide,
            registrations=self._settings.registrations_per_session,
            subscriptions=self._settings.subscriptions_per_session,
            on_call=on_call,
            now=self._reactor.seconds,
        )

    def _reception(self, procedures: AgentProcedures, events: meta.MetaEvents) -> Reception:
        settings = self._settings
        credentials = Credentials(self._ask, self._reactor, settings.credential_timeout_s, settings.service_secrets)
        return Reception(
            reactor=self._reactor,
            proofs=Proofs(credentials, settings.cell),
            slowdown=Slowdown(),
            seats=Seats(self._reactor.seconds, self._alert_duplicate),
            procedures=procedures,
            events=events,
            apps=self._apps,
            boards=self._boards,
            people=self._people,
            followers=self._followers,
            data_realms=self._data_realms,
            expiry=Expiry(time.time),  # noqa: TID251 - the shell: ends of credentials are dates
            realm_is_started=self._realms.has,
            may_register=self._may_register,
            lines=Sampler(),
        )

    def _ask(self, procedure: str, **arguments: Any) -> "Deferred[Any]":
        """Call a service, which continues the present trace (`shared/session.py` says how it is told)."""
        options = CallOptions(transaction_hash=tracing.carried_on())
        asked: Deferred[Any] = self._session.call(procedure, **arguments, options=options)
        return asked

    def _procedures_changed(self, missing: list[str], listeners: Listeners) -> None:
        self._health.set(PROCEDURES, not missing, "not registered: " + ", ".join(missing) if missing else "")
        if not missing and not self._is_public:
            self._is_public = True
            self._open_public(listeners)

    def _open_public(self, listeners: Listeners) -> None:
        try:
            listeners.open_public()
        except CannotListenError as error:
            log.exception("public_listener_failed")
            self._health.set(PUBLIC_LISTENER, ok=False, reason=f"cannot listen: {error.socketError}")
            self._reactor.callLater(LISTEN_AGAIN_S, self._open_public, listeners)
        else:
            self._health.set(PUBLIC_LISTENER, ok=True)

    def _alert_duplicate(self, identity: Identity) -> None:
        device = {name: identity.authextra[name] for name in ("device_key", "project_key", "serial_number")}
        published = self._session.publish(DEVICE_DUPLICATED, **device, options=PublishOptions(acknowledge=True))
        published.addErrback(lambda failure: log.error("duplicate_alert_lost", error=failure.type.__name__))

    def _may_register(self, session: PlatformSession, register: message.Register) -> bool:
        identity = session.identity
        role = self._roles[identity.realm].get(identity.role) if identity is not None else None
        if role is None:
            return False
        answer = role.authorize(session, register.procedure, Action.REGISTER.value, register.marshal_options())
        return answer["allow"]

    def _soon(self, action: Callable[[], object]) -> None:
        # A meta event is published while Crossbar is in the middle of what it tells of.
        self._reactor.callLater(0, action)

    def _repeat(self, action: Callable[[], object], every_s: float) -> None:
        loop = Loop(self._reactor, action, every_s)
        loop.start()
        self._loops.append(loop)
