"""The HTTPS side of a witness: two resources, and bounds on what strangers may send."""

import re
from typing import Any, Final

from twisted.internet.interfaces import IListeningPort
from twisted.protocols.policies import ThrottlingFactory
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.resource import NoResource, Resource
from twisted.web.server import Request, Site
from typing_extensions import override

from deploy.flockctl.audit.witness import Answer, Witness
from shared.tlog.witness import ADD_CHECKPOINT_PATH, MAX_REQUEST_LENGTH
from shared.tls import ServerOptions

IDLE_TIMEOUT_S: Final = 30
MAX_CONNECTIONS: Final = 200
_ORIGIN_HASH: Final = re.compile(rb"[0-9a-f]{64}")


class _BoundedRequest(Request):
    """A request whose body ends the connection once it is longer than any request can be."""

    _received = 0

    @override
    def handleContentChunk(self, data: bytes) -> None:
        self._received += len(data)
        if self._received > MAX_REQUEST_LENGTH:
            self.channel.forceAbortClient()
            return
        super().handleContentChunk(data)  # type: ignore[no-untyped-call]


def _send(request: Request, answer: Answer) -> bytes:
    request.setResponseCode(answer.status)
    request.setHeader(b"content-type", answer.content_type.encode())
    return answer.body


class _AddCheckpoint(Resource):
    isLeaf = 1

    def __init__(self, witness: Witness) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._witness = witness

    def render_POST(self, request: Request) -> bytes:
        body = request.content.read() if request.content is not None else b""
        return _send(request, self._witness.add_checkpoint(body))


class _Newest(Resource):
    isLeaf = 1

    def __init__(self, witness: Witness, name: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._witness = witness
        self._name = name

    def render_GET(self, request: Request) -> bytes:
        return _send(request, self._witness.newest(self._name))


class _Root(Resource):
    def __init__(self, witness: Witness) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._witness = witness
        self.putChild(ADD_CHECKPOINT_PATH.encode(), _AddCheckpoint(witness))

    @override
    def getChild(self, path: bytes, request: Request) -> Resource:
        if not _ORIGIN_HASH.fullmatch(path):
            return NoResource()
        log = Resource()
        log.putChild(b"checkpoint", _Newest(self._witness, path.decode("ascii")))
        return log


def listen(reactor: Any, witness: Witness, tls: ServerOptions, *, port: int, interface: str) -> IListeningPort:
    """Serve `witness` on `interface`:`port`, over TLS.

    Raises:
        CannotListenError: The port is taken.
    """
    site = Site(_Root(witness), requestFactory=_BoundedRequest, timeout=IDLE_TIMEOUT_S)
    secured = TLSMemoryBIOFactory(tls, False, site)  # noqa: FBT003 - Twisted's order
    limited = ThrottlingFactory(secured, maxConnectionCount=MAX_CONNECTIONS)
    listening: IListeningPort = reactor.listenTCP(port, limited, interface=interface)
    return listening
