"""Terminals on devices: a shell for who may develop there, for as long as they may, and in the log.

A terminal is at the process that opened it. What is typed may come to another one, which passes it on: each process has
a procedure of its own for that.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final
from uuid import UUID, uuid4

import structlog
from attrs import define, evolve

from services.devices.operations.agent_calls import OFFLINE
from services.devices.operations.intents import ALIVE_S, EXTEND_EVERY_S, Intents
from services.devices.operations.operating import NO_APP, draft_of
from services.devices.reaching import NO_DEVICE, Reaching
from services.devices.records.devices import Device
from services.devices.records.terminals import (
    Because,
    OpenTerminal,
    TerminalEnded,
    TerminalOpened,
    TerminalOrder,
    TerminalOutput,
)
from services.devices.rules import devices as rules
from services.devices.rules.operations import DEVELOP, container_name
from services.devices.store import terminals as store
from services.devices.store.app_states import state_find
from services.devices.store.devices import device_find
from services.devices.store.terminals import LeftTerminal
from services.devices.terminals.containers import ContainerShell
from services.devices.terminals.shells import Shell
from shared import audit
from shared.bus import Apart, Bus
from shared.database import Database
from shared.errors import (
    ConflictError,
    InvalidArgumentError,
    NotAuthorizedError,
    NotFoundError,
    OverLimitError,
    PublicError,
)
from shared.identities import Person, ServiceIdentity
from shared.procedures import Audience, Declaration, Progress, plain
from shared.project_cells import ProjectCells
from shared.rights.decision_point import Following, Rights

OWN: Final = "ironflock.devices.replica.terminal"
"""As which figures and traces know the procedure that each process has under a URI of its own."""
MOST_OF_PERSON: Final = 8
MOST_OF_DEVICE: Final = 8
MOST_HERE: Final = 500
IDLE_S: Final = 30 * 60.0
HARD_S: Final = 8 * 3_600.0
NO_TERMINAL: Final = "there is no such terminal, or it is not yours, or it is over"
HAS_ONE: Final = "you have a terminal there already, or one is being closed; an agent has one for each person"
LEFT_FOR_S: Final = 30.0
"""For how long a shell that was left stays, and after which time its end is tried again."""
LEFT_AT_ONCE: Final = 4
TOO_MANY: Final = "too many terminals are open"

log = structlog.get_logger()


@define(eq=False)
class _Terminal:
    key: UUID
    person: Person
    device: Device
    used: audit.Draft
    touched_at: float
    container: str = ""
    """In which it is; empty: on the machine."""
    left: str | None = None
    """What the agent calls a shell that its person has there of before, as far as none was opened since."""
    shell: Shell | None = None
    because: Because = "refused"
    is_closed: bool = False

    def wake(self) -> None:
        """It is time to look."""
        if self.shell is not None:
            self.shell.wake()

    def is_of(self, account_key: int, credential: str | None) -> bool:
        """Whether it is theirs, opened by the very credential that they come with: others may reach less."""
        return (self.person.account_key, self.person.credential) == (account_key, credential)


class Terminals:
    """Opens them."""

    def __init__(
        self, bus: Bus, database: Database, rights: Rights, reaching: Reaching, intents: Intents, *, process: UUID
    ) -> None:
        """Speak over `bus`; `process` is which one this is."""
        self.join: Callable[[str, str], Awaitable[Apart]] = bus.join_apart
        self._bus = bus
        self._cells = ProjectCells(bus)
        self._database = database
        self._rights = rights
        self._reaching = reaching
        self._intents = intents
        self._process = process
        self._here: dict[UUID, _Terminal] = {}
        bus.serve_own(Declaration(OWN, Audience.SERVICES, TerminalOrder), self.passed_on, own_uri(process))

    async def run(self, person: Person, request: OpenTerminal, progress: Progress) -> TerminalEnded:
        """Tell what the shell prints through `progress` until it is over. Recorded when it begins and when it ends.

        Raises:
            NotFoundError, NotAuthorizedError: They may not develop on the device, or not any more.
            ConflictError: They have one there; the device is not connected, or refuses.
            OverLimitError: Too many are open; the caller does not keep up.
            UnavailableError: The bus, or changes of rights, may have been missed: open it again.
        """
        device = await self._reaching.device(person, DEVELOP, request.device, request.project)
        container = await self._container(device, request)
        key, now = uuid4(), asyncio.get_running_loop().time()
        used = evolve(draft_of(person, device, _about(key, container)), request_id=str(key))
        used = evolve(used, action=audit.Action.DEVICE_TERMINAL_USED)
        terminal = _Terminal(key, person, device, used, now, container)
        terminal.left = await self._begin_terminal(terminal)
        try:
            async with self._intents.kept_alive(used):
                with self._rights.follow(person.account_key, terminal.wake) as following:
                    await self._require(terminal)
                    await self._open_shell(terminal, request)
                    self._here[key] = terminal
                    progress(TerminalOpened(key))
                    terminal.because = await self._serve(terminal, following, progress)
        except asyncio.CancelledError:
            terminal.because = "left"
            raise
        finally:
            self._here.pop(key, None)
            ending = self._bus.task(self._finish_terminal(terminal, now))
        await asyncio.shield(ending)
        return TerminalEnded(terminal.because)

    async def tell(self, order: TerminalOrder) -> None:
        """Have the person's terminal typed to, resized or closed, wherever it is.

        Raises:
            NotFoundError: There is none, or it is over or another's.
            UnavailableError, OutcomeUnknownError: The process that has it is away.
        """
        terminal = self._here.get(order.terminal)
        if terminal is not None:
            await self._do(terminal, order)
            return
        process = await self._database.run(
            lambda connection: store.terminal_process(connection, order.terminal, order.account_key)
        )
        if process is None or process == self._process:
            raise NotFoundError(NO_TERMINAL)
        await self._bus.call(own_uri(process), **plain(order))

    async def passed_on(self, service: ServiceIdentity, order: TerminalOrder) -> None:
        """What another process of devices was told of a terminal that is here."""
        if service.name != "devices":
            raise NotAuthorizedError("this procedure is for devices")
        terminal = self._here.get(order.terminal)
        if terminal is None:
            raise NotFoundError(NO_TERMINAL)
        await self._do(terminal, order)

    async def end_left(self) -> None:
        """End the shells that terminals have left, whose persons may have lost their right meanwhile.

        Raises:
            UnavailableError: The database is away.
        """
        async with self._database.transaction() as connection:
            await store.terminal_forget_gone(connection)
            left = await store.terminal_take_left(
                connection, self._process, left_for_s=LEFT_FOR_S, for_s=ALIVE_S, limit=LEFT_AT_ONCE
            )
        await asyncio.gather(*(self._end_left(each) for each in left))

    async def _end_left(self, left: LeftTerminal) -> None:
        has_ended = False
        try:
            has_ended = await self._end_shell_of(left)
        except PublicError as error:
            log.warning("left_shell_not_ended", device_key=left.device_key, reason=error.message)
        await self._database.run(
            lambda connection: store.terminal_end(connection, left.terminal_id, has_left_shell=not has_ended)
        )
        log.info("left_shell_looked_at", device_key=left.device_key, has_ended=has_ended)

    async def _end_shell_of(self, left: LeftTerminal) -> bool:
        """Whether the shell that the agent hands out to that person has ended; false where the device is nowhere."""
        cell = (await self._cells.find(left.project_key)).name
        apart = await self.join(cell, f"terminal-{left.account_key}")
        try:
            has_ended = await _shell(left.serial_number, apart, left.container).end_of_before(left.agent_session)
        finally:
            apart.session.leave()
        # A container's shell no agent has any more; root shells wait for who is asked for them.
        return bool(left.container) if has_ended is None else has_ended

    async def _do(self, terminal: _Terminal, order: TerminalOrder) -> None:
        shell = terminal.shell
        if shell is None or not terminal.is_of(order.account_key, order.credential):
            raise NotFoundError(NO_TERMINAL)
        if order.is_over:
            terminal.is_closed = True
            terminal.wake()
        if order.keys is not None:
            terminal.touched_at = asyncio.get_running_loop().time()
            await shell.write(order.keys)
        if order.columns is not None and order.rows is not None:
            await shell.resize(order.columns, order.rows)

    async def _container(self, device: Device, request: OpenTerminal) -> str:
        """The name of the container that is meant, empty where none is.

        Raises:
            InvalidArgumentError: Two are named, or an app without its stage.
            ConflictError: The app is not on the device.
        """
        app_key, stage = request.app, request.stage
        if (app_key is None) != (stage is None) or (app_key is not None and request.container is not None):
            raise InvalidArgumentError("name an app with its stage, or a container, or neither", argument="app")
        if app_key is None or stage is None:
            return request.container or ""
        found = await self._database.run(lambda one: state_find(one, device.device_key, app_key, stage))
        if found is None:
            raise ConflictError(NO_APP)
        return container_name(app_key, found.app_name or "", stage)

    async def _begin_terminal(self, terminal: _Terminal) -> str | None:
        """Write down that it is open; what the agent calls a shell that its person has left there."""
        account, device = terminal.person.account_key, terminal.device
        if len(self._here) >= MOST_HERE:
            raise OverLimitError(TOO_MANY)
        async with self._database.transaction() as connection:
            await self._intents.begin_intent(connection, device, terminal.used, for_s=ALIVE_S, is_holding=False)
            left = await store.terminal_take_over(connection, account, device.device_key, terminal.container)
            new = store.NewTerminal(terminal.key, account, device.device_key, terminal.container, left or "")
            if not await store.terminal_insert(connection, new, self._process, for_s=ALIVE_S):
                raise ConflictError(HAS_ONE, reason="terminal_open")
            found = await store.terminal_count(connection, account, device.device_key)
            if found.of_person > MOST_OF_PERSON or found.of_device > MOST_OF_DEVICE:
                raise OverLimitError(TOO_MANY)
        return left

    async def _open_shell(self, terminal: _Terminal, request: OpenTerminal) -> None:
        serial_number, container = terminal.device.serial_number, terminal.container
        cell = (await self._cells.find(terminal.device.project_key)).name
        apart = await self.join(cell, f"terminal-{terminal.person.account_key}")
        terminal.shell = _shell(serial_number, apart, container)
        if terminal.left is not None:
            await _shell(serial_number, apart, container).end_of_before(terminal.left)
        if not await terminal.shell.open(request.columns, request.rows):
            apart.session.leave()
            terminal.shell = None
            raise ConflictError(OFFLINE, reason="device_offline")
        name = terminal.shell.name
        await self._database.run(lambda connection: store.terminal_name(connection, terminal.key, name))

    async def _serve(self, terminal: _Terminal, following: Following, progress: Progress) -> Because:
        shell, loop = terminal.shell, asyncio.get_running_loop()
        if shell is None:
            raise LookupError("a terminal without a shell")
        ends_at, look_at, was_away = loop.time() + HARD_S, loop.time() + EXTEND_EVERY_S, False
        while True:
            text = await shell.next()
            if following.is_due():
                await self._require(terminal)
            if text is not None:
                progress(TerminalOutput(text))
            if (because := _over(terminal, shell, ends_at, loop.time())) is not None:
                return because
            if loop.time() >= look_at:
                look_at, is_away = loop.time() + EXTEND_EVERY_S, await self._extend_terminal(terminal)
                if (is_away and was_away) or (terminal.container and await shell.is_gone()):
                    return "device_left"
                was_away = is_away

    async def _extend_terminal(self, terminal: _Terminal) -> bool:
        """Say that it lives; whether its device is away."""
        with suppress(PublicError):  # the database may be away for a while
            async with self._database.transaction() as connection:
                await store.terminal_extend(connection, terminal.key, for_s=ALIVE_S)
                found = await device_find(connection, terminal.device.device_key)
            return found is None or found.status == "DISCONNECTED"
        return False

    async def _require(self, terminal: _Terminal) -> None:
        """The person may develop on the device, and it is where it was."""
        device = terminal.device
        found = await self._database.run(lambda connection: device_find(connection, device.device_key))
        if found is None or found.project_key != device.project_key:
            raise NotFoundError(NO_DEVICE)
        place = rules.domain(found.project_key)
        await self._rights.require(terminal.person, DEVELOP, rules.asset(found), place, absent=NO_DEVICE)

    async def _finish_terminal(self, terminal: _Terminal, began_at: float) -> None:
        """End the shell, then say in the log how it was."""
        shell, has_ended = terminal.shell, terminal.left is None
        if shell is not None:
            has_ended = await shell.end_shell()
            shell.apart.session.leave()
        if not has_ended:
            log.warning("terminal_left_its_shell", device_key=terminal.device.device_key)
        told = {
            **_about(terminal.key, terminal.container),
            "because": terminal.because,
            "read_octets": 0 if shell is None else shell.read_octets,
            "written_octets": 0 if shell is None else shell.written_octets,
            "seconds": int(asyncio.get_running_loop().time() - began_at),
            "shell_ended": has_ended,
        }
        outcome = audit.Outcome.FAILED if shell is None else audit.Outcome.DONE
        await self._intents.close_intent(evolve(terminal.used, after=told, outcome=outcome))
        await self._database.run(
            lambda connection: store.terminal_end(connection, terminal.key, has_left_shell=not has_ended)
        )


def own_uri(process: UUID) -> str:
    """The procedure of one process of devices, for the others."""
    return f"ironflock.devices.replica.{process.hex}.terminal"


def _shell(serial_number: UUID, apart: Apart, container: str) -> Shell:
    return ContainerShell(serial_number, apart, container=container) if container else Shell(serial_number, apart)


def _about(key: UUID, container: str) -> dict[str, str]:
    return {"terminal": str(key), **({"container": container} if container else {})}


def _over(terminal: _Terminal, shell: Shell, ends_at: float, now: float) -> Because | None:
    if shell.over.is_set():
        return "exit"
    if terminal.is_closed:
        return "closed"
    if now - terminal.touched_at > IDLE_S:
        return "idle"
    return "too_long" if now > ends_at else None
