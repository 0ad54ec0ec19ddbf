"""Visitors of public raw ports: each connection is a visit of somebody without an account.

It is recorded like any other before the device is asked for a stream.
"""

import asyncio
from typing import Any, Final

import psycopg
from attrs import frozen
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from services.tunnels.answerings import Answerings
from services.tunnels.carrying import Carrying
from services.tunnels.datagrams import Channels
from services.tunnels.errors import NoWorkConnError
from services.tunnels.finding import Offering
from services.tunnels.forwarding import Forwarding
from services.tunnels.open_ports import OpenPorts
from services.tunnels.records.offers import Offer, Source
from services.tunnels.records.times import Times
from services.tunnels.records.tunnels import Tunnel
from services.tunnels.records.visits import Admitted, Cause, Visitor
from services.tunnels.refusal_log import RefusalLog
from services.tunnels.streams import Reaching
from services.tunnels.visiting import OpenVisit, Visiting
from shared import tracing
from shared.bus import Bus
from shared.database import Database
from shared.errors import PublicError

REFUSED: Final = "tunnel_public_visit_refused"


@frozen
class Standing:
    """What public ports stand on."""

    bus: Bus
    database: Database
    offering: Offering
    ports: OpenPorts
    visiting: Visiting
    edge: Reaching
    channels: Channels
    answerings: Answerings
    times: Times
    refusals: RefusalLog


class PublicPort(Factory):
    """One of them."""

    noisy = False

    def __init__(self, parts: Standing, tunnel: Tunnel, offer: Offer, reactor: Any) -> None:
        """Bring whoever comes to what `tunnel` is."""
        self.parts = parts
        self.reactor = reactor
        self.tunnel = tunnel
        self.offer = offer

    def serve(self, tunnel: Tunnel, offer: Offer) -> None:
        """From now on it is this."""
        self.tunnel, self.offer = tunnel, offer

    @override
    def buildProtocol(self, addr: IAddress | None) -> Protocol:
        return PublicVisitor(self, addr)


class PublicVisitor(Protocol):
    """One connection; nothing is read of it before it is recorded and there is a stream for it."""

    def __init__(self, port: PublicPort, address: Any) -> None:
        """From `address`."""
        self._port = port
        self._source = Source(str(address.host), int(address.port))
        self._task: asyncio.Task[None] | None = None
        self._forwarding: Forwarding | None = None

    @override
    def connectionMade(self) -> None:
        transport: Any = self.transport
        transport.setTcpNoDelay(True)
        transport.pauseProducing()
        self._task = self._port.parts.bus.task(self._come())

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._forwarding is not None:
            self._forwarding.dataReceived(data)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._forwarding is not None:
            self._forwarding.connectionLost(reason)
        elif self._task is not None:
            self._task.cancel()

    async def _come(self) -> None:
        parts, transport = self._port.parts, self.transport
        visitor = Visitor(None, self._source.address, None)
        try:
            with tracing.visited("tcp"):
                opened = await parts.visiting.begin(Admitted(self._port.tunnel, visitor))
        except (PublicError, psycopg.Error) as error:
            parts.refusals.say(REFUSED, visitor.address, **why(self._port.tunnel, error))
            _abort(transport)
            return
        cause = Cause.VISITOR_LEFT
        try:
            cause = await self._carry(opened)
        finally:
            if cause is not Cause.DEVICE_LEFT:  # else what the device said last is on its way still
                _abort(transport)
            await asyncio.shield(parts.visiting.conclude(opened, cause))

    async def _carry(self, opened: OpenVisit) -> Cause:
        """Pass on until it ends."""
        parts = self._port.parts
        try:
            stream = await parts.edge.open_stream(self._port.offer, self._source)
        except NoWorkConnError:
            return Cause.NOT_REACHED
        carrying = Carrying(opened, stream, self._port.reactor, parts.times)
        self._forwarding = carrying.forwarding
        return await carrying.carry(self.transport)


def why(tunnel: Tunnel, error: Exception) -> dict[str, Any]:
    """What a line about a visitor who was refused says."""
    return {"tunnel_key": tunnel.tunnel_key, "reason": str(error)[:200]}


def _abort(transport: Any) -> None:
    if transport is not None and transport.connected:
        transport.abortConnection()
