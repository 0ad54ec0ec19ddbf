"""What is offered now: each proxy that is registered, found by its name; nothing of it is another's."""

from services.tunnels.records.offers import Offer

Key = tuple[str, object]


class TakenError(Exception):
    """A name, host or port is registered already; the text says which."""


class Offers:
    """The registry; an offer is in it as long as its agent's session holds it."""

    def __init__(self) -> None:
        """Nothing is offered."""
        self._by_key: dict[Key, Offer] = {}

    def add(self, offer: Offer) -> None:
        """Register `offer`.

        Raises:
            TakenError: Part of it is another's; nothing was registered.
        """
        taken = [str(key[1]) for key in _keys(offer) if key in self._by_key]
        if taken:
            raise TakenError(f"{taken[0]} is registered already")
        for key in _keys(offer):
            self._by_key[key] = offer

    def remove(self, offer: Offer) -> None:
        """Forget `offer`."""
        for key in _keys(offer):
            if self._by_key.get(key) is offer:
                del self._by_key[key]

    def find(self, proxy_name: str) -> Offer | None:
        """What is registered under that name."""
        return self._by_key.get(("name", proxy_name))

    def __len__(self) -> int:
        """How many there are."""
        return sum(key[0] == "name" for key in self._by_key)


def _keys(offer: Offer) -> list[Key]:
    keys: list[Key] = [
        ("name", offer.proxy_name),
        ("port", (offer.device_key, offer.app, offer.port, offer.protocol)),
    ]
    if offer.host is not None:
        keys.append(("label", offer.host.partition(".")[0].lower()))
    if offer.remote_port is not None:
        keys.append(("remote port", (offer.protocol, offer.remote_port)))
    return keys
