"""The listener for operators and probes, over TLS: `/health/live`, `/health/ready`, `/metrics`.

It answers counts and states only, no name and no payload, so that it needs no sign-in; it listens on an address that
the network of the installation keeps to itself.
"""

import json

from prometheus_client.twisted import MetricsResource
from twisted.internet.interfaces import IListeningPort, IReactorTime
from twisted.web.http import OK, SERVICE_UNAVAILABLE
from twisted.web.resource import Resource
from twisted.web.server import Request

from shared.health import Health
from shared.https import listen_https
from shared.tls import ServerOptions

IDLE_TIMEOUT_S = 15


class _Live(Resource):
    isLeaf = 1

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"content-type", b"application/json")
        return b'{"live": true}\n'


class _Ready(Resource):
    isLeaf = 1

    def __init__(self, health: Health) -> None:
        super().__init__()
        self._health = health

    def render_GET(self, request: Request) -> bytes:
        request.setResponseCode(OK if self._health.ready() else SERVICE_UNAVAILABLE)
        request.setHeader(b"content-type", b"application/json")
        return json.dumps(self._health.report()).encode() + b"\n"


def resource(health: Health) -> Resource:
    """The tree of the operators' pages."""
    root, pages = Resource(), Resource()
    root.putChild(b"health", pages)
    pages.putChild(b"live", _Live())
    pages.putChild(b"ready", _Ready(health))
    root.putChild(b"metrics", MetricsResource())
    return root


def listen(reactor: IReactorTime, port: int, interface: str, tls: ServerOptions, health: Health) -> IListeningPort:
    """Serve the operators' pages on `interface`:`port` over TLS.

    Raises:
        CannotListenError: The port is taken.
    """
    return listen_https(tls, port, interface, resource(health), idle_timeout_s=IDLE_TIMEOUT_S, reactor=reactor)
