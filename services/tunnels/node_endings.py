"""Ends a session at an frps, which has no command for that: whoever logs in with a session's run_id takes it over.

So we log in with it ourselves, as frpc does: frps ends the earlier session, frees its names and ports, and only then
answers. Agents of the field send no heartbeat that could be refused. Source: frps server/service.go RegisterControl.
"""

import asyncio
import hashlib
import secrets
from pathlib import Path
from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol, wrapClientTLS
from twisted.internet.error import ConnectError, DNSLookupError
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from services.tunnels.errors import RemoteProtocolError
from services.tunnels.links import Link
from services.tunnels.records.messages import Login, LoginResp
from services.tunnels.records.plugin import Node
from services.tunnels.records.yamux import Role
from services.tunnels.rules.control import VERSION
from services.tunnels.rules.messages import MessageReader, encode
from services.tunnels.streams import MuxStream
from shared.errors import UnavailableError
from shared.tls import client_options

MARK: Final = "ironflock_end"
END_S: Final = 5.0
WINDOW: Final = 6_291_456
NOT_ENDED: Final = "the node does not let its session be ended now"


class Endings:
    """Ends sessions."""

    def __init__(self, reactor: Any, ca: Path) -> None:
        """Nodes show certificates that the authorities in the file `ca` vouch for."""
        self._reactor = reactor
        self._ca = ca
        self._marks: dict[str, str] = {}

    def is_ours(self, mark: str, run_id: str) -> bool:
        """Whether it is one of our own logins that shows `mark`; it counts once."""
        return bool(mark) and self._marks.pop(mark, None) == run_id

    async def take_over(self, node: Node, run_id: str, now: float) -> None:
        """End the session there; nothing is changed where it is over.

        Args:
            now: Unix seconds.

        Raises:
            UnavailableError: The node is away, or refuses it.
        """
        mark = secrets.token_urlsafe(32)
        self._marks[mark] = run_id
        try:
            async with asyncio.timeout(END_S):
                await self._take_over(node, _login(run_id, mark, int(now)))
        except (TimeoutError, ConnectError, DNSLookupError, RemoteProtocolError) as error:
            raise UnavailableError(NOT_ENDED) from error
        finally:
            self._marks.pop(mark, None)

    async def _take_over(self, node: Node, login: Login) -> None:
        loop = asyncio.get_running_loop()
        answered: asyncio.Future[LoginResp] = loop.create_future()

        def lost(reason: str) -> None:
            if not answered.done():
                answered.set_exception(RemoteProtocolError(reason))

        link = Link(self._reactor, MuxStream.abortConnection, lost, role=Role.CLIENT, keepalive=None)
        endpoint = HostnameEndpoint(self._reactor, node.host, node.bind_port, timeout=END_S)
        secured = wrapClientTLS(client_options(node.host, self._ca), endpoint)
        connecting: Deferred[Any] = connectProtocol(secured, link)
        await connecting.asFuture(loop)
        try:
            stream = link.open_stream(WINDOW)
            stream.attach(_Answer(answered))
            stream.write(encode(login))
            answer = await answered
        finally:
            link.end("done")
        if answer.error:
            raise RemoteProtocolError("the node refused the login")


class _Answer(Protocol):
    """The control stream, of which the first message alone is of interest."""

    def __init__(self, answered: "asyncio.Future[LoginResp]") -> None:
        self._answered = answered
        self._reader = MessageReader()

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._answered.done():
            return
        try:
            message = self._reader.feed_one(data)
        except RemoteProtocolError as error:
            self._answered.set_exception(error)
            return
        if isinstance(message, LoginResp):
            self._answered.set_result(message)

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if not self._answered.done():
            self._answered.set_exception(RemoteProtocolError("the node ended the stream"))


def _login(run_id: str, mark: str, now: int) -> Login:
    # frp's token, which is empty as the agents': it proves nothing, and frps compares it.
    key = hashlib.md5(str(now).encode(), usedforsecurity=False).hexdigest()
    return Login(version=VERSION, privilege_key=key, timestamp=now, run_id=run_id, metas={MARK: mark})
