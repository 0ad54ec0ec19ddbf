"""Traces: what one request did, through gateway, bus and database, as spans (OpenTelemetry, W3C Trace Context).

Nothing is traced before `shared.trace_export` has a place to send spans to. A span tells of no person: it says nothing
but what `Attribute` lists, all of it words of ours (procedures, routes as they are written down, refusals by their
code) and numbers of rows. Arguments, keys, names, addresses and what an error says never come here.
"""

from collections.abc import Mapping
from contextvars import Token
from enum import StrEnum
from typing import Any, Final, Self

from opentelemetry import trace
from opentelemetry.context import Context, attach, detach
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from shared.errors import PublicError

FAULTS: Final = frozenset({"internal", "outcome_unknown", "unavailable"})
"""What is a fault of the platform; any other refusal is an answer like another."""
NOWHERE: Final = Context()
"""A span that begins here has no parent, whatever goes on."""
TRACEPARENT: Final = "traceparent"
WAMP: Final = "wamp"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER_METHOD: Final = "_OTHER"
FIRST_FAULT: Final = 500
"""RFC 9110 section 15.6."""
_propagator: Final = TraceContextTextMapPropagator()
_tracer: Final = trace.get_tracer("ironflock")


class Attribute(StrEnum):
    """Everything that a span may say; names of OpenTelemetry's semantic conventions."""

    METHOD = "http.request.method"
    ROUTE = "http.route"
    STATUS = "http.response.status_code"
    CALLED_BY = "rpc.system.name"
    PROCEDURE = "rpc.method"
    DATABASE = "db.system.name"
    OPERATION = "db.operation.name"
    ROWS = "db.response.returned_rows"
    REFUSED = "error.type"


class Doing:
    """A span while it lasts, as a context manager; and what it may be told meanwhile."""

    def __init__(self, span: Span) -> None:
        """Stand for `span`, which has begun."""
        self._span = span
        self._token: Token[Context] | None = None
        self._is_told = False

    def __enter__(self) -> Self:
        """From now on it is the present one; where nothing is traced there is none."""
        if self._span.get_span_context().is_valid:
            self._token = attach(trace.set_span_in_context(self._span))
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: object) -> None:
        """It is over. What an exception says is nobody's, its kind is told."""
        if self._token is None:
            return
        if kind is not None and not self._is_told:
            self.refused(error.code if isinstance(error, PublicError) else kind.__name__)
        detach(self._token)
        self._span.end()

    def answered(self, status: int) -> None:
        """An HTTP request got this status; from 500 on it is a fault."""
        self._span.set_attribute(Attribute.STATUS, status)
        if status >= FIRST_FAULT:
            self._span.set_status(Status(StatusCode.ERROR))

    def refused(self, code: str) -> None:
        """It ended with a refusal: `code` is of `shared.errors`, or the name of an exception's type."""
        self._is_told = True
        self._span.set_attribute(Attribute.REFUSED, code)
        if code in FAULTS:
            self._span.set_status(Status(StatusCode.ERROR))

    def counted(self, result: object) -> None:
        """So many rows came, where they came as a list."""
        if isinstance(result, list | tuple):
            self._span.set_attribute(Attribute.ROWS, len(result))


def request(method: str) -> Doing:
    """An HTTP request, the first span of its trace: what a stranger's `traceparent` says is not looked at."""
    known = _known(method)
    return _begun(known, SpanKind.SERVER, {Attribute.METHOD: known}, NOWHERE)


def routed(method: str, route: str) -> None:
    """The request that is being answered goes to `route`, as it is written down: with placeholders."""
    span = trace.get_current_span()
    span.update_name(f"{_known(method)} {route}")
    span.set_attribute(Attribute.ROUTE, route)


def called(procedure: str) -> Doing:
    """A call over the bus, at the caller; it begins a trace where there is none."""
    return _begun(procedure, SpanKind.CLIENT, {Attribute.CALLED_BY: WAMP, Attribute.PROCEDURE: procedure})


def served(procedure: str, carried: str | None = None) -> Doing:
    """A call over the bus, at the callee; `carried` is what a service of ours sent along, nobody else's."""
    parent = NOWHERE if carried is None else _propagator.extract({TRACEPARENT: carried}, context=NOWHERE)
    return _begun(procedure, SpanKind.SERVER, {Attribute.CALLED_BY: WAMP, Attribute.PROCEDURE: procedure}, parent)


def queried(operation: str) -> Doing:
    """What a database does for a traced request; what nobody asked for is not traced by itself."""
    if not trace.get_current_span().is_recording():
        return UNTOLD
    return _begun(operation, SpanKind.CLIENT, {Attribute.DATABASE: "postgresql", Attribute.OPERATION: operation})


def posted(outbox: str) -> Doing:
    """A row of `outbox` that is told to another service: in the trace of who waits for it, else in one of its own."""
    return _begun(f"outbox {outbox}", SpanKind.PRODUCER, {})


def carried_on() -> str | None:
    """What a callee continues the present trace by: a `traceparent` (W3C Trace Context, section 3.2)."""
    carrier: dict[str, str] = {}
    _propagator.inject(carrier)
    return carrier.get(TRACEPARENT)


def joined(door: str) -> Doing:
    """An attempt to join the router by `door`, the first span of its trace; it lasts until that is settled."""
    return _begun(f"join {door}", SpanKind.SERVER, {}, NOWHERE)


def visited(way: str) -> Doing:
    """Somebody who comes to a tunnel by `way`, the first span of its trace; it lasts until they are let in."""
    return _begun(f"visit {way}", SpanKind.SERVER, {}, NOWHERE)


def worked(job: str) -> Doing:
    """A `job` that a process does for itself, the first span of its trace."""
    return _begun(f"job {job}", SpanKind.INTERNAL, {}, NOWHERE)


def in_log() -> dict[str, str]:
    """What a line of the log says of the present span; nothing where there is none."""
    context = trace.get_current_span().get_span_context()
    if not context.is_valid:
        return {}
    return {"trace_id": trace.format_trace_id(context.trace_id), "span_id": trace.format_span_id(context.span_id)}


def _known(method: str) -> str:
    """A method could be any word of a stranger's."""
    return method if method in METHODS else OTHER_METHOD


def _begun(name: str, kind: SpanKind, said: Mapping[Attribute, str], parent: Context | None = None) -> Doing:
    """A span of the present one, or of `parent`."""
    attributes: Any = said
    return Doing(_tracer.start_span(name, context=parent, kind=kind, attributes=attributes))


UNTOLD: Final = Doing(trace.INVALID_SPAN)
