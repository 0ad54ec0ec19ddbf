"""That something may be to do: given by whoever made it so, waited for by the loop that does it."""

import asyncio
from contextlib import suppress


class Nudge:
    """Given as often as one likes it is one, and gone as soon as somebody has waited for it."""

    def __init__(self) -> None:
        """Nothing is to do."""
        self._given = asyncio.Event()

    def give(self) -> None:
        """Something may be to do: let it be looked for now."""
        self._given.set()

    async def wait(self, within_s: float) -> None:
        """Wait until it is given, at most `within_s` seconds: of what another process has written nobody tells."""
        with suppress(TimeoutError):
            async with asyncio.timeout(within_s):
                await self._given.wait()
        self._given.clear()
