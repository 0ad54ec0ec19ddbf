"""What one agent offers, at our own edge or at an frps: the same rules for both."""

from collections.abc import Callable
from typing import Final, Protocol

from services.tunnels.admission import AWAY, Declared
from services.tunnels.offers import Offers, TakenError
from services.tunnels.records.happenings import Happening, Offered, Withdrawn
from services.tunnels.records.messages import NewProxy
from services.tunnels.records.offers import Offer, Refusal
from services.tunnels.rules.names import asked_of
from shared.errors import PublicError

MAX_PROXIES: Final = 64


class Registry(Protocol):
    """Where offers are known."""

    declared: Declared
    offers: Offers
    tell: Callable[[Happening], None]


class SessionOffers:
    """The offers of one session of a device; they go with it."""

    def __init__(self, registry: Registry, device_key: int) -> None:
        """None yet."""
        self._registry = registry
        self._device_key = device_key
        self._offers: dict[str, Offer] = {}

    def find(self, proxy_name: str) -> Offer | None:
        """What is offered under that name."""
        return self._offers.get(proxy_name)

    async def allowed(self, asked: NewProxy) -> Offer | Refusal:
        """What `asked` may be registered as."""
        name = asked_of(asked)
        if isinstance(name, Refusal):
            return name
        if name.device_key != self._device_key:
            return Refusal("this name belongs to another device")
        if len(self._offers) >= MAX_PROXIES:
            return Refusal(f"a device has {MAX_PROXIES} tunnels at the most")
        try:
            return await self._registry.declared.allows(self._device_key, asked)
        except PublicError:
            return Refusal(AWAY)

    def register(self, offer: Offer) -> Offer | Refusal:
        """Registered; a proxy that is asked for again is what it was."""
        earlier = self._offers.get(offer.proxy_name)
        if earlier == offer:
            return earlier
        if earlier is not None:
            self.withdraw(earlier.proxy_name)
        try:
            self._registry.offers.add(offer)
        except TakenError as error:
            return Refusal(str(error))
        self._offers[offer.proxy_name] = offer
        self._registry.tell(Offered(offer))
        return offer

    def withdraw(self, proxy_name: str) -> None:
        """It is not offered any more."""
        offer = self._offers.pop(proxy_name, None)
        if offer is not None:
            self._registry.offers.remove(offer)
            self._registry.tell(Withdrawn(offer))

    def withdraw_all(self) -> None:
        """The session is over."""
        for name in list(self._offers):
            self.withdraw(name)
