"""The session of one data realm in one cell: joined, registered, and joined again whenever it is gone.

Where the router ended the realm it is not joined again: that would start it anew. Whoever keeps the realms asks first
whether the app is still installed.
"""

import asyncio
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, Final, cast

import structlog
from attrs import frozen
from autobahn.wamp.exception import ApplicationError, SessionNotReady, TransportLost
from autobahn.wamp.request import Registration
from autobahn.wamp.types import CallDetails, EventDetails, RegisterOptions, SubscribeOptions
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IReactorTime

from services.fleetdb.answering import answer
from services.fleetdb.gates import Gate
from services.fleetdb.live import LiveRealm
from services.fleetdb.procedures.declaring import Declared, Method
from services.fleetdb.records.calls import Asked, Caller
from shared.bus import Bus, unregister
from shared.cells import Cell
from shared.session import BusSession, client_endpoint, session_factory

REALM_GONE: Final = "wamp.close.realm_gone"
FIRST_PAUSE_S: Final = 0.2
LONGEST_PAUSE_S: Final = 5.0
GROWTH: Final = 1.7
SETTLE_S: Final = 20.0
"""More than the router itself gives a join: what is given up half-way begins anew, and is work for nothing."""
AWAY: Final = (ConnectError, ApplicationError, TransportLost, SessionNotReady, TimeoutError, OSError)

log = structlog.get_logger()


@frozen
class Surroundings:
    """What all sessions of this process share; in each cell at most so many of `joins` join at once.

    `jitter` gives numbers from 0 to 1.
    """

    bus: Bus
    surface: tuple[tuple[Declared, Method], ...]
    joins: Mapping[str, asyncio.Semaphore]
    jitter: Callable[[], float]


class RealmLink:
    """One realm in one cell."""

    def __init__(self, around: Surroundings, cell: Cell, realm: LiveRealm, gate: Gate) -> None:
        """Prepare to join `realm` in `cell`."""
        self._around = around
        self._cell = cell
        self._realm = realm
        self._gate = gate
        self._session: BusSession | None = None
        self._registrations: list[Registration] = []
        self._running: set[asyncio.Task[Any]] = set()
        self._is_draining = False

    async def run(self) -> None:
        """Be in the realm until the router ends it."""
        pause = FIRST_PAUSE_S
        while True:
            ended = await self._join()
            if ended is not None:
                pause = FIRST_PAUSE_S
                if await ended == REALM_GONE:
                    return
            await asyncio.sleep(pause * (0.7 + 0.6 * self._around.jitter()))  # so that not all come at once
            pause = min(pause * GROWTH, LONGEST_PAUSE_S)

    async def drain(self) -> None:
        """Be sent no more calls, and answer those that run; the session stays."""
        self._is_draining = True
        await unregister(self._registrations)
        if self._running:
            await asyncio.wait(self._running)

    def leave(self) -> None:
        """End the session, if there is one."""
        self._realm.session = None
        if self._session is not None:
            with suppress(SessionNotReady, TransportLost):  # it is over already
                self._session.leave()

    async def _join(self) -> "asyncio.Future[str] | None":
        """Join and register; the end of the session, or None where it did not come to one."""
        async with self._around.joins[self._cell.name]:
            try:
                async with asyncio.timeout(SETTLE_S):
                    return await self._settle()
            except AWAY as error:
                log.warning("data_realm_not_joined", realm=self._realm.backend.realm, error=str(error)[:200])
                if self._session is not None:
                    self._session.abort()
                return None

    async def _settle(self) -> "asyncio.Future[str]":
        loop = asyncio.get_running_loop()
        joined: asyncio.Future[BusSession] = loop.create_future()
        ended: asyncio.Future[str] = loop.create_future()

        def left(session: BusSession, reason: str) -> None:
            if self._realm.session is session:
                self._realm.session = None
            if self._session is session:
                self._registrations.clear()  # autobahn has them active for ever
            if not joined.done():
                joined.set_exception(TransportLost(reason))
            if not ended.done():
                ended.set_result(reason)

        bus = self._around.bus
        factory = session_factory(
            cast("IReactorTime", bus.reactor),
            self._cell.url,
            self._realm.backend.realm,
            bus.credential,
            # Nobody waits for one that comes too late, or after this was given up.
            joined=lambda session: session.abort() if joined.done() else joined.set_result(session),
            left=left,
        )
        await _future(client_endpoint(bus.reactor, self._cell.url, bus.credential.ca).connect(factory))
        self._session = session = await joined
        self._registrations.clear()
        # Whoever publishes before the calls are open would otherwise miss what it asks for.
        surface = sorted(self._around.surface, key=lambda each: not each[0].is_topic)
        if self._is_draining:
            surface = [each for each in surface if each[0].is_topic]
        # Asked for in that order, and not waited for one by one: on a busy machine each answer takes its time.
        await asyncio.gather(*(self._open(session, declared, method) for declared, method in surface))
        if not ended.done():
            self._realm.session = session
            log.info("data_realm_joined", realm=self._realm.backend.realm)
        return ended

    async def _open(self, session: BusSession, declared: Declared, method: Method) -> None:
        uri, match = declared.on(self._realm.backend), "prefix" if declared.is_prefix else None
        if declared.is_topic:
            options = SubscribeOptions(match=match, details=True)
            await _future(session.subscribe(self._on_event(session, declared, method), uri, options))
        else:
            shared = RegisterOptions(match=match, invoke="roundrobin", details=True)
            registration = await _future(session.register(self._on_call(session, declared, method), uri, shared))
            self._registrations.append(registration)
            if self._is_draining:
                await unregister([registration])

    def _on_call(self, session: BusSession, declared: Declared, method: Method) -> Callable[..., Any]:
        prefix = len(declared.on(self._realm.backend))

        def endpoint(*args: Any, details: CallDetails, **kwargs: Any) -> "Deferred[Any]":
            caller = Caller(details.caller or 0, details.caller_authid or "", details.caller_authrole or "")
            name = (details.procedure or "")[prefix:]
            asked = Asked(name, args, kwargs, caller, session.message_octets, details.progress)
            work = answer(declared, method, self._gate, self._realm, asked)
            task = self._around.bus.task(work)
            self._running.add(task)
            task.add_done_callback(self._running.discard)
            return _answered(session, task)

        return endpoint

    def _on_event(self, session: BusSession, declared: Declared, method: Method) -> Callable[..., None]:
        prefix = len(declared.on(self._realm.backend))

        def handler(*args: Any, details: EventDetails, **kwargs: Any) -> None:
            caller = Caller(details.publisher or 0, details.publisher_authid or "", details.publisher_authrole or "")
            asked = Asked((details.topic or "")[prefix:], args, kwargs, caller, session.message_octets)
            task = self._around.bus.task(answer(declared, method, self._gate, self._realm, asked))
            task.add_done_callback(_heard)

        return handler


def _answered(session: BusSession, task: "asyncio.Task[Any]") -> "Deferred[Any]":
    """The answer of `task`, as long as there is a session to answer on: autobahn fails without one."""

    def give_up(answered: "Deferred[Any]") -> None:
        task.cancel()
        answered.errback(ApplicationError(ApplicationError.CANCELED))

    def pass_on(_: "asyncio.Task[Any]") -> None:
        error = asyncio.CancelledError() if task.cancelled() else task.exception()
        if answered.called or not session.is_attached():
            return
        if error is None:
            answered.callback(task.result())
        else:
            answered.errback(error)

    answered: Deferred[Any] = Deferred(give_up)
    task.add_done_callback(pass_on)
    return answered


def _heard(task: "asyncio.Task[Any]") -> None:
    # Nobody waits for it; its refusal has been counted.
    if not task.cancelled():
        task.exception()


def _future(deferred: "Deferred[Any]") -> "asyncio.Future[Any]":
    return deferred.asFuture(asyncio.get_running_loop())
