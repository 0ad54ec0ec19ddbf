"""Sending traces to a collector: OTLP over HTTPS, from a thread of its own, never more than a bounded number kept.

What cannot be sent is given up and counted; no request ever waits for it. Loading this costs some 30 MiB of memory and
0.35 s, so that only a process that sends traces does.
"""

import logging
import threading
import uuid
from collections.abc import Callable, Sequence
from typing import Final

import requests
import structlog
from opentelemetry import trace
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.sampling import ParentBasedTraceIdRatio
from prometheus_client import Counter
from typing_extensions import override

from shared.trace_settings import TraceSettings

KEPT: Final = 4096
"""Spans that wait or are under way at once."""
BATCH: Final = 512
PAUSE_MS: Final = 1000
SEND_TIMEOUT_S: Final = 5.0
END_TIMEOUT_S: Final = 2.0

log = structlog.get_logger()
counted = Counter(
    "ironflock_spans_total", "Spans of traces: sent, lost on the way, dropped for want of room", ["outcome"]
)


def begin(service: str, settings: TraceSettings) -> Callable[[], None]:
    """Send what `shared.tracing` tells of this process; what is returned sends the rest, in 2 s, and ends it."""
    provider = provider_of(service, settings.ratio, exporter_to(settings))
    trace.set_tracer_provider(provider)

    def end() -> None:
        # A daemon: a process need not wait for a collector that does not answer.
        ending = threading.Thread(target=provider.shutdown, name="traces end", daemon=True)
        ending.start()
        ending.join(END_TIMEOUT_S)

    return end


def exporter_to(settings: TraceSettings) -> SpanExporter:
    """What sends to the collector of `settings`, over verified TLS and nowhere else."""
    library = logging.getLogger("opentelemetry")
    library.addHandler(logging.NullHandler())
    library.propagate = False  # it writes plain text, and what it could not reach
    session = requests.Session()
    session.trust_env = False  # no proxy, no other CA, no password out of the environment
    return OTLPSpanExporter(
        settings.endpoint,
        certificate_file=str(settings.ca),
        timeout=SEND_TIMEOUT_S,
        compression=Compression.Gzip,
        session=session,
    )


def provider_of(service: str, ratio: float, exporter: SpanExporter) -> TracerProvider:
    """What makes the spans of `service`, sent by `exporter`; of the traces that begin here it keeps `ratio`."""
    who = {"service.namespace": "ironflock", "service.name": service, "service.instance.id": str(uuid.uuid4())}
    provider = TracerProvider(ParentBasedTraceIdRatio(ratio), Resource(who), shutdown_on_exit=False)
    provider.add_span_processor(_Sending(exporter))
    return provider


class _Sending(BatchSpanProcessor):
    """Keeps at most so many spans: the library alone would drop the oldest, and count none."""

    def __init__(self, exporter: SpanExporter) -> None:
        """Send by `exporter`, in batches."""
        self._room = threading.Semaphore(KEPT)
        super().__init__(_Counting(exporter, self._room), KEPT, PAUSE_MS, BATCH)

    @override
    def on_end(self, span: ReadableSpan) -> None:
        if span.context is None or not span.context.trace_flags.sampled:
            return
        if self._room.acquire(blocking=False):
            super().on_end(span)
        else:
            counted.labels("dropped").inc()


class _Counting(SpanExporter):
    """Counts what is sent, and says when that begins to fail and when it works again."""

    def __init__(self, inner: SpanExporter, room: threading.Semaphore) -> None:
        self._inner = inner
        self._room = room
        self._is_failing = False

    @override
    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        try:
            result = self._inner.export(spans)
        finally:
            self._room.release(len(spans))
        is_failing = result is not SpanExportResult.SUCCESS
        counted.labels("lost" if is_failing else "sent").inc(len(spans))
        if is_failing is not self._is_failing:
            self._is_failing = is_failing
            log.warning("traces_not_sent" if is_failing else "traces_sent_again")
        return result

    @override
    def shutdown(self) -> None:
        self._inner.shutdown()
