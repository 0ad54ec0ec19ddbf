"""Public raw ports: open while a tunnel of tcp or udp is public and offered.

They are the one thing here that is not TLS (decision 29).
"""

import asyncio
from contextlib import suppress
from typing import Any, Final

import structlog
from twisted.internet.error import CannotListenError
from twisted.internet.interfaces import IListeningPort

from services.tunnels.public_datagrams import PublicDatagrams
from services.tunnels.public_visits import PublicPort, Standing
from services.tunnels.records.offers import Offer
from services.tunnels.records.tunnels import Tunnel
from services.tunnels.rules.tunnels import RAW
from services.tunnels.store import tunnels as store

LOOK_EVERY_S: Final = 1.0
UDP: Final = "udp"

log = structlog.get_logger()
Where = tuple[str, int]
"""The protocol of a port, and its number."""


class RawPorts:
    """Opens and closes them."""

    def __init__(self, parts: Standing, reactor: Any, bind: str) -> None:
        """Listen on the address `bind`."""
        self._parts = parts
        self._reactor = reactor
        self._bind = bind
        self._open: dict[Where, tuple[IListeningPort, PublicPort | PublicDatagrams]] = {}
        self._taken: set[int] = set()

    async def keep_true(self) -> None:
        """Wait until something may be otherwise, a second at most; open what is to be open, and nothing else.

        Raises:
            PublicError: The database is away; what is open stays so.
        """
        with suppress(TimeoutError):
            async with asyncio.timeout(LOOK_EVERY_S):
                await self._parts.ports.is_due.wait()
        self._parts.ports.is_due.clear()
        public = await self._parts.database.run(store.tunnel_list_public)
        wanted = {(tunnel.protocol, offer.remote_port or 0): (tunnel, offer) for tunnel, offer in self._offered(public)}
        for where in [each for each in self._open if each not in wanted]:
            self._close(where)
        before, self._taken = self._taken, set()
        for where, (tunnel, offer) in wanted.items():
            self._ensure(where, tunnel, offer, is_new=tunnel.tunnel_key not in before)
        self._tell()

    def stop(self) -> None:
        """Close every port."""
        for where in list(self._open):
            self._close(where)
        self._tell()

    def _tell(self) -> None:
        self._parts.ports.stand((port.tunnel.tunnel_key for _, port in self._open.values()), self._taken)

    def _offered(self, public: list[Tunnel]) -> list[tuple[Tunnel, Offer]]:
        found = [(tunnel, self._parts.offering.find(tunnel.name)) for tunnel in public if tunnel.protocol in RAW]
        return [(tunnel, offer) for tunnel, offer in found if offer is not None]

    def _ensure(self, where: Where, tunnel: Tunnel, offer: Offer, *, is_new: bool) -> None:
        if where in self._open:
            self._open[where][1].serve(tunnel, offer)
            return
        try:
            self._open[where] = self._listen(where, tunnel, offer)
        except CannotListenError:
            self._taken.add(tunnel.tunnel_key)
            if is_new:  # else it was said already, and the next look is a second later
                log.warning("tunnel_public_port_not_opened", protocol=where[0], port=where[1])
            return
        log.info("tunnel_public_port_opened", protocol=where[0], port=where[1], tunnel_key=tunnel.tunnel_key)

    def _listen(
        self, where: Where, tunnel: Tunnel, offer: Offer
    ) -> tuple[IListeningPort, PublicPort | PublicDatagrams]:
        protocol, port = where
        if protocol == UDP:
            datagrams = PublicDatagrams(self._parts, tunnel, offer)
            return self._reactor.listenUDP(port, datagrams, interface=self._bind), datagrams
        factory = PublicPort(self._parts, tunnel, offer, self._reactor)
        return self._reactor.listenTCP(port, factory, interface=self._bind), factory

    def _close(self, where: Where) -> None:
        listening, _ = self._open.pop(where)
        listening.stopListening()
        log.info("tunnel_public_port_closed", protocol=where[0], port=where[1])
