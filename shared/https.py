"""An HTTPS listener: TLS before anything is answered, a bound on idle connections and on their number."""

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, Final, cast

from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall, IListeningPort
from twisted.internet.protocol import connectionDone
from twisted.protocols.policies import ThrottlingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.python.failure import Failure
from twisted.web.http import HTTPChannel, Request
from twisted.web.resource import IResource
from twisted.web.server import Site
from typing_extensions import override

from shared.tls import ServerOptions

MAX_CONNECTIONS: Final = 2_000
HEAD_TIMEOUT_S: Final = 15


class _Channel(HTTPChannel):
    """One connection: each request's head must be whole in time, however busily it trickles in."""

    _deadline: IDelayedCall | None = None

    @override
    def connectionMade(self) -> None:
        super().connectionMade()
        self._expect_head()

    @override
    def allHeadersReceived(self) -> None:
        self._rest()
        super().allHeadersReceived()

    @override
    def requestDone(self, request: Request) -> None:
        super().requestDone(request)
        self._expect_head()

    @override
    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._rest()
        super().connectionLost(reason)

    def _expect_head(self) -> None:
        self._rest()
        self._deadline = self.callLater(HEAD_TIMEOUT_S, self.forceAbortClient)

    def _rest(self) -> None:
        if self._deadline is not None and self._deadline.active():
            self._deadline.cancel()


def listen_https(
    tls: ServerOptions,
    port: int,
    interface: str,
    root: IResource,
    *,
    idle_timeout_s: int,
    reactor: Any = reactor,
) -> IListeningPort:
    """Serve `root` on `interface`:`port`.

    Raises:
        CannotListenError: The port is taken.
    """
    site = Site(root, timeout=idle_timeout_s)
    site.protocol = _Channel  # type: ignore[method-assign, assignment]  # HTTP/1.1 alone, with our deadline
    secured = TLSMemoryBIOFactory(tls, False, site)  # noqa: FBT003 - Twisted's order
    limited = ThrottlingFactory(secured, maxConnectionCount=MAX_CONNECTIONS)
    return cast("IListeningPort", reactor.listenTCP(port, limited, interface=interface))


def answering(render: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., "Deferred[Any]"]:
    """Let an asyncio coroutine answer a request of klein's: it is cancelled when the peer goes away before its end.

    What it raises is klein's to turn into an answer.
    """

    @wraps(render)
    def answer(surface: Any, request: Request, *args: Any, **kwargs: Any) -> "Deferred[Any]":
        task = asyncio.ensure_future(render(surface, request, *args, **kwargs))
        _ = request.notifyFinish().addErrback(lambda _: task.cancel() and None)
        return Deferred.fromFuture(task)

    return answer
