"""In which data realms this process is: in those whose data backend is ready, as realms tells.

Each is joined in the cell of its project alone. Realms is asked for all of them on each join of the bus and each
minute, and about one whenever it says that this one changed. Each place (project, app, stage) is looked at by one task
at a time; what fails is tried again.
"""

import asyncio
import weakref
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final, Protocol

import structlog
from attrs import define, evolve, field
from prometheus_client import Gauge

from services.fleetdb.gates import Gate, Octets
from services.fleetdb.joining import RealmLink, Surroundings
from services.fleetdb.live import LiveRealm, Offer
from services.fleetdb.records.backends import Backend, Stage
from services.fleetdb.rules.backends import Place, backend_of, place_of
from services.fleetdb.rules.troubles import is_widespread, of_working_servers
from shared.bus import Bus
from shared.errors import UnavailableError
from shared.identities import SYSTEM_REALM
from shared.session import BusSession

TOPIC: Final = "ironflock.realms.backend.changed"
COMPARE_INTERVAL_S: Final = 60.0
LOOK_S: Final = 1.0
RETRY_S: Final = 2.0
LOOKS_AT_ONCE: Final = 16
LOOKS_OF_PROJECT: Final = 4
"""What an app's template asks for may take long to make: the looks at one project leave room for others."""
SETTLE_S: Final = 120.0
PAGE: Final = 200
DRAIN_S: Final = 5.0
LATE_S: Final = 10.0
"""How long a realm may be without its session before it is in trouble."""

log = structlog.get_logger()
TROUBLED: Final = Gauge("ironflock_data_troubled_realms", "Data realms that are not served as they should be")


class Hands(Protocol):
    """What is done when a backend comes, changes or goes."""

    async def take(self, backend: Backend) -> Offer:
        """Make what is to be there before anybody writes, and return what there is.

        Raises:
            PublicError, Refusal: It cannot be now.
        """

    async def drop(self, backend: Backend) -> None:
        """Let go of what was kept for it."""


@define
class _Served:
    realm: LiveRealm
    link: RealmLink
    task: "asyncio.Task[None]"
    missing_since: float | None = None


@define
class _Looked:
    task: "asyncio.Task[None]"
    is_again: bool = False
    problem: str = field(default="")


class Realms:
    """All of them."""

    def __init__(self, around: Surroundings, hands: Hands, clock: Callable[[], float]) -> None:
        """Follow realms over the bus of `around`, and join in its cells; `clock` only goes forward."""
        self._around = around
        self._bus: Bus = around.bus
        self._hands = hands
        self._clock = clock
        self._octets = Octets()
        self._served: dict[Place, _Served] = {}
        self._taken: dict[Place, Backend] = {}
        self._looked: dict[Place, _Looked] = {}
        self._looks = asyncio.Semaphore(LOOKS_AT_ONCE)
        self._looks_of: weakref.WeakValueDictionary[int, asyncio.Semaphore] = weakref.WeakValueDictionary()
        self._is_due = asyncio.Event()
        self._is_ending = False
        self._compared_at: float | None = None
        self._bus.on_join(SYSTEM_REALM, self._subscribe)

    @property
    def backends(self) -> list[Backend]:
        """The backends that are served now."""
        return [served.realm.backend for served in self._served.values()]

    @property
    def realms(self) -> list[LiveRealm]:
        """The realms that are served now."""
        return [served.realm for served in self._served.values()]

    def find(self, place: Place) -> LiveRealm | None:
        """The realm of `place`, where it is served."""
        served = self._served.get(place)
        return None if served is None else served.realm

    async def keep_true(self) -> None:
        """Wait for a second or until something is due, compare where it is, and say what is not as it should be.

        Raises:
            PublicError: Realms is away, or a realm is not served.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_S):
                await self._is_due.wait()
        now = self._clock()
        if self._is_due.is_set() or self._compared_at is None or now - self._compared_at >= COMPARE_INTERVAL_S:
            self._is_due.clear()
            try:
                await self._compare()
            except Exception:
                self._compared_at = None
                raise
            self._compared_at = now
        self._complain(now)

    async def stop(self) -> None:
        """Take no more calls, answer those that run within bounds, and leave all of them."""
        self._is_ending = True
        for looked in self._looked.values():
            looked.task.cancel()
        with suppress(TimeoutError):
            async with asyncio.timeout(DRAIN_S):
                await asyncio.gather(*(served.link.drain() for served in self._served.values()))
        for place in list(self._served):
            self._leave(place)

    async def _subscribe(self, session: BusSession) -> None:
        await session.subscribe(self._told, TOPIC).asFuture(asyncio.get_running_loop())
        self._is_due.set()

    def _told(self, *_: Any, **event: Any) -> None:
        try:
            self._look_at(Place(int(event["project_key"]), int(event["app_key"]), Stage(event["stage"])))
        except (KeyError, ValueError, TypeError):
            log.error("backend_event_malformed")  # noqa: TRY400 - what it says is of no use
            self._is_due.set()

    async def _compare(self) -> None:
        ready: dict[Place, Backend] = {}
        after = 0
        while page := [backend_of(each) for each in await self._page(after)]:
            ready |= {place_of(backend): backend for backend in page}
            after = page[-1].backend_key
        for place in ready.keys() | self._served.keys() | self._taken.keys():
            served = self._served.get(place)
            if served is None or served.realm.backend != ready.get(place):
                self._look_at(place)

    async def _page(self, after: int) -> list[Any]:
        answer = await self._bus.call("ironflock.realms.backend.list", after=after, limit=PAGE)
        backends: list[Any] = answer["backends"]
        return backends

    def _look_at(self, place: Place) -> None:
        if self._is_ending:
            return
        looked = self._looked.get(place)
        if looked is not None:
            looked.is_again = True
        else:
            self._looked[place] = _Looked(self._bus.task(self._look(place), is_stream=True))

    async def _look(self, place: Place) -> None:
        await asyncio.sleep(0)  # until what is looked at stands in the book
        looked = self._looked[place]
        of_project = self._looks_of.setdefault(place.project_key, asyncio.Semaphore(LOOKS_OF_PROJECT))
        try:
            while True:
                looked.is_again = False
                try:
                    async with of_project, self._looks, asyncio.timeout(SETTLE_S):
                        await self._settle(place)
                except Exception as error:  # noqa: BLE001 - one backend's fault is no other's
                    looked.problem = f"{type(error).__name__}: {str(error)[:200]}"
                    log.warning("data_backend_not_settled", problem=looked.problem, **_words(place))
                    await asyncio.sleep(RETRY_S)
                    continue
                looked.problem = ""
                if not looked.is_again:
                    return
        finally:
            self._looked.pop(place, None)

    async def _settle(self, place: Place) -> None:
        answer = await self._bus.call(
            "ironflock.realms.backend.find",
            project_key=place.project_key,
            app_key=place.app_key,
            stage=place.stage.value,
        )
        found = backend_of(answer["backend"]) if answer["state"] == "ready" and answer["backend"] else None
        served = self._served.get(place)
        if found is None:
            if served is not None:
                self._leave(place)
            if place in self._taken:
                await self._hands.drop(self._taken[place])
                del self._taken[place]
            return
        self._taken[place] = found
        offer = await self._hands.take(found)
        found = evolve(found, retention_change=None)  # it is in force now, which realms knows
        if served is None:
            self._serve(place, LiveRealm(found, offer))
        else:
            served.realm.backend, served.realm.offer = found, offer

    def _serve(self, place: Place, realm: LiveRealm) -> None:
        link = RealmLink(self._around, self._bus.cell(realm.backend.cell), realm, Gate(self._octets))
        task = self._bus.task(link.run(), is_stream=True)
        self._served[place] = served = _Served(realm, link, task)
        task.add_done_callback(lambda task: self._ended(place, served, task))

    def _ended(self, place: Place, served: _Served, task: "asyncio.Task[None]") -> None:
        """The router ended the realm: forget it, and ask whether it is to be there."""
        if task.cancelled() or self._served.get(place) is not served:
            return
        if task.exception() is not None:
            log.error("data_realm_failed", exc_info=task.exception(), **_words(place))
        self._leave(place)
        self._look_at(place)

    def _leave(self, place: Place) -> None:
        served = self._served.pop(place)
        served.task.cancel()
        served.link.leave()

    def _complain(self, now: float) -> None:
        missing = set[Place]()
        cells = self._bus.sessions_by_cell(SYSTEM_REALM)
        for place, served in self._served.items():
            # A cell that is away is said by the bus, and takes nothing away from the others.
            is_there = served.realm.session is not None or served.realm.backend.cell not in cells
            served.missing_since = None if is_there else served.missing_since or now
            if served.missing_since is not None and now - served.missing_since > LATE_S:
                missing.add(place)
        problems = {place: looked.problem for place, looked in self._looked.items() if looked.problem}
        troubled = missing | problems.keys()
        TROUBLED.set(len(troubled))
        # One project's trouble, which may be of its own making, is not this process's; nor is that of a server.
        count = of_working_servers({place: self._cluster_of(place) for place in self._served | self._looked}, troubled)
        if is_widespread(len(troubled & count), len(count)):
            example = "".join(f", {place}: {problem}" for place, problem in list(problems.items())[:1])
            raise UnavailableError(f"{len(missing)} data realms are not joined, {len(problems)} not settled{example}")

    def _cluster_of(self, place: Place) -> str | None:
        backend = self._taken.get(place)
        return None if backend is None else backend.cluster


def _words(place: Place) -> dict[str, Any]:
    return {"project_key": place.project_key, "app_key": place.app_key, "stage": place.stage.value}
