"""One shell on a device, spoken with as its person (decision 15): opened, written to, heard, and ended.

An agent keeps one root shell for each who calls it, and hands it out again. So the session that speaks with it has the
authid of the person's account, may do nothing else, and leaves only after the shell has ended, as far as it can be.
Source: wire-agent section 3.
"""

import asyncio
import re
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Final
from uuid import UUID

from attrs import define, field
from autobahn.wamp.exception import ApplicationError, SessionNotReady, TransportLost
from autobahn.wamp.types import PublishOptions

from services.devices.operations.agent_calls import OFFLINE, AgentAnswer, asked
from shared.bus import Apart
from shared.errors import ConflictError, OutcomeUnknownError, OverLimitError, UnavailableError

OPEN: Final = "init_device_terminal"
END: Final = "TERMINAL_EOF"
CALL_S: Final = 10.0
CUT_S: Final = 1.0
CUTS: Final = 5
LOOK_EVERY_S: Final = 0.5
MOST_WAITING_OCTETS: Final = 4 * 2**20
COLUMNS_TO_END: Final = 80
ROWS_TO_END: Final = 24
AWAY: Final = "the bus went away; open the terminal again"
LATE: Final = "the terminal prints faster than it is read"
_SESSION: Final = re.compile(r"[A-Za-z0-9-]{1,64}")


@define(eq=False)
class Shell:
    """The shell of `serial_number` that `apart` has; what it printed waits here until it is taken."""

    serial_number: UUID
    apart: Apart
    name: str = ""
    over: asyncio.Event = field(factory=asyncio.Event)
    read_octets: int = 0
    written_octets: int = 0
    _queue: "asyncio.Queue[str | None]" = field(factory=asyncio.Queue)
    _waiting: int = 0
    _is_late: bool = False
    _size: dict[str, int] = field(factory=lambda: {"height": ROWS_TO_END, "width": COLUMNS_TO_END})

    async def open(self, columns: int, rows: int) -> bool:
        """Get the shell; false where the device is not in this cell.

        Raises:
            ConflictError: The agent refuses, or answers what is no terminal of its own.
            OutcomeUnknownError, UnavailableError: It does not answer; the bus is away.
        """
        answer = await asked(self.apart.session, self._uri(OPEN), (), {}, CALL_S)
        if answer is None:
            return False
        topics = {"writeTopic": "term_write", "dataTopic": "data", "resizeTopic": "term_resize"}
        self.name = session_of(answer, self.serial_number, topics)
        heard = self.apart.session.subscribe(self.hear, self._uri(f"data.{self.name}"))
        await done(heard)
        await self.resize(columns, rows)
        return True

    async def write(self, keys: str) -> None:
        """Type `keys`.

        Raises:
            UnavailableError: The bus is away.
        """
        self.written_octets += len(keys.encode())
        options = PublishOptions(acknowledge=True)
        await done(self.apart.session.publish(self._uri(f"term_write.{self._which}"), keys, options=options))

    async def resize(self, columns: int, rows: int) -> None:
        """Give it a size.

        Raises:
            ConflictError: The device is not connected, or there is no such shell any more. Others as `open`.
        """
        size = self._size = {"height": rows, "width": columns}
        if await asked(self.apart.session, self._uri(f"term_resize.{self._which}"), (size,), {}, CALL_S) is None:
            raise ConflictError(OFFLINE, reason="device_offline")

    def hear(self, *args: Any, **_: Any) -> None:
        """Take in what it printed."""
        text = args[0] if args else None
        if text == END:
            self.over.set()
            self.wake()
        elif isinstance(text, str):
            length = len(text.encode(errors="replace"))
            self.read_octets += length
            self._waiting += length
            self._is_late = self._is_late or self._waiting > MOST_WAITING_OCTETS
            if not self._is_late:
                self._queue.put_nowait(text)

    def wake(self) -> None:
        """It is time to look."""
        self._queue.put_nowait(None)

    async def next(self) -> str | None:
        """What it printed, within half a second; None where that is nothing, or it is time to look.

        Raises:
            OverLimitError: Some was lost, because it comes faster than it is read.
            UnavailableError: The session is lost.
        """
        if self.apart.lost.is_set():
            raise UnavailableError(AWAY)
        if self._is_late:
            raise OverLimitError(LATE)
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                text = await self._queue.get()
                self._waiting -= len((text or "").encode(errors="replace"))
                return text
        return None

    async def end_shell(self) -> bool:
        """End the shell and whatever runs in it: Ctrl-C, `exit`, until it says that it is over; whether it did."""
        for _ in range(CUTS):
            if self.over.is_set() and await self.is_gone():
                return True
            self.over.clear()
            with suppress(TimeoutError, UnavailableError):
                for keys in ("\x03", "exit\n"):
                    await self.write(keys)
                async with asyncio.timeout(CUT_S):
                    await self.over.wait()
        return self.over.is_set() and await self.is_gone()

    async def end_of_before(self, agent_session: str) -> bool | None:  # noqa: ARG002 - an agent has one of each caller
        """End the one that was left, which the agent hands out again; whether it did, None where this cell has none."""
        if not await self.open(COLUMNS_TO_END, ROWS_TO_END):
            return None
        return await self.end_shell()

    async def is_gone(self) -> bool:
        """Whether the end that was said is one: whoever types can print the word for it."""
        with suppress(ConflictError, OutcomeUnknownError, UnavailableError):
            uri = self._uri(f"term_resize.{self._which}")
            return await asked(self.apart.session, uri, (self._size,), {}, CUT_S) is None
        return False

    @property
    def _which(self) -> str:
        return self.name

    def _uri(self, name: str) -> str:
        return f"re.mgmt.{self.serial_number}.{name}"


def session_of(answer: AgentAnswer, serial_number: UUID, topics: Mapping[str, str], within: str = "") -> str:
    """The name of the shell, whose topics are called so; one that names another's would have the keys go there.

    Raises:
        ConflictError: It does, or it is no answer of an agent's.
    """
    said = answer.args[0] if answer.args else None
    name = said.get("sessionID") if isinstance(said, dict) else None
    if isinstance(said, dict) and isinstance(name, str) and _SESSION.fullmatch(name):
        which = f"{within}.{name}" if within else name
        if all(said.get(each) == f"re.mgmt.{serial_number}.{word}.{which}" for each, word in topics.items()):
            return name
    raise ConflictError("the device answered with something else than a terminal", reason="device_answer")


async def done(asking: Any) -> Any:
    """What came of it.

    Raises:
        UnavailableError: The bus is away.
    """
    try:
        async with asyncio.timeout(CALL_S):
            return await asking.asFuture(asyncio.get_running_loop())
    except (ApplicationError, SessionNotReady, TransportLost, TimeoutError) as error:
        raise UnavailableError(AWAY) from error
