"""What tunnels asks auth: whose credential somebody shows, whether it still opens anything, how a text is sealed."""

import base64
from collections.abc import Iterable
from typing import Final

from services.tunnels.records.visits import OpenedCredential, StandingCredential
from services.tunnels.registry import parts_of
from shared import audit
from shared.bus import Bus
from shared.errors import SignInRefusedError
from shared.procedures import answered

OPENS_NOTHING: Final = "this opens nothing: it takes an API key, an access token or a ticket of yours"


class Credentials:
    """Keys, tokens and sessions."""

    def __init__(self, bus: Bus) -> None:
        """Ask over `bus`."""
        self._bus = bus

    async def opened(self, text: str, address: str) -> OpenedCredential:
        """Whose API key or access token it is.

        Raises:
            SignInRefusedError: Nobody's.
            UnavailableError: Nobody can say now.
        """
        answer = await self._bus.call("ironflock.auth.ticket.verify", ticket=text, address=address)
        if answer is None:
            raise SignInRefusedError(OPENS_NOTHING)
        return answered(OpenedCredential, answer)

    async def standing(self, asked: Iterable[tuple[int, str]]) -> dict[tuple[int, str], float]:
        """When each of these, an account and the id of a credential, ends by itself; one that is not there is over."""
        found: dict[tuple[int, str], float] = {}
        for part in parts_of(sorted(set(asked))):
            named = [{"account_key": account_key, "credential": name} for account_key, name in part]
            for each in await self._bus.call("ironflock.auth.credential.standing", credentials=named):
                one = answered(StandingCredential, each)
                found[one.account_key, one.credential] = one.ends_at
        return found

    async def sealed(self, account_key: int, text: str) -> audit.Personal | None:
        """`text` as a value of an audit entry, sealed for the person; None where their key is gone."""
        sealed = await self._bus.call("ironflock.auth.personal.seal", account_key=account_key, text=text)
        return None if sealed is None else audit.Personal(account_key, base64.b64decode(sealed))
