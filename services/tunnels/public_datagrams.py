"""Public udp ports: whoever sends from one address is one visit, recorded before the device gets the first datagram.

The device answers whoever sent something, and only so much; nobody else, since an address in a datagram proves nothing.
"""

import asyncio
from collections import OrderedDict, deque
from contextlib import suppress
from functools import partial
from typing import Any, Final

import psycopg
from twisted.internet.error import MessageLengthError
from twisted.internet.protocol import DatagramProtocol
from typing_extensions import override

from services.tunnels.datagrams import Channel, Member
from services.tunnels.errors import NoWorkConnError
from services.tunnels.public_visits import REFUSED, Standing, why
from services.tunnels.records.offers import Offer, Source
from services.tunnels.records.tunnels import Tunnel
from services.tunnels.records.visits import Admitted, Cause, Visitor
from services.tunnels.rules.udp import MAX_DATAGRAM
from services.tunnels.visiting import OpenVisit
from shared import tracing
from shared.allowance import Allowance
from shared.errors import OverLimitError, PublicError

SILENCE_S: Final = 60.0
"""After so long without a datagram of theirs a visitor has left: udp has no end."""
LOOK_EVERY_S: Final = 1.0
MAX_ADDRESSES: Final = 64
BEGINNINGS: Final = 60
"""Visits that may begin at one port within a minute, however many addresses are made up."""
BEGINNINGS_WINDOW_S: Final = 60.0
MAX_WAITING: Final = 16
"""Datagrams of a visitor whose visit is not recorded yet."""
MAX_PORTS: Final = 64
"""From which one address sends, as far as answers find back."""
TOO_MANY: Final = "too many come to this port"


class PublicDatagrams(DatagramProtocol):
    """One of them."""

    noisy = False

    def __init__(self, parts: Standing, tunnel: Tunnel, offer: Offer) -> None:
        """Bring whoever sends to what `tunnel` is."""
        self.parts = parts
        self.tunnel = tunnel
        self.offer = offer
        self._here: dict[str, _Sender] = {}
        self._beginnings = Allowance(BEGINNINGS, BEGINNINGS_WINDOW_S)

    def serve(self, tunnel: Tunnel, offer: Offer) -> None:
        """From now on it is this."""
        self.tunnel, self.offer = tunnel, offer

    @override
    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        if len(datagram) > MAX_DATAGRAM or addr[1] == 0:  # nobody can be answered at port 0
            return
        source = Source(addr[0], addr[1])
        sender = self._here.get(source.address) or self._new(source.address)
        if sender is not None:
            sender.send(datagram, source)

    def answer(self, datagram: bytes, source: Source) -> None:
        """Send what the device answers."""
        transport: Any = self.transport
        if transport is not None:
            with suppress(OSError, MessageLengthError):  # what cannot be sent now is lost, as datagrams are
                transport.write(datagram, (source.address, source.port))

    def gone(self, address: str) -> None:
        """That visit is over."""
        self._here.pop(address, None)

    def _new(self, address: str) -> "_Sender | None":
        has_room = len(self._here) < MAX_ADDRESSES
        if not has_room or not self._beginnings.take(self.tunnel.tunnel_key, self.parts.times.clock()):
            # By the tunnel, since whose address a datagram names is for its sender to say.
            said = why(self.tunnel, OverLimitError(TOO_MANY))
            self.parts.refusals.say(REFUSED, f"udp {self.tunnel.tunnel_key}", **said)
            return None
        sender = self._here[address] = _Sender(self, address)
        return sender


class _Sender:
    """An address that sends."""

    def __init__(self, port: PublicDatagrams, address: str) -> None:
        self._port = port
        self._address = address
        self._clock = port.parts.times.clock
        self._heard_at = self._clock()
        self._waiting: deque[tuple[bytes, Source]] = deque(maxlen=MAX_WAITING)
        self._places: OrderedDict[Source, Source] = OrderedDict()
        self._channel: Channel | None = None
        self._opened: OpenVisit | None = None
        port.parts.bus.spawn(self._visit(port.tunnel, port.offer))

    def send(self, datagram: bytes, source: Source) -> None:
        """One more of theirs."""
        self._heard_at = self._clock()
        self._port.parts.answerings.heard(self._address, len(datagram))
        if self._opened is None or self._channel is None:
            self._waiting.append((datagram, source))
        else:
            self._pass(datagram, source, self._opened, self._channel)

    async def _visit(self, tunnel: Tunnel, offer: Offer) -> None:
        parts = self._port.parts
        try:
            with tracing.visited("udp"):
                opened = await parts.visiting.begin(Admitted(tunnel, Visitor(None, self._address, None)))
        except (PublicError, psycopg.Error) as error:
            parts.refusals.say(REFUSED, self._address, **why(tunnel, error))
            self._port.gone(self._address)
            return
        cause = Cause.FAILED
        try:
            cause = await self._carry(opened, parts.channels.of(offer))
        finally:
            self._port.gone(self._address)
            self._leave()
            await asyncio.shield(parts.visiting.conclude(opened, cause))

    async def _carry(self, opened: OpenVisit, channel: Channel) -> Cause:
        self._channel = channel
        try:
            self._place(self._waiting[0][1], opened, channel)
            await channel.ready()
        except NoWorkConnError:
            return Cause.NOT_REACHED
        self._opened = opened
        while self._waiting:
            self._pass(*self._waiting.popleft(), opened, channel)
        while self._clock() - self._heard_at < SILENCE_S and not opened.cut.done():
            await asyncio.wait({opened.cut}, timeout=LOOK_EVERY_S)
        return opened.cut.result() if opened.cut.done() else Cause.IDLE

    def _pass(self, datagram: bytes, source: Source, opened: OpenVisit, channel: Channel) -> None:
        try:
            place = self._places.get(source) or self._place(source, opened, channel)
        except NoWorkConnError:
            return
        if channel.send(datagram, place):
            opened.moved(self._clock(), octets_to=len(datagram))

    def _place(self, source: Source, opened: OpenVisit, channel: Channel) -> Source:
        """Where answers for `source` come; of many the first one is forgotten."""
        place = channel.enter(source, Member(partial(self._answer, source), partial(opened.end, Cause.DEVICE_LEFT)))
        self._places[source] = place
        while len(self._places) > MAX_PORTS:
            channel.leave(self._places.popitem(last=False)[1])
        return place

    def _answer(self, source: Source, datagram: bytes) -> None:
        if self._opened is None or self._opened.cut.done():
            return
        if not self._port.parts.answerings.take(self._address, len(datagram)):
            return
        self._opened.moved(self._clock(), octets_from=len(datagram))
        self._port.answer(datagram, source)

    def _leave(self) -> None:
        channel, self._channel = self._channel, None
        places, self._places = self._places, OrderedDict()
        if channel is not None:
            for place in places.values():
                channel.leave(place)
