"""A shell in a container of a device, spoken with as its person, as the root shell is.

An agent has as many as are asked for, and prints base64. One lives as long as a registration of whoever speaks with it:
that it goes is all that ends a shell whose person may not call the agent any more. An agent that connects anew has lost
them. Source: wire-agent sections 3 and 5, traps 17 and 29.
"""

import asyncio
import base64
import binascii
import codecs
from contextlib import suppress
from typing import Any, Final

from attrs import define, field
from typing_extensions import override

from services.devices.operations.agent_calls import AgentAnswer, asked
from services.devices.terminals.shells import CALL_S, CUT_S, CUTS, END, Shell, done, session_of
from shared.bus import unregister
from shared.errors import ConflictError, OutcomeUnknownError, UnavailableError

REQUEST: Final = "request_terminal_session"
START: Final = "start_terminal_session"
STOP: Final = "stop_terminal_session"
ALIVE: Final = "ironflock.devices.terminal_alive"
LOOK_AGAIN_S: Final = 0.2


@define(eq=False)
class ContainerShell(Shell):
    """A shell in the container of that name."""

    container: str = ""
    _registration: Any = None
    _decoder: Any = field(factory=lambda: codecs.getincrementaldecoder("utf-8")(errors="replace"))

    @override
    async def open(self, columns: int, rows: int) -> bool:
        """Get one; errors as those of a root shell."""
        answer = await self._ask(REQUEST, {"containerName": self.container}, CALL_S)
        if answer is None:
            return False
        topics = {"writeTopic": "term_write", "dataTopic": "term_data", "resizeTopic": "term_resize"}
        self.name = session_of(answer, self.serial_number, topics, within=self.container)
        alive = f"{ALIVE}.{self.serial_number}.{self.name}"
        self._registration = await done(self.apart.session.register(lambda: None, alive))
        await done(self.apart.session.subscribe(self.hear, self._uri(f"term_data.{self._which}")))
        await self._ask(START, {"sessionID": self.name, "registrationID": self._registration.id}, CALL_S)
        await self.resize(columns, rows)
        return True

    @override
    def hear(self, *args: Any, **_: Any) -> None:
        """Take in what it printed."""
        said = args[0] if args else None
        if said == END:
            super().hear(END)
        elif isinstance(said, str):
            with suppress(binascii.Error, ValueError):
                octets = base64.b64decode(said, validate=True)
                super().hear(END if octets == END.encode() else self._decoder.decode(octets))

    @override
    async def end_shell(self) -> bool:
        """End it: Ctrl-C, `exit`, then what it lives from, and by name; whether the agent has it no more."""
        if not self.name:
            return True
        with suppress(TimeoutError, UnavailableError):
            for keys in () if self.over.is_set() else ("\x03", "exit\n"):
                await self.write(keys)
            async with asyncio.timeout(CUT_S):
                await self.over.wait()
        if self._registration is not None:
            await unregister([self._registration])
        return await self._stop()

    @override
    async def end_of_before(self, agent_session: str) -> bool | None:
        """End the one of that name, which was left; None where this cell's agent has none."""
        self.name = agent_session
        if not agent_session or await self.is_gone():
            return None
        return await self._stop()

    async def _stop(self) -> bool:
        """Whether the agent has it no more; it refuses who may not any more, and ends what nobody holds by itself."""
        for _ in range(CUTS):
            if await self.is_gone():
                return True
            with suppress(ConflictError, OutcomeUnknownError, UnavailableError):
                await self._ask(STOP, {"sessionID": self.name}, CUT_S)
            await asyncio.sleep(LOOK_AGAIN_S)
        return await self.is_gone()

    async def _ask(self, procedure: str, argument: dict[str, Any], time_limit_s: float) -> AgentAnswer | None:
        return await asked(self.apart.session, self._uri(procedure), (argument,), {}, time_limit_s)

    @property
    @override
    def _which(self) -> str:
        return f"{self.container}.{self.name}"
