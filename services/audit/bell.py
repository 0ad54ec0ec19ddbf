"""Telling those who wait in this process that the log has grown."""

import asyncio


class Bell:
    """Rung after each new head. Who waits looks again after a while by itself: another process may have grown it."""

    def __init__(self) -> None:
        """Nobody waits yet."""
        self._rung = asyncio.Event()

    def ring(self) -> None:
        """Wake everybody who waits now."""
        self._rung.set()
        self._rung = asyncio.Event()

    async def heard(self, within_s: float) -> None:
        """Wait for the next ring, at most `within_s` seconds."""
        try:
            async with asyncio.timeout(within_s):
                await self._rung.wait()
        except TimeoutError:
            return
