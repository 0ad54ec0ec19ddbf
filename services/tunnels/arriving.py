"""A visitor's connection before its TLS: who asks for a public `secure-` host speaks TLS with the device itself.

All else gets our TLS. Which host is asked for stands in the ClientHello; the decision is made before anything is
answered, so that nothing is seen of ours by who is passed on (decision 28).
"""

import asyncio
import socket
from collections import Counter
from typing import Any, Final

import psycopg
from attrs import frozen
from twisted.internet.interfaces import IAddress, IProtocol
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from typing_extensions import override

from services.tunnels.carrying import Carrying
from services.tunnels.errors import NoWorkConnError, RemoteProtocolError
from services.tunnels.first_octets import Undecided
from services.tunnels.records.offers import Offer, Source
from services.tunnels.records.tunnels import Tunnel
from services.tunnels.records.visits import Admitted, Visitor
from services.tunnels.refusal_log import RefusalLog
from services.tunnels.rules.callers import name_of_label
from services.tunnels.rules.client_hello import ClientHello, read_hello
from services.tunnels.rules.heads import label_of
from services.tunnels.rules.names import SECURE
from services.tunnels.store import tunnels as store
from services.tunnels.web_front import WebParts
from services.tunnels.web_visits import Party
from shared import tracing
from shared.errors import PublicError
from shared.subscribers import subscriber
from shared.tls import ServerOptions

MAX_OF_AN_ADDRESS: Final = 256
"""Connections at once, whatever they ask for, of the `MAX_CONNECTIONS` that there are: a site's people share one."""
STALLED_S: Final = 120.0
"""Who took nothing for so long of what waits for them is cut (RFC 5482): they keep a stream of the device."""
NOT_PASSED_ON: Final = "tunnel_not_passed_on"


@frozen
class Target:
    """A public tunnel whose device offers it now, and the label of its host."""

    tunnel: Tunnel
    offer: Offer
    label: str


@frozen
class PassingOn:
    """What connections are passed on with."""

    parts: WebParts
    reactor: Any

    def may_be(self, server_name: str | None) -> bool:
        """Whether that host could be one whose connections are passed on."""
        return (server_name or "").startswith(SECURE) and label_of(server_name or "", self.parts.domain) is not None

    async def target(self, server_name: str) -> Target | None:
        """Where connections to that host go; None where they are not passed on.

        Raises:
            PublicError, psycopg.Error: Nobody can say now.
        """
        label = label_of(server_name, self.parts.domain) or ""
        name = name_of_label(label)
        if name is None:
            return None
        tunnel = await self.parts.database.run(lambda connection: store.tunnel_find_by_name(connection, name))
        offer = self.parts.offering.find(name)
        if tunnel is None or offer is None or not tunnel.is_public(self.parts.times.now()):
            return None
        return Target(tunnel, offer, label)


class Arrivals(Factory):
    """Makes them."""

    noisy = False

    def __init__(self, tls: ServerOptions, listener: Factory, passing_on: PassingOn) -> None:
        """`listener` makes protocols for who gets our TLS, by `tls`."""
        self.listener = listener
        self.passing_on = passing_on
        self.refusals = RefusalLog(passing_on.parts.times.clock)
        self._here: Counter[str] = Counter()
        self._secured = TLSMemoryBIOFactory(tls, False, listener)  # noqa: FBT003 - Twisted's order

    def secured(self, address: IAddress | None) -> IProtocol | None:
        """Our TLS."""
        made: IProtocol | None = self._secured.buildProtocol(address)
        return made

    def enter(self, address: str) -> bool:
        """Whether one more connection of the address is taken; each that came is to `leave`."""
        self._here[subscriber(address)] += 1
        return self._here[subscriber(address)] <= MAX_OF_AN_ADDRESS

    def leave(self, address: str) -> None:
        """The connection is gone."""
        whose = subscriber(address)
        self._here[whose] -= 1
        if not self._here[whose]:
            del self._here[whose]

    @override
    def startFactory(self) -> None:
        self._secured.doStart()

    @override
    def stopFactory(self) -> None:
        self._secured.doStop()

    @override
    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return VisitorArrival(self, addr)


class VisitorArrival(Undecided):
    """A connection of which the ClientHello is awaited."""

    def __init__(self, arrivals: Arrivals, address: Any) -> None:
        """From `address`."""
        super().__init__(arrivals.passing_on.reactor)
        self._arrivals = arrivals
        self._address = address
        self._task: asyncio.Task[None] | None = None

    @override
    def connectionMade(self) -> None:
        super().connectionMade()
        transport: Any = self.transport
        transport.getHandle().setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(STALLED_S * 1_000))
        if not self._arrivals.enter(str(self._address.host)):
            self._cut()

    @override
    def look(self) -> None:
        if self._task is not None:
            return
        hello = self._hello()
        if hello is None:
            return
        self._deadline.rest()
        if hello.server_name is None or not self._arrivals.passing_on.may_be(hello.server_name):
            self._secure()
            return
        transport: Any = self.transport
        transport.pauseProducing()
        parts = self._arrivals.passing_on.parts
        self._task = parts.bus.task(self._choose(hello.server_name))

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self._arrivals.leave(str(self._address.host))
        if self._task is not None:
            if self._inner is None:
                self._task.cancel()
            self._arrivals.passing_on.parts.visits.leave(id(self))

    def _hello(self) -> ClientHello | None:
        try:
            return read_hello(bytes(self._octets))
        except RemoteProtocolError:
            return ClientHello(None)  # TLS says what is wrong with it

    def _secure(self) -> None:
        inner = self._arrivals.secured(self._address)
        if inner is None:
            self._cut()
        else:
            self.hand_over(inner)

    async def _choose(self, server_name: str) -> None:
        transport: Any = self.transport
        try:
            target = await self._arrivals.passing_on.target(server_name)
            if target is None:
                self._secure()
                transport.resumeProducing()
                return
            await self._pass_on(target)
        except (PublicError, psycopg.Error, NoWorkConnError) as error:
            self._arrivals.refusals.say(NOT_PASSED_ON, str(self._address.host), reason=str(error)[:200])
            self._cut()

    async def _pass_on(self, target: Target) -> None:
        """By one visit for all connections of the address."""
        passing_on = self._arrivals.passing_on
        parts, address = passing_on.parts, str(self._address.host)

        async def admit() -> Admitted:
            return Admitted(target.tunnel, Visitor(None, address, None))

        party = Party(target.label, "public", b"", address)
        with parts.sharing.stream(target.tunnel.device_key, Visitor(None, address, None)):
            with tracing.visited("tls"):
                opened = await parts.visits.visit_of(party, id(self), admit)
            stream = await parts.edge.open_stream(target.offer, Source(address, int(self._address.port)))
            carrying = Carrying(opened, stream, passing_on.reactor, parts.times)
            await carrying.carry(self.transport, self.take_octets(carrying.forwarding))
