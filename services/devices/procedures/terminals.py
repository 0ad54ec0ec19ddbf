"""Terminals of people on devices."""

from services.devices.assembly import Parts
from services.devices.records.terminals import (
    CloseTerminal,
    OpenTerminal,
    ResizeTerminal,
    TerminalEnded,
    TerminalOrder,
    WriteTerminal,
)
from shared.identities import Person
from shared.procedures import Progress, for_people


class TerminalProcedures:
    """Devices' procedures about terminals; who types comes with the very credential by which it was opened."""

    def __init__(self, parts: Parts) -> None:
        """Serve with these."""
        self._terminals = parts.terminals

    @for_people("ironflock.devices.device.terminal", OpenTerminal, is_stream=True, is_narrowing=True)
    async def device_terminal(self, person: Person, request: OpenTerminal, progress: Progress) -> TerminalEnded:
        """Progressive: a shell on the device, or in a container there, while the caller has `DEVELOP`; recorded."""
        return await self._terminals.run(person, request, progress)

    @for_people("ironflock.devices.device.terminal_write", WriteTerminal, is_narrowing=True)
    async def device_terminal_write(self, person: Person, request: WriteTerminal) -> None:
        """Type into a terminal of one's own."""
        await self._terminals.tell(
            TerminalOrder(request.terminal, person.account_key, person.credential, keys=request.keys)
        )

    @for_people("ironflock.devices.device.terminal_resize", ResizeTerminal, is_narrowing=True)
    async def device_terminal_resize(self, person: Person, request: ResizeTerminal) -> None:
        """Give a terminal of one's own another size."""
        who = (request.terminal, person.account_key, person.credential)
        await self._terminals.tell(TerminalOrder(*who, columns=request.columns, rows=request.rows))

    @for_people("ironflock.devices.device.terminal_close", CloseTerminal, is_narrowing=True)
    async def device_terminal_close(self, person: Person, request: CloseTerminal) -> None:
        """End a terminal of one's own, and all that runs in it."""
        await self._terminals.tell(TerminalOrder(request.terminal, person.account_key, person.credential, is_over=True))
