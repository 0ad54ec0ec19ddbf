"""A router in memory: sessions of a real bus join it, are answered, hear of events and are lost, without a socket."""

import asyncio
import inspect
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.request import Registration, Subscription
from autobahn.wamp.types import CallDetails, EventDetails
from twisted.internet.defer import Deferred, fail, succeed
from twisted.internet.testing import MemoryReactorClock

from shared.bus import Bus
from shared.cells import FIRST, Cell
from shared.health import Health
from shared.project_cells import CELL as CELL_OF_PROJECT
from shared.session import BusCredential

NO_SUCH_PROCEDURE = ApplicationError.NO_SUCH_PROCEDURE
CELL = Cell(FIRST, "wss://localhost:1/ws-svc")


def in_the_first(*, project_key: int) -> dict[str, Any]:
    """Where projects are until a test says otherwise; it is not written down who asks."""
    return {"name": FIRST, "endpoint": None, "all_up_to": project_key}


class MemorySubscription:
    """One subscription of a session."""

    def __init__(self, session: "MemorySession", entry: tuple[str, Callable[..., Any], Any]) -> None:
        """As `session` has it."""
        self.entry = entry
        self._session = session

    @property
    def active(self) -> bool:
        """Whether it has not ended."""
        return not self._session.is_lost and self.entry in self._session.subscriptions

    def unsubscribe(self) -> "Deferred[Any]":
        """Hear no more."""
        self._session.subscriptions.remove(self.entry)
        return succeed(None)


class MemoryRegistration:
    """One registration of a session."""

    def __init__(self, session: "MemorySession", procedure: str) -> None:
        """As `session` has it."""
        self._session = session
        self._procedure = procedure

    @property
    def active(self) -> bool:
        """Whether it was not ended; autobahn knows of no loss here."""
        return self._procedure in self._session.endpoints

    def unregister(self) -> "Deferred[Any]":
        """Have no more calls come."""
        if self._session.is_lost:
            raise TransportLost
        del self._session.endpoints[self._procedure]
        return succeed(None)


class MemorySession:
    """What a service sees of its session."""

    def __init__(self, router: "MemoryRouter", realm: str, link: Any) -> None:
        """Joined to `realm` of `router`."""
        self.router = router
        self.realm = realm
        self.link = link
        self.router_cell: str | None = router.cell
        self.is_lost = False
        self.was_aborted = False
        self.endpoints: dict[str, Callable[..., Any]] = {}
        self.subscriptions: list[tuple[str, Callable[..., Any], Any]] = []

    def register(self, endpoint: Callable[..., Any], procedure: str, _options: Any = None) -> "Deferred[Any]":
        """Serve `procedure`."""
        if self.is_lost:
            return fail(TransportLost())
        if procedure in self.router.refused:
            return fail(ApplicationError("wamp.error.not_authorized", "no"))
        self.endpoints[procedure] = endpoint
        return succeed(MemoryRegistration(self, procedure))

    def subscribe(self, follower: Callable[..., Any], topic: str, options: Any = None) -> "Deferred[Any]":
        """Hear of `topic`."""
        if self.is_lost:
            return fail(TransportLost())
        subscription = MemorySubscription(self, (topic, follower, options))
        self.subscriptions.append(subscription.entry)
        return succeed(subscription)

    def publish(self, topic: str, *args: Any, options: Any = None, **kwargs: Any) -> None:
        """Tell every session of the realm."""
        if self.is_lost:
            raise TransportLost
        self.router.publish(self.realm, topic, *args, **kwargs)

    def call(self, procedure: str, /, *args: Any, **kwargs: Any) -> "Deferred[Any]":
        """The answer that the router has for `procedure`."""
        if self.is_lost:
            return fail(TransportLost())
        answer = self.router.answers.get(procedure)
        if answer is not in_the_first:
            self.router.calls.append((procedure, args, kwargs))
        if answer is None:
            return fail(ApplicationError(NO_SUCH_PROCEDURE, "no such procedure"))
        try:
            result = answer(*args, **kwargs)
        except ApplicationError as error:
            return fail(error)
        return Deferred.fromFuture(asyncio.ensure_future(result)) if inspect.isawaitable(result) else succeed(result)

    def abort(self) -> None:
        """Be dropped."""
        self.was_aborted = True
        self.lose()

    leave = abort

    def lose(self) -> None:
        """The connection is gone."""
        if not self.is_lost:
            self.is_lost = True
            if self in self.router.sessions:
                self.router.sessions.remove(self)
            self.link._left(self, "lost")


class MemoryRouter:
    """Procedures by URI, and what was called, published and joined."""

    def __init__(self) -> None:
        """Nobody has joined."""
        self.answers: dict[str, Callable[..., Any]] = {
            "wamp.session.get": lambda _: {"authextra": {"credential": "key-1", "scopes": ["all"]}},
            CELL_OF_PROJECT: in_the_first,
        }
        self.cell: str | None = None
        """Which cell it says that it is; None as an older one."""
        self.refused: set[str] = set()
        self.calls: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []
        self.published: list[tuple[str, tuple[Any, ...]]] = []
        self.sessions: list[MemorySession] = []

    async def join(self, bus: Bus, realm: str, cell: int = 0) -> MemorySession:
        """A new session of `bus` on `realm`, after the service has settled there."""
        session = self.begin_join(bus, realm, cell)
        await settled(bus)
        return session

    def begin_join(self, bus: Bus, realm: str, cell: int = 0) -> MemorySession:
        """A new session of `bus` on `realm`, where the service begins to settle."""
        links = [link for link in bus._links if link.realm == realm]
        session = MemorySession(self, realm, links[cell])
        self.sessions.append(session)
        links[cell]._joined(cast("Any", session))
        return session

    def publish(self, realm: str, topic: str, *args: Any, publisher: int | None = None, **kwargs: Any) -> None:
        """Tell every session of `realm` that follows `topic`."""
        self.published.append((topic, args))
        for session in [each for each in self.sessions if each.realm == realm]:
            for name, follower, options in session.subscriptions:
                if name == topic and options is not None:
                    subscription = Subscription(1, topic, None, None)
                    details = EventDetails(subscription, 1, publisher=publisher)
                    follower(*args, **kwargs, **{options.details_arg: details})
                elif name == topic:
                    follower(*args, **kwargs)

    def called(self, procedure: str) -> list[tuple[Any, ...]]:
        """The positional arguments of every call of `procedure`."""
        return [args for name, args, _ in self.calls if name == procedure]


def new_bus(ca: Path, *cells: Cell, role: str = "svc_test") -> Bus:
    """A service's bus that never dials by itself."""
    return Bus(cast("Any", MemoryReactorClock()), BusCredential(role, "s3cret", ca), cells or [CELL], Health())


def sessions_of(sessions: Sequence[object]) -> list[object]:
    """The same sessions, as what a test compares them with."""
    return list(sessions)


async def settled(bus: Bus) -> None:
    """Wait until everything that the bus runs beside has ended."""
    while bus._tasks:
        await asyncio.wait(bus._tasks)


def call_details(
    authrole: str, authid: str, progress: Callable[[Any], None] | None = None, session: int = 11
) -> CallDetails:
    """What the router discloses of a caller."""
    registration = Registration(None, 1, "test", None)
    return CallDetails(registration, progress, session, caller_authid=authid, caller_authrole=authrole)
