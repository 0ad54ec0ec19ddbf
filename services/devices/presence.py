"""Whether devices are there: what they say, what the router says of their sessions, and the two compared.

A device is online by its own status call and offline when the router says that its session left. Whatever was missed
(this service, the router or the database was away) is found by comparing the registry with the router's own list:
after each join of the bus, after every failure, and once a minute.
"""

import asyncio
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

import structlog
from autobahn.wamp.exception import ApplicationError, TransportLost
from autobahn.wamp.types import EventDetails, SubscribeOptions

from services.devices.apps.sessions import AppSessions
from services.devices.feed import Change, Feed
from services.devices.records.devices import Device, Status
from services.devices.rules import devices as rules
from services.devices.session_memory import SessionMemory
from services.devices.store import devices as store
from shared.bus import NO_SUCH_SESSION, Bus, call
from shared.database import Database
from shared.errors import OutcomeUnknownError, OverLimitError, PublicError, UnavailableError
from shared.identities import CONTROL_REALM, DEVICE_ROLE, DeviceIdentity, device_authid, parse_device_authid
from shared.rights.decision_point import Rights
from shared.session import BusSession

TESTAMENT: Final = "reswarm.api.testament_device"
ENDED: Final = "wamp.close.system_shutdown"
REPLACED: Final = "this secret was replaced"
LOCKED: Final = "this device is locked"
COMPARE_INTERVAL_S: Final = 60.0

log = structlog.get_logger()


class Presence:
    """Keeps the status of devices true to the router."""

    def __init__(self, bus: Bus, database: Database, feed: Feed, rights: Rights, app_sessions: AppSessions) -> None:
        """Follow every cell of `bus`; `rights` knows what is locked."""
        self._bus = bus
        self._app_sessions = app_sessions
        self._rights = rights
        self._database = database
        self._feed = feed
        self._sessions = SessionMemory()
        self._unwritten: dict[int, tuple[DeviceIdentity, Status, dict[str, Any]]] = {}
        self._asked_in_vain: set[int] = set()
        self._unchecked: dict[int, tuple[BusSession, dict[str, Any]]] = {}
        self._is_due = asyncio.Event()
        bus.on_join(CONTROL_REALM, self._follow)

    async def keep_true(self) -> None:
        """Wait until something is due, a minute at most, and make good what was missed.

        Raises:
            PublicError, ApplicationError, TransportLost: A part is away; it is due again.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(COMPARE_INTERVAL_S):
                await self._is_due.wait()
        self._is_due.clear()
        try:
            await self._write_late()
            await self._compare()
            await self._check_late()
            await self._send_off()
        except Exception:
            self._is_due.set()
            raise

    async def report(self, device: DeviceIdentity, status: Status, stats: dict[str, Any]) -> None:
        """Set what a device said of itself, over its session.

        While the database is away it is remembered and written later: an agent whose status call fails exits.
        """
        if not self._sessions.speaks_for(device.device_key, device.session):
            return
        self._unwritten.pop(device.device_key, None)
        await self._write_or_keep(device, status, stats)

    def asked_in_vain(self, device: DeviceIdentity) -> None:
        """Send the device off to reconnect once all is well: it asks once a connection (wire-agent, trap 28)."""
        self._asked_in_vain.add(device.session)
        self._is_due.set()

    async def _write(self, device: DeviceIdentity, status: Status, stats: dict[str, Any]) -> None:
        async with self._database.transaction() as connection:
            is_new = await store.device_set_status(
                connection, device.device_key, status=status, session=device.session, stats=stats
            )
        if is_new:
            self._feed.tell(Change(device_key=device.device_key, project_key=device.project_key))
        if self._sessions.is_over(device.session):
            # The session ended while its last call was under way: its end must win.
            await self._gone([device.session])

    async def _write_late(self) -> None:
        for key in list(self._unwritten):
            if key in self._unwritten:
                device, status, stats = self._unwritten[key]
                await self._write(device, status, stats)
                self._unwritten.pop(key, None)

    async def _write_or_keep(self, device: DeviceIdentity, status: Status, stats: dict[str, Any]) -> None:
        try:
            await self._write(device, status, stats)
        except (UnavailableError, OverLimitError, OutcomeUnknownError):
            self._unwritten.setdefault(device.device_key, (device, status, stats))
            self._is_due.set()

    async def _send_off(self) -> None:
        asked = frozenset(self._asked_in_vain)
        for session in self._bus.every_session(CONTROL_REALM) if asked else []:
            for session_id in asked:
                await self._end(session, session_id, "the platform was away when you asked; ask again")
        self._asked_in_vain -= asked

    def is_locked(self, device: Device) -> bool:
        """Whether a lock stands on the device, or on its project."""
        return self._rights.is_locked(rules.asset(device), rules.domain(device.project_key))

    async def end_sessions(self, device: Device, why: str) -> None:
        """Close whatever the device and its apps have open, also from before it was moved.

        They come back only with what opens.
        """
        projects = [device.project_key] if device.moved_from is None else [device.moved_from, device.project_key]
        for session in self._bus.every_session(CONTROL_REALM):
            for project_key in projects:
                authid = device_authid(project_key, device.device_key)
                await call(session, "wamp.session.kill_by_authid", args=(authid, ENDED, why))
        await self._app_sessions.end(device.serial_number, {})

    async def _follow(self, session: BusSession) -> None:
        loop = asyncio.get_running_loop()

        def left(session_id: Any, *_: Any) -> None:
            self._sessions.left(session_id)
            self._unchecked.pop(session_id, None)
            self._bus.spawn(self._settle_leave(session_id))

        def joined(details: Any, *_: Any) -> None:
            if details.get("authrole") == DEVICE_ROLE:
                self._sit(details)
                self._unchecked[details["session"]] = (session, details)
                self._bus.spawn(self._check_soon(details["session"]))

        def testament(*_: Any, details: EventDetails) -> None:
            # Only the sender counts: a testament may say what it likes about others.
            if details.publisher is not None:
                left(details.publisher)

        await session.subscribe(left, "wamp.session.on_leave").asFuture(loop)
        await session.subscribe(joined, "wamp.session.on_join").asFuture(loop)
        options = SubscribeOptions(details_arg="details")
        await session.subscribe(testament, TESTAMENT, options=options).asFuture(loop)
        self._is_due.set()

    def _sit(self, details: dict[str, Any]) -> None:
        """Know which session of a device is the newest: what an older one still says does not count."""
        parsed = parse_device_authid(str(details.get("authid")))
        if parsed is not None:
            self._sessions.joined(parsed[1], details["session"])

    async def _settle_leave(self, session_id: int) -> None:
        try:
            await self._gone([session_id])
        except PublicError:
            self._is_due.set()

    async def _check_soon(self, session_id: int) -> None:
        try:
            await self._check_late(session_id)
        except (PublicError, ApplicationError, TransportLost):
            self._is_due.set()  # a session that could not be checked is checked again until it was

    async def _check_late(self, *session_ids: int) -> None:
        for session_id in session_ids or tuple(self._unchecked):
            if session_id in self._unchecked:
                await self._check_credential(*self._unchecked[session_id])
                self._unchecked.pop(session_id, None)

    async def _check_credential(self, session: BusSession, details: dict[str, Any]) -> None:
        """End a session whose secrets were replaced (decision 4), or whose device was locked, while it was joining."""
        extra = details.get("authextra") or {}
        parsed = parse_device_authid(str(details.get("authid")))
        if parsed is None:
            return
        device = await self._database.run(lambda connection: store.device_find(connection, parsed[1]))
        why = self._why_not(device, _uuid(extra.get("flash_id")))
        if why is None and device is not None and device.moved_from is not None and parsed[0] == device.project_key:
            await self._database.run(lambda connection: store.device_end_move(connection, *parsed[::-1]))
        if why is not None:
            log.info("device_session_ended", device_key=parsed[1], reason=why)
            await self._end(session, details["session"], why)

    def _why_not(self, device: Device | None, flash_id: UUID | None) -> str | None:
        """Why a session of that flash may not be, None where it may."""
        if device is None or device.state == "deleting" or device.flash_id != flash_id:
            return REPLACED
        return LOCKED if self.is_locked(device) else None

    async def _end(self, session: BusSession, session_id: int, why: str) -> None:
        try:
            await call(session, "wamp.session.kill", args=(session_id, ENDED, why))
        except ApplicationError as error:
            if error.error != NO_SUCH_SESSION:
                raise

    async def _gone(self, sessions: list[int]) -> None:
        async with self._database.transaction() as connection:
            gone = await store.device_set_disconnected(connection, sessions)
        self._tell(gone)

    async def _compare(self) -> None:
        began = await self._database.run(store.clock)
        live: list[int] = []
        for session in self._bus.every_session(CONTROL_REALM):
            live += await call(session, "wamp.session.list", args=([DEVICE_ROLE],))
        async with self._database.transaction() as connection:
            gone = await store.device_set_disconnected_except(connection, live, began)
        self._tell(gone)
        log.info("presence_compared", live=len(live), gone=len(gone))

    def _tell(self, gone: list[tuple[int, int]]) -> None:
        for device_key, project_key in gone:
            self._feed.tell(Change(device_key=device_key, project_key=project_key))


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
