"""An HTTPS listener: TLS before anything is answered, a bound on idle connections and on their number."""

from typing import Final

from twisted.internet import reactor
from twisted.internet.interfaces import IListeningPort
from twisted.protocols.policies import ThrottlingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.resource import IResource
from twisted.web.server import Site

from shared.tls import ServerOptions

MAX_CONNECTIONS: Final = 2_000


def listen_https(
    tls: ServerOptions, port: int, interface: str, root: IResource, *, idle_timeout_s: int
) -> IListeningPort:
    """Serve `root` on `interface`:`port`.

    Raises:
        CannotListenError: The port is taken.
    """
    secured = TLSMemoryBIOFactory(tls, False, Site(root, timeout=idle_timeout_s))  # noqa: FBT003 - Twisted's order
    limited = ThrottlingFactory(secured, maxConnectionCount=MAX_CONNECTIONS)
    return reactor.listenTCP(port, limited, interface=interface)  # type: ignore[arg-type]  # a wrapper is a factory too
