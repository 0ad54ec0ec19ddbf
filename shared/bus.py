"""A service on the bus: one session a realm and cell, registered, reconnecting with jitter, drained on stop.

A service joins the control realm and the system realm of every cell with its own secret (WAMP-CRA over verified TLS).
After every join, whatever the reason, its procedures are registered anew before anybody is told that it is there.
Everything towards the service is asyncio; Twisted's Deferreds stay inside this file and `shared.session`.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from contextlib import suppress
from typing import Any, Final, TypeVar, cast

import structlog
from attrs import evolve, frozen
from autobahn.wamp.exception import ApplicationError, SessionNotReady, TransportLost
from autobahn.wamp.request import Registration
from autobahn.wamp.types import RegisterOptions
from prometheus_client import Gauge
from twisted.application.internet import ClientService, backoffPolicy
from twisted.internet.defer import Deferred
from twisted.internet.error import ConnectError
from twisted.internet.interfaces import IReactorCore, IReactorTime

from shared import tracing
from shared.cells import Cell
from shared.errors import (
    CalleeAwayError,
    CellAwayError,
    NotAuthorizedError,
    OutcomeUnknownError,
    PublicError,
    UnavailableError,
    from_wire,
)
from shared.health import Health
from shared.identities import CONTROL_REALM, SYSTEM_REALM, Credential
from shared.procedures import AssertionVerifier, Audience, Declaration, Invocation, declared, public_errors
from shared.scopes import scopes_of
from shared.session import BusCredential, BusSession, client_endpoint, session_factory

CALL_TIMEOUT_S: Final = 10.0
DRAIN_TIMEOUT_S: Final = 8.0
CREDENTIALS_REMEMBERED: Final = 10_000
NO_SUCH_SESSION: Final = "wamp.error.no_such_session"
AWAY: Final = "the bus is away; nothing was changed, try again in a moment"
CELL_AWAY: Final = "the cell that this lives in is away; try again when it is back"
NO_CELL: Final = "the cell that this lives in cannot be reached from here; nothing was changed"
SILENCES: Final = (UnavailableError, OutcomeUnknownError, TransportLost)
LOST: Final = "the bus went away before the answer came; look before you repeat"
REALMS_OF: Final = {
    Audience.PEOPLE: (CONTROL_REALM, SYSTEM_REALM),
    Audience.SERVICES: (SYSTEM_REALM,),
    Audience.DEVICES: (CONTROL_REALM,),
}

log = structlog.get_logger()
Answer = TypeVar("Answer")
JOINED: Final = Gauge("ironflock_bus_joined", "Whether this process is joined there (1) or not (0)", ["cell", "realm"])
JoinListener = Callable[[BusSession], Awaitable[None]]


@frozen
class _Served:
    declaration: Declaration
    invocation: Invocation
    uri: str


@frozen
class Apart:
    """A session beside those of the links; `lost` is set when it is over."""

    session: BusSession
    lost: asyncio.Event


class Link:
    """One realm of one cell: joins, registers, tells, and does so again whenever the session is gone."""

    def __init__(self, bus: "Bus", cell: Cell, realm: str) -> None:
        """Prepare a link of `bus` to `realm` of `cell`."""
        self.cell = cell.name
        self.realm = realm
        self.session: BusSession | None = None
        self._registrations: list[Registration] = []
        self._part = f"bus {realm} in cell {cell.name}"
        self._bus = bus
        clock = cast("IReactorTime", bus.reactor)
        factory = session_factory(clock, cell.url, realm, bus.credential, joined=self._joined, left=self._left)
        endpoint = client_endpoint(bus.reactor, cell.url, bus.credential.ca)
        policy = backoffPolicy(initialDelay=0.2, maxDelay=5.0, factor=1.7)
        self._client = ClientService(endpoint, factory, retryPolicy=policy, clock=clock)

    def start(self) -> None:
        """Begin to connect, and never give up."""
        self._note(is_joined=False, reason="not joined yet")
        self._client.startService()

    async def withdraw(self) -> None:
        """Have the router send no more calls here; those that run go on."""
        registrations, self._registrations = self._registrations, []
        await unregister(registrations)

    async def stop(self) -> None:
        """Leave the realm and stop connecting."""
        if self.session is not None:
            with suppress(SessionNotReady, TransportLost):  # it is over already
                self.session.leave()
        await _future(self._client.stopService())

    def _joined(self, session: BusSession) -> None:
        self._bus.spawn(self._settle(session))

    async def _settle(self, session: BusSession) -> None:
        if self._is_misled(session):
            log.error("bus_router_of_another_cell", cell=self.cell, realm=self.realm, router=session.router_cell)
            session.abort()
            return
        registrations: list[Registration] = []
        try:
            for served in self._bus.served(self.realm):
                if self._bus.is_ending:
                    break
                registrations.append(await _future(session.register(*_registration(self._bus, served))))
            self.session, self._registrations = session, registrations
            if self._bus.is_ending:  # the session stays until stop(), for the calls that run
                await self.withdraw()
                return
            for listener in self._bus.join_listeners(self.realm):
                await listener(session)
        except (ApplicationError, TransportLost, SessionNotReady, PublicError) as error:
            log.warning("bus_session_not_settled", cell=self.cell, realm=self.realm, error=str(error))
            session.abort()
            return
        log.info("bus_joined", cell=self.cell, realm=self.realm)
        self._note(is_joined=True)

    def _left(self, session: BusSession, reason: str) -> None:
        if self.session in (session, None):
            self.session = None
            self._registrations = []  # autobahn has them active for ever
            if self._is_misled(session):
                reason = f"the router at its address is that of the cell {session.router_cell}"
            self._note(is_joined=False, reason=f"not joined: {reason}")

    def _is_misled(self, session: BusSession) -> bool:
        """Whether the router there is another cell's than the settings say: it would refuse this one's devices."""
        return session.router_cell not in (None, self.cell)

    def _note(self, *, is_joined: bool, reason: str = "") -> None:
        JOINED.labels(self.cell, self.realm).set(is_joined)
        # Whoever is in one cell serves it: the absence of another one is no reason to be sent nothing.
        self._bus.health.set(self._part, ok=is_joined, reason=reason, one_of=f"bus {self.realm}")


class Bus:
    """All the sessions of one service."""

    def __init__(self, reactor: IReactorCore, credential: BusCredential, cells: Iterable[Cell], health: Health) -> None:
        """Prepare sessions for each of `cells`."""
        self.reactor = reactor
        self.credential = credential
        self.health = health
        self.is_ending = False
        """Whether stop() has begun: nothing is registered any more."""
        self._served: list[_Served] = []
        self._listeners: list[tuple[str, JoinListener]] = []
        self._tasks: set[asyncio.Task[Any]] = set()
        self._streams: set[asyncio.Task[Any]] = set()
        self._credentials: dict[int, Credential] = {}
        self.cells = tuple(cells)
        self._links = [Link(self, cell, realm) for cell in self.cells for realm in (SYSTEM_REALM, CONTROL_REALM)]

    def serve(self, surface: object, verifier: AssertionVerifier | None = None) -> None:
        """Register every marked method of `surface` on each join; `verifier` opens people's procedures to services."""
        for declaration, method in declared(surface):
            invocation = public_errors(declaration, method, verifier, self.credential_of)
            self._served.append(_Served(declaration, invocation, declaration.uri))

    def serve_own(self, declaration: Declaration, method: Invocation, uri: str) -> None:
        """Register `method` on each join as `uri`, which only this process has; figures and traces say the declared."""
        self._served.append(_Served(declaration, public_errors(declaration, method), uri))

    async def join_apart(self, cell: str, authid: str) -> Apart:
        """A new session on the control realm of the cell of that name, by this service's secret under another `authid`.

        Raises:
            UnavailableError: It is not let in, nobody answers, or there is no such cell here.
        """
        url = self.cell(cell).url
        joining: asyncio.Future[BusSession] = asyncio.get_running_loop().create_future()
        lost = asyncio.Event()

        def joined(session: BusSession) -> None:
            if joining.done():
                session.abort()
            else:
                joining.set_result(session)

        def left(_: BusSession, __: str) -> None:
            lost.set()
            joining.cancel()

        credential = evolve(self.credential, role=authid)
        clock = cast("IReactorTime", self.reactor)
        factory = session_factory(clock, url, CONTROL_REALM, credential, joined=joined, left=left)
        try:
            async with asyncio.timeout(CALL_TIMEOUT_S):
                await _future(client_endpoint(self.reactor, url, self.credential.ca).connect(factory))
                return Apart(await _unless_lost(joining, lost), lost)
        except (ConnectError, TimeoutError) as error:
            raise UnavailableError(AWAY) from error
        finally:
            joining.cancel()

    def on_join(self, realm: str, listener: JoinListener) -> None:
        """Have `listener` run after each join of `realm`, before the service counts as joined there."""
        self._listeners.append((realm, listener))

    def start(self) -> None:
        """Connect to every cell."""
        for link in self._links:
            link.start()

    async def stop(self) -> None:
        """Take no more calls, end the streams, let what runs and what that leaves to do finish within bounds, leave."""
        self.is_ending = True
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_TIMEOUT_S):
                    await asyncio.gather(*(link.withdraw() for link in self._links))
                    await self._drain()
        finally:
            _cancel(self._tasks | self._streams)
            await asyncio.gather(*(link.stop() for link in self._links))

    async def _drain(self) -> None:
        """Wait until nothing runs; each stream is told once, since its end may take a while and begin more."""
        told: set[asyncio.Task[Any]] = set()
        while running := self._streams | self._tasks:
            _cancel(self._streams - told)
            told |= self._streams
            await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)

    def sessions(self, realm: str) -> list[BusSession]:
        """The joined sessions of `realm`, one a cell at most."""
        return list(self.sessions_by_cell(realm).values())

    def sessions_by_cell(self, realm: str) -> dict[str, BusSession]:
        """The joined sessions of `realm`, by the names of their cells."""
        links = (link for link in self._links if link.realm == realm)
        return {link.cell: link.session for link in links if link.session is not None}

    def session_in(self, cell: str, realm: str) -> BusSession:
        """The session of `realm` in the cell of that name.

        Raises:
            UnavailableError: It is away (`CellAwayError` where another one is there), or there is no such cell here.
        """
        there = self.sessions_by_cell(realm)
        session = there.get(self.cell(cell).name)
        if session is None:
            raise CellAwayError(CELL_AWAY) if there else UnavailableError(AWAY)
        return session

    async def everywhere(self, realm: str, ask: Callable[[BusSession], Awaitable[Answer]]) -> list[Answer]:
        """What `ask` brings in each cell; all are asked at once, whatever becomes of the others.

        Raises:
            CellAwayError: Some did, but a cell is away, so that nothing can be said of what lives there.
            PublicError, ApplicationError, TransportLost: What the first one that failed otherwise failed with.
        """
        sessions = self.sessions(realm)
        if not sessions:
            raise UnavailableError(AWAY)
        asking = (self.of_a_cell(ask(session)) for session in sessions)
        ended = await asyncio.gather(*asking, return_exceptions=True)
        done = self.done(ended)
        if len(sessions) < len(self.cells):
            raise CellAwayError(CELL_AWAY)
        return done

    async def of_a_cell(self, asking: Awaitable[Answer]) -> Answer:
        """What `asking` brings, which asks over one cell's own session and nobody besides: its silence is the cell's.

        Raises:
            CellAwayError: There is no answer, where there is more than one cell.
            PublicError, ApplicationError, TransportLost: What it failed with otherwise.
        """
        try:
            return await asking
        except SILENCES as error:
            if len(self.cells) == 1:
                raise
            raise CellAwayError(CELL_AWAY) from error

    def done(self, ended: Iterable[Answer | BaseException]) -> list[Answer]:
        """The answers among what `asyncio.gather` brought of things that were asked for in several cells.

        Raises:
            CellAwayError: Cells that are away are all that is missing.
            PublicError, ApplicationError, TransportLost: What the first one that failed otherwise failed with.
        """
        done: list[Answer] = []
        away: CellAwayError | None = None
        for each in ended:
            if isinstance(each, CellAwayError):
                away = each
            elif isinstance(each, BaseException):
                raise each
            else:
                done.append(each)
        if away is not None:
            raise away
        return done

    async def call(self, procedure: str, /, *, timeout_s: float = CALL_TIMEOUT_S, **arguments: Any) -> Any:
        """Call another service on the system realm, in the first cell in which it is there.

        Raises:
            PublicError: What the service refused with; `UnavailableError` where it is away or silent.
        """
        sessions = self.sessions(SYSTEM_REALM)
        if not sessions:
            raise UnavailableError(AWAY)
        with tracing.called(procedure):
            for session in sessions[:-1]:
                with suppress(CalleeAwayError):  # nothing was done there
                    return await call(session, procedure, timeout_s=timeout_s, kwargs=arguments)
            return await call(sessions[-1], procedure, timeout_s=timeout_s, kwargs=arguments)

    async def credential_of(self, session_id: int) -> Credential:
        """By which credential the person's session `session_id` is there, as the router's authenticator noted it.

        Raises:
            NotAuthorizedError: The session is over.
            UnavailableError: Not every cell can be asked.
        """
        if session_id not in self._credentials:
            self._credentials[session_id] = await self._ask_credential(session_id)
            while len(self._credentials) > CREDENTIALS_REMEMBERED:
                del self._credentials[next(iter(self._credentials))]
        return self._credentials[session_id]

    async def _ask_credential(self, session_id: int) -> Credential:
        sessions = self.sessions(CONTROL_REALM)
        for session in sessions:
            try:
                details = await call(session, "wamp.session.get", args=(session_id,))
            except ApplicationError as error:
                if error.error != NO_SUCH_SESSION:
                    raise
            else:
                noted = details.get("authextra") or {}
                return Credential(noted.get("credential"), scopes_of(noted.get("scopes")))
        if len(sessions) < len(self.cells):  # where a cell is not heard yet, the session may be there
            raise UnavailableError(AWAY)
        raise NotAuthorizedError("your session is over; join again")

    def served(self, realm: str) -> list[_Served]:
        """What is registered on `realm`."""
        return [served for served in self._served if realm in REALMS_OF[served.declaration.audience]]

    def join_listeners(self, realm: str) -> list[JoinListener]:
        """Who is told of a join of `realm`."""
        return [listener for name, listener in self._listeners if name == realm]

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        """Run `coroutine` beside; stop() waits for it within bounds."""
        self.task(coroutine).add_done_callback(_explain)

    def task(self, coroutine: Coroutine[Any, Any, Any], *, is_stream: bool = False) -> "asyncio.Task[Any]":
        """`coroutine` as a task that nobody collects early: stop() cancels a stream and waits for all else."""
        task = asyncio.get_running_loop().create_task(coroutine)
        kept = self._streams if is_stream else self._tasks
        kept.add(task)
        task.add_done_callback(kept.discard)
        return task

    def cell(self, name: str) -> Cell:
        """The cell of that name.

        Raises:
            UnavailableError: The settings name none.
        """
        found = next((each for each in self.cells if each.name == name), None)
        if found is None:
            raise UnavailableError(NO_CELL)
        return found


async def call(
    session: BusSession,
    procedure: str,
    *,
    args: tuple[Any, ...] = (),
    kwargs: dict[str, Any] | None = None,
    timeout_s: float = CALL_TIMEOUT_S,
) -> Any:
    """Call `procedure` over `session`, within `timeout_s` seconds; errors as `Bus.call` has them."""
    try:
        async with asyncio.timeout(timeout_s):
            return await _future(session.call(procedure, *args, **(kwargs or {})))
    except ApplicationError as error:
        message = str(error.args[0]) if error.args else error.error
        refusal = from_wire(error.error, message, dict(error.kwargs or {}))
        if refusal is None:
            raise
        raise refusal from error
    except SessionNotReady as error:
        raise CalleeAwayError(AWAY) from error
    except (TimeoutError, TransportLost) as error:
        raise OutcomeUnknownError(LOST) from error


async def unregister(registrations: Iterable[Registration]) -> None:
    """Be sent no more calls; where the session is over, or the router refuses, there is nothing to be done."""
    ending: list[asyncio.Future[Any]] = []
    for each in registrations:
        if each.active:
            with suppress(TransportLost):  # raised at once, not by the Deferred
                ending.append(_future(each.unregister()))
    await asyncio.gather(*ending, return_exceptions=True)


async def _unless_lost(joining: "asyncio.Future[BusSession]", lost: asyncio.Event) -> BusSession:
    try:
        return await joining
    except asyncio.CancelledError:
        if lost.is_set():
            raise UnavailableError(AWAY) from None
        raise


def _registration(bus: Bus, served: _Served) -> tuple[Callable[..., "Deferred[Any]"], str, RegisterOptions]:
    def endpoint(*args: Any, **kwargs: Any) -> "Deferred[Any]":
        task = bus.task(served.invocation(*args, **kwargs), is_stream=served.declaration.is_stream)
        return Deferred.fromFuture(task)

    return endpoint, served.uri, RegisterOptions(details=True, invoke="roundrobin")


def _cancel(tasks: "set[asyncio.Task[Any]]") -> None:
    for task in set(tasks):
        task.cancel()


def _explain(task: "asyncio.Task[Any]") -> None:
    error = None if task.cancelled() else task.exception()
    if error is not None:
        log.error("task_failed", exc_info=error)


def _future(deferred: "Deferred[Any]") -> "asyncio.Future[Any]":
    return deferred.asFuture(asyncio.get_running_loop())
