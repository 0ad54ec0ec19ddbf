"""AuthZEN on the wire (Authorization API 1.0, section 10): the endpoints, and the document that names them.

What requests mean is `evaluating`'s.
"""

from collections.abc import Callable, Coroutine
from typing import Any, Final

import msgspec
from prometheus_client import Histogram
from twisted.web.http import Request
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET
from typing_extensions import override

from services.gateway.evaluating import Evaluating
from services.gateway.procedures.agent_updates import Absent
from services.gateway.procedures.requests import respond
from services.gateway.records import DECISIONS_PATH, JSON_TYPE
from services.gateway.rules.authzen import configuration

REQUEST_ID: Final = b"x-request-id"
seconds = Histogram("ironflock_authzen_seconds", "Time of an AuthZEN request", ["method", "status"])


class Decisions(Resource):
    """Everything below `/access/v1`."""

    isLeaf = 1

    def __init__(self, evaluating: Evaluating, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        """Answer by `evaluating`; `spawn` runs what answers one request."""
        super().__init__()
        self._evaluating = evaluating
        self._spawn = spawn

    @override
    def render(self, request: Request) -> int:
        """Answer later, under the identifier that the request came with (section 10.1.3)."""
        identifier = request.getHeader(REQUEST_ID)
        if identifier is not None:
            request.setHeader(REQUEST_ID, identifier)
        self._spawn(respond(request, DECISIONS_PATH, self._evaluating.answer, seconds))
        return NOT_DONE_YET


class Configuration(Resource):
    """`/.well-known/authzen-configuration` (section 9)."""

    def __init__(self, url: str) -> None:
        """Name the endpoints at `url`, the origin under which clients reach the gateway."""
        super().__init__()
        self._content = msgspec.json.encode(configuration(url))

    def render_GET(self, request: Request) -> bytes:
        """The document, for anybody."""
        request.setHeader(b"content-type", JSON_TYPE.encode())
        return self._content

    @override
    def getChild(self, path: bytes, request: Request) -> IResource:
        """What is not there: there is one decision point, not one a tenant."""
        return Absent()
