"""A visitor's connection as it is, carried to a device until it ends, its octets counted."""

import asyncio
from typing import Any

from twisted.internet.interfaces import IReactorTime

from services.tunnels.forwarding import Forwarding
from services.tunnels.records.times import Times
from services.tunnels.records.visits import Cause
from services.tunnels.streams import DeviceStream
from services.tunnels.visiting import OpenVisit


class Carrying:
    """One connection of a visit."""

    def __init__(self, opened: OpenVisit, stream: DeviceStream, reactor: IReactorTime, times: Times) -> None:
        """Over `stream`, to which nothing is attached yet; give `forwarding` the visitor's connection."""
        ended: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def moved(to_device: int, to_visitor: int) -> None:
            opened.moved(times.clock(), octets_to=to_device, octets_from=to_visitor)

        def over(why: str) -> None:
            if not ended.done():
                ended.set_result(why)

        self._opened = opened
        self._ended = ended
        self.forwarding = Forwarding(stream, reactor, moved, over)

    async def carry(self, transport: Any, first: bytes = b"") -> Cause:
        """Pass on until it ends, and why; `first` came of the visitor already."""
        connected: Any = self.forwarding
        connected.makeConnection(transport)
        if first:
            connected.dataReceived(first)
        transport.resumeProducing()
        opened = self._opened

        def cut(_: object) -> None:
            self.forwarding.cut(opened.cut.result().value)

        opened.cut.add_done_callback(cut)
        try:
            why = await self._ended
        finally:
            opened.cut.remove_done_callback(cut)
        if opened.cut.done():
            return opened.cut.result()
        return Cause.DEVICE_LEFT if "device" in why else Cause.VISITOR_LEFT
