"""Requests of Twisted's in, answers out: the same for everything that is asked by HTTPS."""

from collections.abc import Awaitable, Callable
from time import monotonic
from typing import Any, Final

import structlog
from prometheus_client import Histogram
from twisted.python.failure import Failure
from twisted.web.http import Request

from services.gateway.records import JSON_TYPE, Answer, Asked
from shared import tracing

METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})

log = structlog.get_logger()


async def respond(
    request: Request, base: str, answering: Callable[[Asked], Awaitable[Answer]], seconds: Histogram
) -> None:
    """Send what `answering` says to `request`, which came below `base`; `seconds` are told how long it took."""
    gone: list[Failure] = []
    _ = request.notifyFinish().addErrback(gone.append)
    began, asked = monotonic(), asked_of(request, base)
    method = asked.method if asked.method in METHODS else "other"
    with tracing.request(asked.method) as doing:
        answer = await answering(asked)
        doing.answered(answer.status)
        elapsed = monotonic() - began
        log.info("request_answered", below=base, method=method, status=answer.status, elapsed_s=round(elapsed, 4))
    seconds.labels(method, str(answer.status)).observe(elapsed)
    if not gone:
        _send(request, answer)


def asked_of(request: Request, base: str) -> Asked:
    """The request as it came over the wire; a path that does not lie below `base` is none."""
    path, _, query = request.uri.decode("latin-1").partition("?")
    content = request.content.read() if request.content is not None else b""
    headers: dict[str, tuple[str, ...]] = {
        name.decode("latin-1").lower(): tuple(value.decode("latin-1") for value in values)
        for name, values in request.requestHeaders.getAllRawHeaders()
    }
    client: Any = request.getClientAddress()
    return Asked(
        method=request.method.decode("latin-1"),
        path=path.removeprefix(base) if path.startswith(f"{base}/") else "",
        query=query,
        headers=headers,
        body=content,
        address=str(getattr(client, "host", "")),
    )


def _send(request: Request, answer: Answer) -> None:
    request.setResponseCode(answer.status)
    for name, value in answer.headers:
        request.setHeader(name.encode("ascii"), value.encode("ascii"))
    if answer.content:
        request.setHeader(b"content-type", JSON_TYPE.encode())
        request.setHeader(b"content-length", str(len(answer.content)).encode())
        request.write(answer.content)
    request.finish()
