"""Whether devices are there: what they say, what the router says of their sessions, and the two compared.

A device is online by its own status call and offline when the router says that its session left. Whatever was missed
(this service, the router or the database was away) is found by comparing the registry with the router's own list:
after each join of the bus, after every failure, and once a minute.
"""

import asyncio
from typing import Any, Final
from uuid import UUID

import structlog
from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.types import EventDetails, SubscribeOptions

from services.devices import store
from services.devices.feed import Change, Feed
from services.devices.records import Device, Status
from shared.bus import Bus, call
from shared.database import Connection, Database
from shared.errors import PublicError
from shared.identities import CONTROL_REALM, DEVICE_ROLE, DeviceIdentity, device_authid, parse_device_authid
from shared.session import BusSession

TESTAMENT: Final = "reswarm.api.testament_device"
ENDED: Final = "wamp.close.system_shutdown"
COMPARE_INTERVAL_S: Final = 60.0
RETRY_S: Final = 1.0
REMEMBERED_LEAVES: Final = 50_000

log = structlog.get_logger()


class Presence:
    """Keeps the status of devices true to the router."""

    def __init__(self, bus: Bus, database: Database, feed: Feed) -> None:
        """Follow every cell of `bus`."""
        self._bus = bus
        self._database = database
        self._feed = feed
        self._left: dict[int, None] = {}
        self._is_due = asyncio.Event()
        bus.on_join(CONTROL_REALM, self._follow)

    async def run(self) -> None:
        """Compare whenever it is due, for ever."""
        while True:
            try:
                async with asyncio.timeout(COMPARE_INTERVAL_S):
                    await self._is_due.wait()
            except TimeoutError:
                pass
            self._is_due.clear()
            try:
                await self._compare()
            except (PublicError, ApplicationError, TransportLost) as error:
                log.warning("presence_not_compared", error=type(error).__name__)
                self._is_due.set()
                await asyncio.sleep(RETRY_S)

    async def report(self, device: DeviceIdentity, status: Status, stats: dict[str, Any]) -> None:
        """Set what a device said of itself, over its session."""
        async with self._database.transaction() as connection:
            is_new = await store.device_set_status(
                connection, device.device_key, status=status, session=device.session, stats=stats
            )
        if is_new:
            self._feed.tell(Change(device_key=device.device_key, project_key=device.project_key))
        if device.session in self._left:
            # The session ended while its last call was under way: its end must win.
            await self._gone([device.session])

    async def end_sessions(self, device: Device, why: str) -> None:
        """Close whatever the device has open; it comes back only with a secret that opens."""
        authid = device_authid(device.project_key, device.device_key)
        for session in self._bus.sessions(CONTROL_REALM):
            await call(session, "wamp.session.kill_by_authid", args=(authid, ENDED, why))

    async def _follow(self, session: BusSession) -> None:
        loop = asyncio.get_running_loop()

        def left(session_id: Any, *_: Any) -> None:
            self._remember(session_id)
            self._bus.spawn(self._settle_leave(session_id))

        def joined(details: Any, *_: Any) -> None:
            if details.get("authrole") == DEVICE_ROLE:
                self._bus.spawn(self._check_credential(session, details))

        def testament(*_: Any, details: EventDetails) -> None:
            # Only the sender counts: a testament may say what it likes about others.
            if details.publisher is not None:
                left(details.publisher)

        await session.subscribe(left, "wamp.session.on_leave").asFuture(loop)
        await session.subscribe(joined, "wamp.session.on_join").asFuture(loop)
        options = SubscribeOptions(details_arg="details")
        await session.subscribe(testament, TESTAMENT, options=options).asFuture(loop)
        self._is_due.set()

    def _remember(self, session_id: int) -> None:
        self._left[session_id] = None
        while len(self._left) > REMEMBERED_LEAVES:
            del self._left[next(iter(self._left))]

    async def _settle_leave(self, session_id: int) -> None:
        try:
            await self._gone([session_id])
        except PublicError:
            self._is_due.set()

    async def _check_credential(self, session: BusSession, details: dict[str, Any]) -> None:
        """End a session that began with secrets which have been replaced while it was joining (decision 4)."""
        extra = details.get("authextra") or {}
        parsed = parse_device_authid(str(details.get("authid")))
        if parsed is None:
            return
        async with self._database.transaction() as connection:
            device = await store.device_find(connection, parsed[1])
        if device is None or device.state == "deleting" or device.flash_id != _uuid(extra.get("flash_id")):
            log.info("device_session_ended", device_key=parsed[1], reason="secrets replaced")
            await call(session, "wamp.session.kill", args=(details["session"], ENDED, "this secret was replaced"))

    async def _gone(self, sessions: list[int]) -> None:
        async with self._database.transaction() as connection:
            keys = await store.device_set_disconnected(connection, sessions)
            changes = await self._changes(connection, keys)
        for change in changes:
            self._feed.tell(change)

    async def _compare(self) -> None:
        async with self._database.transaction() as connection:
            began = await store.clock(connection)
        live: list[int] = []
        for session in self._bus.every_session(CONTROL_REALM):
            live += await call(session, "wamp.session.list", args=([DEVICE_ROLE],))
        async with self._database.transaction() as connection:
            keys = await store.device_set_disconnected_except(connection, live, began)
            changes = await self._changes(connection, keys)
        for change in changes:
            self._feed.tell(change)
        log.info("presence_compared", live=len(live), gone=len(keys))

    async def _changes(self, connection: Connection, keys: list[int]) -> list[Change]:
        found = [await store.device_find(connection, key) for key in keys]
        return [Change(device_key=d.device_key, project_key=d.project_key) for d in found if d is not None]


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
