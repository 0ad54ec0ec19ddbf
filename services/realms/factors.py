"""What realms asks auth: whether a person has a second factor."""

from shared.bus import Bus


class Factors:
    """The second factors of people."""

    def __init__(self, bus: Bus) -> None:
        """Ask over `bus`."""
        self._bus = bus

    async def has(self, account_key: int) -> bool:
        """Whether the person has set one up.

        Raises:
            UnavailableError: Auth is away: nobody can tell, so nobody passes.
        """
        return bool(await self._bus.call("ironflock.auth.account.has_factor", account_key=account_key))
