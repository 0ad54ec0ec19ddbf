"""Whether devices are there: what they say, what the router says of their sessions, and the two compared.

A device is online by its own status call and offline when the router says that its session left. Whatever was missed
(this service, the router or the database was away) is found by comparing the registry with the router's own list:
after each join of the bus, after every failure, and once a minute.
"""

import asyncio
from collections.abc import Collection
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
from shared.bus import AWAY, NO_SUCH_SESSION, Bus, call
from shared.database import Database
from shared.errors import CellAwayError, OutcomeUnknownError, OverLimitError, PublicError, UnavailableError
from shared.identities import CONTROL_REALM, DEVICE_ROLE, DeviceIdentity, device_authid, parse_device_authid
from shared.nudge import Nudge
from shared.project_cells import ProjectCells
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
        self._cells = ProjectCells(bus)
        self._app_sessions = app_sessions
        self._rights = rights
        self._database = database
        self._feed = feed
        self._over: list[int] = []
        self._is_settling = False
        self._sessions = SessionMemory()
        self._unwritten: dict[int, tuple[DeviceIdentity, Status, dict[str, Any]]] = {}
        self._asked_in_vain: set[int] = set()
        self._unchecked: dict[int, dict[str, Any]] = {}
        self._nudge = Nudge()
        bus.on_join(CONTROL_REALM, self._follow)

    async def keep_true(self) -> None:
        """Wait until something is due, a minute at most, and make good what was missed.

        Raises:
            PublicError, ApplicationError, TransportLost: A part is away; it is due again.
        """
        await self._nudge.wait(COMPARE_INTERVAL_S)
        try:
            await self._write_late()
            await self._compare()
            with suppress(CellAwayError):  # it is done when that cell is back
                await self._check_late()
            await self._send_off()
        except CellAwayError:
            raise  # it is looked at again when that cell is back
        except Exception:
            self._nudge.give()
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
        self._nudge.give()

    async def _write(self, device: DeviceIdentity, status: Status, stats: dict[str, Any]) -> None:
        is_new = await self._database.run(
            lambda connection: store.device_set_status(
                connection, device.device_key, status=status, session=device.session, stats=stats
            )
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
            self._nudge.give()

    async def _send_off(self) -> None:
        asked = frozenset(self._asked_in_vain)

        async def end(session: BusSession) -> None:
            for session_id in asked:
                await self._end(session, session_id, "the platform was away when you asked; ask again")

        if asked:
            await self._bus.everywhere(CONTROL_REALM, end)
        self._asked_in_vain -= asked

    def is_locked(self, device: Device) -> bool:
        """Whether a lock stands on the device, or on its project."""
        return self._rights.is_locked(rules.asset(device), rules.domain(device.project_key))

    async def end_sessions(self, device: Device, why: str) -> None:
        """Close whatever the device and its apps have open, also from before it was moved.

        They come back only with what opens.
        """
        for project_key in _projects_of(device):
            session = await self._cells.session(project_key, CONTROL_REALM)
            authid = device_authid(project_key, device.device_key)
            await self._bus.of_a_cell(call(session, "wamp.session.kill_by_authid", args=(authid, ENDED, why)))
        await self.end_apps(device)

    async def end_apps(self, device: Device) -> None:
        """Close what the device's apps have open; of one that was moved in both cells, where those are two."""
        where = {(await self._cells.find(project_key)).name: project_key for project_key in _projects_of(device)}
        for project_key in where.values():
            await self._app_sessions.end(project_key, device.serial_number, {})

    async def _follow(self, session: BusSession) -> None:
        loop = asyncio.get_running_loop()

        def left(session_id: Any, *_: Any) -> None:
            self._sessions.left(session_id)
            self._unchecked.pop(session_id, None)
            self._over.append(session_id)
            if not self._is_settling:
                self._is_settling = True
                self._bus.spawn(self._settle_leaves())

        def joined(details: Any, *_: Any) -> None:
            if details.get("authrole") == DEVICE_ROLE:
                self._sit(details)
                self._unchecked[details["session"]] = details
                self._bus.spawn(self._check_soon(details["session"]))

        def testament(*_: Any, details: EventDetails) -> None:
            # Only the sender counts: a testament may say what it likes about others.
            if details.publisher is not None:
                left(details.publisher)

        await session.subscribe(left, "wamp.session.on_leave").asFuture(loop)
        await session.subscribe(joined, "wamp.session.on_join").asFuture(loop)
        options = SubscribeOptions(details_arg="details")
        await session.subscribe(testament, TESTAMENT, options=options).asFuture(loop)
        self._nudge.give()

    def _sit(self, details: dict[str, Any]) -> None:
        """Know which session of a device is the newest: what an older one still says does not count."""
        parsed = parse_device_authid(str(details.get("authid")))
        if parsed is not None:
            self._sessions.joined(parsed[1], details["session"])

    async def _settle_leaves(self) -> None:
        """Write who left; who leaves meanwhile is written together, next."""
        try:
            while self._over:
                over, self._over = self._over, []
                try:
                    await self._gone(over)
                except PublicError:
                    self._nudge.give()
        finally:
            self._is_settling = False

    async def _check_soon(self, session_id: int) -> None:
        try:
            await self._check_late(session_id)
        except (PublicError, ApplicationError, TransportLost):
            self._nudge.give()  # a session that could not be checked is checked again until it was

    async def _check_late(self, *session_ids: int) -> None:
        """Raises `CellAwayError` at the end: one session in a cell that is away holds up none of another."""
        away: CellAwayError | None = None
        for session_id in session_ids or tuple(self._unchecked):
            if session_id in self._unchecked:
                try:
                    await self._check_credential(self._unchecked[session_id])
                except CellAwayError as error:
                    away = error
                else:
                    self._unchecked.pop(session_id, None)
        if away is not None:
            raise away

    async def _check_credential(self, details: dict[str, Any]) -> None:
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
            await self._bus.everywhere(CONTROL_REALM, lambda session: self._end(session, details["session"], why))

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
        gone = await self._database.run(lambda connection: store.device_set_disconnected(connection, sessions))
        self._tell(gone)

    async def _compare(self) -> None:
        """Compare what is in the cells that answer; of a cell that is away nobody knows."""
        began = await self._database.run(store.clock)
        sessions = self._bus.sessions_by_cell(CONTROL_REALM)
        if not sessions:
            raise UnavailableError(AWAY)
        listing = (
            self._bus.of_a_cell(call(session, "wamp.session.list", args=([DEVICE_ROLE],)))
            for session in sessions.values()
        )
        listed = dict(zip(sessions, await asyncio.gather(*listing, return_exceptions=True), strict=True))
        heard = {cell: live for cell, live in listed.items() if isinstance(live, list)}
        unheard = await self._projects_but_in(heard)
        live = [session_id for of_cell in heard.values() for session_id in of_cell]
        async with self._database.transaction() as connection:
            gone = await store.device_set_disconnected_except(connection, live, began, unheard)
        self._tell(gone)
        log.info("presence_compared", live=len(live), gone=len(gone), projects_unheard=len(unheard))
        with suppress(CellAwayError):  # it is compared when it is back
            self._bus.done(listed.values())

    async def _projects_but_in(self, cells: Collection[str]) -> list[int]:
        """The projects with devices that are online, as far as they are in other cells than these."""
        if len(cells) == len(self._bus.cells):
            return []
        projects = await self._database.run(store.project_list_online)
        return [key for key in projects if (await self._cells.find(key)).name not in cells]

    def _tell(self, gone: list[tuple[int, int]]) -> None:
        for device_key, project_key in gone:
            self._feed.tell(Change(device_key=device_key, project_key=project_key))


def _projects_of(device: Device) -> list[int]:
    """Its project, and the one from which it is still on its way."""
    return [device.project_key] if device.moved_from is None else [device.moved_from, device.project_key]


def _uuid(text: object) -> UUID | None:
    try:
        return UUID(str(text))
    except ValueError:
        return None
