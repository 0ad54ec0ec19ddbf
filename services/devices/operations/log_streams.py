"""What apps on devices print, and how far updates are, as it comes: to who asked and may, to nobody once they may not.

An agent publishes an app's output only while somebody subscribes its topic, so it is subscribed for as long as one
follows. Followers share nothing but the topic; each has a queue of its own, and who does not keep up is let go.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import partial
from typing import Any, Final
from uuid import uuid4
from weakref import WeakValueDictionary

from attrs import evolve
from autobahn.wamp.exception import TransportLost

from services.devices.operations.intents import ALIVE_S, Intents
from services.devices.operations.operating import Operating, draft_of
from services.devices.reaching import NO_DEVICE, Reaching
from services.devices.records.apps import NameApp
from services.devices.records.devices import READ, Device, NameDevice
from services.devices.records.operations import Following, LogPiece, ProgressPiece
from services.devices.rules import devices as rules
from services.devices.rules import operations
from services.devices.store.devices import device_find
from shared import audit
from shared.bus import AWAY, Bus
from shared.database import Database
from shared.errors import NotFoundError, OverLimitError, UnavailableError
from shared.identities import CONTROL_REALM, Person
from shared.procedures import Progress
from shared.project_cells import ProjectCells
from shared.rights.decision_point import Rights

LOOK_EVERY_S: Final = 0.5
WAITING_PIECES: Final = 256
"""An agent sends a piece of up to 256 KiB at most five times a second: who is so far behind does not read."""


Piece = LogPiece | ProgressPiece
Read = Callable[[object], Piece | None]


class _Pieces:
    """What was heard and not told yet."""

    def __init__(self) -> None:
        """Nothing."""
        self._queue: asyncio.Queue[Piece | None] = asyncio.Queue()
        self._is_late = False

    def hearing(self, read: Read) -> Callable[..., None]:
        """Takes in what an agent published, as `read` reads it."""

        def hear(*args: Any, **_: Any) -> None:
            self._take(read(args[0] if args else None))

        return hear

    def _take(self, piece: Piece | None) -> None:
        if piece is not None and self._queue.qsize() < WAITING_PIECES:
            self._queue.put_nowait(piece)
        elif piece is not None:
            self._is_late = True

    def wake(self) -> None:
        """It is time to look."""
        self._queue.put_nowait(None)

    async def next(self) -> Piece | None:
        """The next piece within half a second; None where there is none, or it is time to look.

        Raises:
            OverLimitError: One was lost, because they come faster than they are read.
        """
        if self._is_late:
            raise OverLimitError("the log comes faster than it is read; follow again")
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                return await self._queue.get()
        return None


class LogStreams:
    """Lets people follow what apps print."""

    def __init__(  # noqa: PLR0917 - the parts that it takes
        self,
        bus: Bus,
        database: Database,
        rights: Rights,
        reaching: Reaching,
        operating: Operating,
        intents: Intents,
    ) -> None:
        """Listen over `bus`."""
        self._reaching = reaching
        self._intents = intents
        self._changing: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()
        self._bus = bus
        self._cells = ProjectCells(bus)
        self._database = database
        self._rights = rights
        self._operating = operating

    async def run(self, person: Person, request: NameApp, progress: Progress) -> None:
        """Tell each piece through `progress` until the caller ends it. Recorded when it begins and when it ends.

        Raises:
            NotFoundError, NotAuthorizedError: They may not read the device's logs, or not any more.
            ConflictError: The app is not on the device.
            OverLimitError: The caller does not keep up.
            UnavailableError: What is printed, or changes of rights, may have been missed: follow again.
        """
        device, container = await self._operating.app_log_of(person, request)
        about = {"log": "follow_logs", "app_key": request.app, "stage": request.stage}
        order = evolve(draft_of(person, device, about), request_id=str(uuid4()))
        order = evolve(order, action=audit.Action.DEVICE_LOGS_READ, aspect=audit.Aspect.READING)
        await self._intents.open_intent(device, order, for_s=ALIVE_S, is_holding=False)
        told = 0

        def tell(piece: Piece) -> None:
            nonlocal told
            told += 1
            progress(piece)

        try:
            async with self._intents.kept_alive(order):
                topics = {f"reswarm.logs.{device.serial_number}.{container}": operations.log_piece}
                await self._tell_all(person, device, topics, tell)
        finally:
            await asyncio.shield(self._intents.close_intent(evolve(order, after={**about, "pieces": told})))

    async def run_progress(self, person: Person, request: NameDevice, progress: Progress) -> None:
        """Tell through `progress` how far the device's updates are, until the caller ends it; errors as `run`."""
        device = await self._reaching.device(person, READ, request.device, request.project)
        topics: dict[str, Read] = {
            f"re.mgmt.{device.serial_number}.{name}": partial(operations.progress_piece, of)
            for of, name in operations.PROGRESS_TOPICS.items()
        }
        begun = Following(tuple(operations.PROGRESS_TOPICS))
        await self._tell_all(person, device, topics, progress, begun=lambda: progress(begun))

    async def _tell_all(
        self,
        person: Person,
        device: Device,
        topics: Mapping[str, Read],
        tell: Callable[[Piece], None],
        *,
        begun: Callable[[], None] = lambda: None,
    ) -> None:
        pieces = _Pieces()
        async with AsyncExitStack() as stack:
            following = stack.enter_context(self._rights.follow(person.account_key, pieces.wake))
            await self._require(person, device)
            heard = [
                await stack.enter_async_context(self._subscribed(device, topic, pieces.hearing(read)))
                for topic, read in topics.items()
            ]
            begun()
            while True:
                piece = await pieces.next()
                if following.is_due():
                    await self._require(person, device)
                if not all(is_heard() for is_heard in heard):
                    raise UnavailableError(AWAY)
                if piece is not None:
                    tell(piece)

    async def _require(self, person: Person, device: Device) -> None:
        """The person may read the device's logs, and it is where it was."""
        found = await self._database.run(lambda connection: device_find(connection, device.device_key))
        if found is None or found.project_key != device.project_key:
            raise NotFoundError(NO_DEVICE)
        place = rules.domain(found.project_key)
        await self._rights.require(person, READ, rules.asset(found), place, absent=NO_DEVICE)

    @asynccontextmanager
    async def _subscribed(
        self, device: Device, topic: str, hear: Callable[..., None]
    ) -> AsyncIterator[Callable[[], bool]]:
        """Hear the topic in the cell of the device's project; says whether that is still heard.

        A session has one subscription of a topic, however many follow: one that ends while another begins would end
        both, so they do not cross.
        """
        lock = self._changing.setdefault(topic, asyncio.Lock())
        async with lock:
            session = await self._cells.session(device.project_key, CONTROL_REALM)
            made = await session.subscribe(hear, topic).asFuture(asyncio.get_running_loop())
        try:
            yield lambda: session in self._bus.sessions(CONTROL_REALM)
        finally:
            await asyncio.shield(_unsubscribe(made, lock))


async def _unsubscribe(subscription: Any, lock: asyncio.Lock) -> None:
    async with lock:
        with suppress(TransportLost):  # where the session is lost there is nothing to end
            if subscription.active:
                ending = subscription.unsubscribe().asFuture(asyncio.get_running_loop())
                await asyncio.gather(ending, return_exceptions=True)
