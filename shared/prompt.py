"""Octets leave in the turn of the loop in which they were written.

Twisted lets each message wait for turns of its loop: TLS holds small writes back for one, a transport asks to be told
when the kernel has room, and then takes back that it asked. Where nothing waits before it, the kernel has room.
"""

from typing import Any, Final

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProtocol, IProtocolFactory, IStreamClientEndpoint
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ProtocolWrapper, WrappingFactory
from twisted.python.failure import Failure
from typing_extensions import override
from zope.interface import implementer

SMALL_OCTETS: Final = 16_384
"""What is longer comes in many pieces, each a full record of TLS: these are sent together as ever."""


class PromptConnection(ProtocolWrapper):
    """One connection, below TLS: its transport for TLS, and its protocol for TCP."""

    _is_lost = False

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone."""
        self._is_lost = True
        super().connectionLost(reason)  # type: ignore[no-untyped-call]

    @override
    def write(self, data: bytes) -> None:
        """Octets to the peer; what the kernel has no room for waits, and a connection's loss is found out later."""
        tcp: Any = self.transport
        if len(data) <= SMALL_OCTETS and not self._is_lost and not self.waiting_octets():
            taken = tcp.writeSomeData(data)
            data = data[taken:] if isinstance(taken, int) else data
        if data:
            super().write(data)  # type: ignore[no-untyped-call]

    def waiting_octets(self) -> int:
        """How many octets the peer has not taken yet."""
        tcp: Any = self.transport
        # Twisted has no public figure for this.
        return int(len(tcp.dataBuffer) - tcp.offset + tcp._tempDataLen)  # noqa: SLF001


class _PromptFactory(WrappingFactory):
    """Makes them."""

    noisy = False
    protocol = PromptConnection  # type: ignore[mutable-override]  # Twisted's generic names itself


@implementer(IStreamClientEndpoint)
class PromptEndpoint:
    """Connects as another endpoint does."""

    def __init__(self, plain: IStreamClientEndpoint) -> None:
        """`plain` is TCP."""
        self._plain = plain

    def connect(self, protocolFactory: IProtocolFactory) -> "Deferred[IProtocol]":  # noqa: N803 - the interface
        """The protocol of `protocolFactory` on a new connection."""
        made: Any = _PromptFactory(protocolFactory)  # type: ignore[no-untyped-call]
        return self._plain.connect(made).addCallback(_inner)


def _inner(connection: Any) -> Any:
    return connection.wrappedProtocol
