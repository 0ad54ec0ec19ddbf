"""One agent at the edge: its login, its proxies and its work streams, over one yamux session.

Work streams belong to the connection on which they were opened, whatever run_id they name (decision 27).
"""

import asyncio
import secrets
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Final, Protocol

import structlog
from twisted.internet.interfaces import IReactorTime

from services.tunnels.admission import AWAY, Declared, Devices, identified
from services.tunnels.control_stream import ControlStream, FirstMessage
from services.tunnels.errors import NoWorkConnError, RemoteProtocolError
from services.tunnels.links import Link
from services.tunnels.offers import Offers
from services.tunnels.records.happenings import Happening, LoginRefused, ProxyRefused
from services.tunnels.records.messages import (
    CloseProxy,
    Login,
    Message,
    NewProxy,
    NewVisitorConn,
    NewVisitorConnResp,
    NewWorkConn,
    StartWorkConn,
)
from services.tunnels.records.offers import Offer, Refusal, Source, TunnelDevice, TunnelProtocol
from services.tunnels.rules.cipher import IV_OCTETS
from services.tunnels.rules.control import ControlEvent
from services.tunnels.rules.frames import GoAwayCode
from services.tunnels.rules.messages import encode
from services.tunnels.rules.plugin import PROOF
from services.tunnels.session_offers import SessionOffers
from services.tunnels.streams import MuxStream
from services.tunnels.work_streams import WorkStreams

MAX_WAITING_EVENTS: Final = 256
WIDE_WINDOW: Final = 1_048_576
"""What an agent may send ahead on a visitor's stream."""
MAX_WIDE: Final = 16
"""Streams of one agent with that much; further ones have yamux' 256 KiB."""

log = structlog.get_logger()


class Floor(Protocol):
    """What a session needs of the edge."""

    devices: Devices
    declared: Declared
    offers: Offers
    clock: IReactorTime
    tell: Callable[[Happening], None]

    def let_in(self, session: "EdgeSession", device: TunnelDevice) -> None:
        """`session` is the one of `device` from now on; an earlier one is ended."""

    def left(self, session: "EdgeSession", reason: str) -> None:
        """`session` is over."""


class EdgeSession:
    """One agent."""

    def __init__(self, floor: Floor, address: str) -> None:
        """At `address`, not logged in; `link` is to be given the connection."""
        self._floor = floor
        self.address = address
        self.device: TunnelDevice | None = None
        self.link = Link(floor.clock, self._opened, self._ended)
        self._control: ControlStream | None = None
        self._work: WorkStreams | None = None
        self._offers: SessionOffers | None = None
        self._events: deque[ControlEvent] = deque()
        self._task: asyncio.Task[None] | None = None
        self._wide: set[MuxStream] = set()

    async def open_stream(self, offer: Offer, source: Source) -> MuxStream:
        """A stream to what the device offers, its visitor told; attach a protocol to it.

        Raises:
            NoWorkConnError: The device opens none, or does not offer that any more.
        """
        if self._work is None or self._offers is None or self._offers.find(offer.proxy_name) is not offer:
            raise NoWorkConnError("the device does not offer this any more")
        work = self._work
        stream = await work.take()
        with self.link.together():
            self._widen(stream)
            stream.write(encode(_start(offer, source)))
            work.refill()
        return stream

    def end(self, reason: str) -> None:
        """End it now; its names and ports are free."""
        self.link.end(reason)

    # ------------------------------------------------------------------------------------------------------- streams

    def _opened(self, stream: MuxStream) -> None:
        stream.attach(FirstMessage(stream, self._floor.clock, self._begin, self.link.end))

    def _begin(self, stream: MuxStream, first: Message | None, octets: bytes) -> None:
        """What a stream is for shows in its first message; None is a Login, which the control stream reads itself."""
        match first:
            case None if self._control is None:
                self._control = ControlStream(self._asked, self.link.end)
                stream.attach(self._control, octets)
            case NewWorkConn() if self._work is not None and not octets:
                self._work.offer(stream)
            case NewVisitorConn(proxy_name=name):
                stream.write(encode(NewVisitorConnResp(name, "visitors of frp are not served here")))
                stream.loseConnection()
            case _:
                raise RemoteProtocolError("a stream that begins with what it may not begin with")

    def _widen(self, stream: MuxStream) -> None:
        self._wide = {each for each in self._wide if not each.is_lost}
        if len(self._wide) < MAX_WIDE:
            self._wide.add(stream)
            stream.widen(WIDE_WINDOW)

    # ------------------------------------------------------------------------------------------------------- control

    def _asked(self, events: list[ControlEvent]) -> None:
        """Answer one after the other."""
        self._events.extend(events)
        if len(self._events) > MAX_WAITING_EVENTS:
            raise RemoteProtocolError("more is asked than is answered")
        if self._task is None and self._events:
            self._task = asyncio.get_running_loop().create_task(self._answer_all())

    async def _answer_all(self) -> None:
        try:
            while self._events and not self.link.is_over:
                await self._answer(self._events.popleft())
        except RemoteProtocolError as error:
            self.link.end(str(error))
        except Exception:
            log.exception("tunnel_agent_failed")
            self.link.end("a fault of ours", GoAwayCode.INTERNAL_ERROR)
        finally:
            self._task = None

    def _answer(self, event: ControlEvent) -> Coroutine[Any, Any, None]:
        match event:
            case Login():
                return self._log_in(event)
            case NewProxy():
                return self._register(event)
            case CloseProxy():
                return self._close(event)

    async def _log_in(self, login: Login) -> None:
        device, reason = await identified(self._floor.devices, login.metas.get(PROOF, ""), self.address)
        if self.link.is_over or self._control is None:
            return
        if device is None or reason is not None:
            self._floor.tell(LoginRefused(device, self.address, reason or AWAY))
            self._control.refuse_login(reason or AWAY)
            self.link.end("the login was refused")
            return
        self.device = device
        self._offers = SessionOffers(self._floor, device.device_key)
        self._floor.let_in(self, device)
        self._work = WorkStreams(self._control.want_work_conn, login.pool_count)
        self._events.extend(self._control.accept_login(secrets.token_hex(8), secrets.token_bytes(IV_OCTETS)))
        self._work.refill()

    async def _register(self, asked: NewProxy) -> None:
        if self.device is None or self._offers is None:
            return
        found = await self._offers.allowed(asked)
        if self.link.is_over or self._control is None:
            return
        if isinstance(found, Offer):
            found = self._offers.register(found)
        if isinstance(found, Refusal):
            self._floor.tell(ProxyRefused(self.device, asked, found.reason))
            self._control.answer_proxy(asked.proxy_name, error=found.reason)
        else:
            self._control.answer_proxy(asked.proxy_name, remote_addr=found.remote_addr)

    async def _close(self, asked: CloseProxy) -> None:
        if self._offers is not None:
            self._offers.withdraw(asked.proxy_name)

    def _ended(self, reason: str) -> None:
        if self._offers is not None:
            self._offers.withdraw_all()
        if self._work is not None:
            self._work.end()
        if self._task is not None and self._task is not asyncio.current_task():
            self._task.cancel()
        self._floor.left(self, reason)


def _start(offer: Offer, source: Source) -> StartWorkConn:
    match offer.protocol:
        case TunnelProtocol.UDP:
            return StartWorkConn(offer.proxy_name)
        case TunnelProtocol.TCP:
            port = offer.remote_port or 0
            return StartWorkConn(offer.proxy_name, source.address, source.address, source.port, port)
        case TunnelProtocol.HTTP | TunnelProtocol.HTTPS:
            return StartWorkConn(offer.proxy_name, source.address, src_port=source.port)
