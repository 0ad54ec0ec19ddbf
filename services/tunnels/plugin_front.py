"""Where frps nodes ask us: HTTPS, one request a question, each with the node's name and secret (Basic, RFC 7617).

frps takes every answer but 200 as a refusal, and waits without an end: it is always answered, in time.
"""

import asyncio
import hmac
from typing import Any, Final

import structlog
from twisted.internet.interfaces import IListeningPort
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET, Request

from services.tunnels.admission import AWAY
from services.tunnels.errors import RemoteProtocolError
from services.tunnels.nodes import Nodes
from services.tunnels.records.plugin import Fleet, Node, Verdict
from services.tunnels.rules.plugin import encode, parse
from shared.allowance import Allowance
from shared.bus import Bus
from shared.https import MAX_CONNECTIONS, listen_https
from shared.tls import ServerOptions

ANSWER_S: Final = 8.0
"""frpc waits 10 s for the answer to its login."""
IDLE_S: Final = 60
FAILURES: Final = 20
FAILURES_WINDOW_S: Final = 60.0

log = structlog.get_logger()


class PluginResource(Resource):
    """`/frps`."""

    isLeaf = 1

    def __init__(self, bus: Bus, nodes: Nodes, fleet: Fleet) -> None:
        """Let the nodes of `fleet` ask `nodes`."""
        untyped: Any = super().__init__
        untyped()
        self._bus = bus
        self._nodes = nodes
        self._fleet = fleet
        self._said = Allowance(FAILURES, FAILURES_WINDOW_S)

    def render_POST(self, request: Request) -> bytes | int:
        """One question."""
        # frps does not send anew what meets a connection that was idle too long: each has its own.
        request.setHeader(b"connection", b"close")
        node = self._node(request.getUser(), request.getPassword())
        if node is None:
            address = str(getattr(request.getClientAddress(), "host", ""))
            if self._said.take(address, asyncio.get_running_loop().time()):
                log.warning("tunnel_node_refused", address=address)
            request.setResponseCode(401)
            request.setHeader(b"www-authenticate", b'Basic realm="frps"')
            return b""
        content: Any = request.content
        ops = (request.args or {}).get(b"op", [])
        try:
            call = parse(ops[0].decode("ascii", "replace") if len(ops) == 1 else "", content.read())
        except RemoteProtocolError as error:
            log.warning("tunnel_node_not_understood", node=node.name, reason=str(error))
            request.setResponseCode(400)
            return b""
        self._bus.spawn(self._answer(request, node, call))
        return NOT_DONE_YET

    async def _answer(self, request: Any, node: Node, call: Any) -> None:
        gone = asyncio.Event()
        request.notifyFinish().addErrback(lambda _: gone.set())
        try:
            async with asyncio.timeout(ANSWER_S):
                verdict = await self._nodes.judge(node, call)
        except TimeoutError:
            verdict = Verdict(AWAY)
        except Exception:
            log.exception("tunnel_node_failed", node=node.name)
            verdict = Verdict(AWAY)
        if gone.is_set():
            return
        request.setHeader(b"content-type", b"application/json")
        channel, octets = request.channel, encode(verdict)
        request.setHeader(b"content-length", str(len(octets)).encode())
        request.write(octets)
        request.finish()
        channel.loseConnection()

    def _node(self, name: bytes, secret: bytes) -> Node | None:
        """Whoever shows that; each secret is compared, whatever the name."""
        found = None
        for node in self._fleet.nodes:
            is_secret = hmac.compare_digest(node.secret.encode(), secret)
            if is_secret and node.name.encode() == name:
                found = node
        return found


def listen_plugin(tls: ServerOptions, port: int, interface: str, front: PluginResource, reactor: Any) -> IListeningPort:
    """Let nodes ask on `interface`:`port`.

    Raises:
        CannotListenError: The port is taken.
    """
    root = Resource()
    root.putChild(b"frps", front)
    # A node asks for all its agents, from one address.
    return listen_https(
        tls, port, interface, root, idle_timeout_s=IDLE_S, of_an_address=MAX_CONNECTIONS, reactor=reactor
    )
