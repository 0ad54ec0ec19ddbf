"""REST on the wire: requests of Twisted's in, answers out; what they mean is `serving`'s."""

from collections.abc import Callable, Coroutine
from importlib.resources import files
from time import monotonic
from typing import Any, Final

import structlog
from prometheus_client import Histogram
from twisted.python.failure import Failure
from twisted.web.http import Request
from twisted.web.resource import Resource
from twisted.web.server import NOT_DONE_YET
from typing_extensions import override

from services.gateway.records import JSON_TYPE, Answer, Asked, HttpRefusedError
from services.gateway.rules import refusals
from services.gateway.serving import Serving, path_below

DESCRIPTION: Final = "/openapi.json"
READING: Final = ("GET", "HEAD")
seconds = Histogram("ironflock_rest_seconds", "Time of a REST request", ["method", "status"])

log = structlog.get_logger()


class Rest(Resource):
    """Everything below `/v1/ironflock`."""

    isLeaf = 1

    def __init__(self, serving: Serving, spawn: Callable[[Coroutine[Any, Any, None]], None]) -> None:
        """Answer by `serving`; `spawn` runs what answers one request."""
        super().__init__()
        self._serving = serving
        self._spawn = spawn
        self._description = files("services.gateway").joinpath("openapi.json").read_bytes()

    @override
    def render(self, request: Request) -> int:
        """Answer later."""
        self._spawn(self._serve(request))
        return NOT_DONE_YET

    async def _serve(self, request: Request) -> None:
        gone: list[Failure] = []
        _ = request.notifyFinish().addErrback(gone.append)
        began, asked = monotonic(), asked_of(request)
        answer = self._described(asked) if asked.path == DESCRIPTION else await self._serving.answer(asked)
        elapsed = monotonic() - began
        method = asked.method if asked.method in METHODS else "other"
        seconds.labels(method, str(answer.status)).observe(elapsed)
        log.info("request_answered", method=method, status=answer.status, elapsed_s=round(elapsed, 4))
        if not gone:
            send(request, answer)

    def _described(self, asked: Asked) -> Answer:
        if asked.method in READING:
            return Answer(200, self._description)
        allow = (("allow", ", ".join(READING)),)
        return refusals.of_http(HttpRefusedError("method_not_allowed", "this can only be read", headers=allow))


METHODS: Final = frozenset({*READING, "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


def asked_of(request: Request) -> Asked:
    """The request as it came over the wire; a path that lies elsewhere is none of ours."""
    path, _, query = request.uri.decode("latin-1").partition("?")
    content = request.content.read() if request.content is not None else b""
    headers: dict[str, tuple[str, ...]] = {
        name.decode("latin-1").lower(): tuple(value.decode("latin-1") for value in values)
        for name, values in request.requestHeaders.getAllRawHeaders()
    }
    return Asked(
        method=request.method.decode("latin-1"),
        path=path_below(path) or "",
        query=query,
        headers=headers,
        body=content,
        address=str(getattr(request.getClientAddress(), "host", "")),
    )


def send(request: Request, answer: Answer) -> None:
    """Write `answer`."""
    request.setResponseCode(answer.status)
    for name, value in answer.headers:
        request.setHeader(name.encode("ascii"), value.encode("ascii"))
    if answer.content:
        request.setHeader(b"content-type", JSON_TYPE.encode())
        request.setHeader(b"content-length", str(len(answer.content)).encode())
        request.write(answer.content)
    request.finish()
