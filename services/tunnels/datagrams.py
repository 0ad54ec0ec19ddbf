"""Datagrams of visitors over one work stream of a device: what does not fit is dropped, as UDP does.

frpc has one stream for all visitors of a udp port: a second one would take the place of the first. So they share a
channel, each with a place of their own in it, by which the device's answers find them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from attrs import evolve, frozen
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from services.tunnels.errors import NoWorkConnError, RemoteProtocolError
from services.tunnels.records.offers import Offer, Source
from services.tunnels.rules.udp import MAX_DATAGRAM, PacketReader, packet
from services.tunnels.streams import HIGH_OCTETS, MuxStream

PORTS: Final = 65_536
MAX_PLACES: Final = 4_096
"""Of one channel; frpc keeps a socket for each."""
FULL: Final = "too many visitors of this port"
ENDED: Final = "the device ended it"


@frozen
class Member:
    """A visitor: `deliver` takes the device's datagrams, `left` is called once when the device is gone."""

    deliver: Callable[[bytes], None]
    left: Callable[[], None]


class Channel(Protocol):
    """One offer's visitors and their one stream; once that ends, the channel is over."""

    def __init__(self, open_stream: Callable[[], Awaitable[MuxStream]], over: Callable[[], None]) -> None:
        """Open the stream once somebody is ready; call `over` when the stream ended, or nobody is here any more."""
        self._open_stream = open_stream
        self._over = over
        self._reader = PacketReader()
        self._members: dict[Source, Member] = {}
        self._opening: asyncio.Task[None] | None = None
        self._stream: MuxStream | None = None
        self._is_over = False

    def enter(self, source: Source, member: Member) -> Source:
        """The place of a visitor from `source`; another port of the same address where that one is taken.

        Raises:
            NoWorkConnError: There is no place any more, or the channel is over.
        """
        if self._is_over or len(self._members) >= MAX_PLACES:
            raise NoWorkConnError(ENDED if self._is_over else FULL)
        ports = ((source.port + more) % PORTS for more in range(PORTS))
        place = next(each for port in ports if (each := evolve(source, port=port)) not in self._members)
        self._members[place] = member
        return place

    async def ready(self) -> None:
        """Wait until datagrams can go; to be called by who has a place.

        Raises:
            NoWorkConnError: The device opens no stream, or has ended it.
        """
        if self._opening is None:
            self._opening = asyncio.get_running_loop().create_task(self._open())
            self._opening.add_done_callback(lambda task: task.cancelled() or task.exception())
        try:
            await asyncio.shield(self._opening)
        except NoWorkConnError:
            self._end()
            raise
        if self._is_over:
            raise NoWorkConnError(ENDED)

    def send(self, datagram: bytes, place: Source) -> bool:
        """Pass `datagram` on; whether it went, since it is dropped where it is too long, or too much waits."""
        if self._stream is None or len(datagram) > MAX_DATAGRAM or self._stream.waiting_octets > HIGH_OCTETS:
            return False
        self._stream.write(packet(datagram, place))
        return True

    def leave(self, place: Source) -> None:
        """The visitor is gone; with the last one the stream is."""
        self._members.pop(place, None)
        if not self._members:
            self._end()

    @override
    def dataReceived(self, data: bytes) -> None:
        try:
            found = self._reader.feed(data)
        except RemoteProtocolError:
            if self._stream is not None:
                self._stream.abortConnection()
            return
        for datagram, place in found:
            member = self._members.get(place)
            if member is not None:
                member.deliver(datagram)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stream = None
        self._end()

    async def _open(self) -> None:
        stream = await self._open_stream()
        if self._is_over:
            stream.abortConnection()
            return
        self._stream = stream
        stream.attach(self)

    def _end(self) -> None:
        if self._is_over:
            return
        self._is_over = True
        self._over()
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.loseConnection()
        members, self._members = self._members, {}
        for member in members.values():
            member.left()


class Channels:
    """One for each offer that somebody visits."""

    def __init__(self, open_stream: Callable[[Offer, Source], Awaitable[MuxStream]]) -> None:
        """`open_stream` opens one to what a device offers."""
        self._open_stream = open_stream
        self._channels: dict[str, tuple[Offer, Channel]] = {}

    def of(self, offer: Offer) -> Channel:
        """That of the offer; one that is offered anew has another."""
        name = offer.proxy_name
        known = self._channels.get(name)
        if known is not None and known[0] is offer:
            return known[1]
        channel = Channel(lambda: self._open_stream(offer, Source("", 0)), lambda: self._forget(name, channel))
        self._channels[name] = offer, channel
        return channel

    def _forget(self, name: str, channel: Channel) -> None:
        known = self._channels.get(name)
        if known is not None and known[1] is channel:
            del self._channels[name]
