"""The first message of each stream, and the control stream behind a Login."""

from collections.abc import Callable
from typing import Final

from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure
from typing_extensions import override

from services.tunnels.errors import RemoteProtocolError
from services.tunnels.records.messages import Message
from services.tunnels.rules.cipher import control_key
from services.tunnels.rules.control import ControlEvent, ControlSession
from services.tunnels.rules.messages import MessageReader
from services.tunnels.streams import MuxStream

FIRST_MESSAGE_S: Final = 10.0
"""As frps waits for it."""
LOGIN: Final = b"o"
KEY: Final = control_key()
"""Agents have no token."""


class FirstMessage(Protocol):
    """Reads until it shows what a stream is for."""

    def __init__(
        self,
        stream: MuxStream,
        clock: IReactorTime,
        begin: Callable[[MuxStream, Message | None, bytes], None],
        broken: Callable[[str], None],
    ) -> None:
        """Call `begin` with the first message and what came behind it, or with None and all octets of a Login."""
        self._stream = stream
        self._begin = begin
        self._broken = broken
        self._reader = MessageReader()
        self._is_done = False
        self._deadline = clock.callLater(FIRST_MESSAGE_S, stream.abortConnection)

    @override
    def dataReceived(self, data: bytes) -> None:
        if self._is_done:
            return
        try:
            if data.startswith(LOGIN) and not self._reader.rest:
                self._hand_over(None, data)
                return
            message = self._reader.feed_one(data)
            if message is not None:
                self._hand_over(message, self._reader.rest)
        except RemoteProtocolError as error:
            self._broken(str(error))

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._rest()

    def _hand_over(self, message: Message | None, octets: bytes) -> None:
        self._is_done = True
        self._rest()
        self._stream.detach()
        self._begin(self._stream, message, octets)

    def _rest(self) -> None:
        if self._deadline.active():
            self._deadline.cancel()


class ControlStream(Protocol):
    """The server's side of an agent's control stream; what it is told to send is sent at once."""

    def __init__(self, asked: Callable[[list[ControlEvent]], None], broken: Callable[[str], None]) -> None:
        """Call `asked` with what the agent asks, `broken` with why it can go on no longer."""
        self._asked = asked
        self._broken = broken
        self._session = ControlSession(KEY)

    def refuse_login(self, error: str) -> None:
        """Answer the Login with why not."""
        self._session.refuse_login(error)
        self._send()

    def accept_login(self, run_id: str, iv: bytes) -> list[ControlEvent]:
        """Answer the Login; what the agent asked meanwhile."""
        events = self._session.accept_login(run_id, iv)
        self._send()
        return events

    def want_work_conn(self) -> None:
        """Ask for one more work stream."""
        self._session.want_work_conn()
        self._send()

    def answer_proxy(self, proxy_name: str, *, remote_addr: str = "", error: str = "") -> None:
        """Answer a NewProxy."""
        self._session.answer_proxy(proxy_name, remote_addr=remote_addr, error=error)
        self._send()

    @override
    def dataReceived(self, data: bytes) -> None:
        try:
            self._asked(self._session.receive(data))
        except RemoteProtocolError as error:
            self._broken(str(error))
        self._send()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._broken("the control stream ended")

    def _send(self) -> None:
        octets = self._session.octets_to_send()
        if octets and self.transport is not None:
            self.transport.write(octets)
