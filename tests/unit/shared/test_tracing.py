"""Spans: what they say and what they cannot, and which trace they are of."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF, ParentBased
from opentelemetry.trace import StatusCode

from shared import tracing
from shared.errors import NotFoundError, UnavailableError
from shared.tracing import Attribute

ROOT = Path(__file__).parents[3]
STRANGERS = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(name="ended")
def fixture_ended(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What ended; every trace is kept."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    yield exporter
    assert tracing.in_log() == {}, "no span is left over"


def of(exporter: InMemorySpanExporter) -> Sequence[ReadableSpan]:
    return exporter.get_finished_spans()


def test_a_call_is_continued_at_the_callee_and_in_its_database(ended: InMemorySpanExporter) -> None:
    with tracing.request("GET"):
        tracing.routed("GET", "/devices/{device_key}")
        with tracing.called("x.find"):
            carried = tracing.carried_on()
    with tracing.served("x.find", carried), tracing.queried("query") as doing:
        doing.counted([1, 2, 3])

    call, root, query, serving = of(ended)
    assert root.name == "GET /devices/{device_key}"
    assert [each.parent and each.parent.span_id for each in (root, call, serving, query)] == [
        None, root.context.span_id, call.context.span_id, serving.context.span_id
    ]  # fmt: skip
    assert len({each.context.trace_id for each in (root, call, serving, query)}) == 1
    assert query.attributes == {
        Attribute.DATABASE: "postgresql", Attribute.OPERATION: "query", Attribute.ROWS: 3
    }  # fmt: skip


@pytest.mark.parametrize(
    "carried", [None, "", "nonsense", STRANGERS[:-3], STRANGERS.replace("00-", "ff-", 1), "0" * 9999]
)
def test_what_is_no_trace_begins_one(ended: InMemorySpanExporter, carried: str | None) -> None:
    with tracing.served("x.find", carried):
        pass

    [span] = of(ended)
    assert span.parent is None


def test_a_request_and_a_served_call_are_of_no_trace_that_goes_on_here(ended: InMemorySpanExporter) -> None:
    with tracing.called("other.call"):
        with tracing.request("GET"):
            pass
        with tracing.served("x.find"):
            pass

    assert [each.parent for each in of(ended)] == [None] * 3


def test_what_an_outbox_tells_is_of_the_request_that_waits_for_it_or_of_none(ended: InMemorySpanExporter) -> None:
    with tracing.served("x.make"), tracing.posted("assets"):
        pass
    with tracing.posted("assets"):
        pass

    hurried, request, later = of(ended)
    assert hurried.parent is not None
    assert hurried.parent.span_id == request.context.span_id
    assert later.parent is None


def test_joins_visits_and_jobs_begin_a_trace(ended: InMemorySpanExporter) -> None:
    for begin, what in ((tracing.joined, "/ws-usr"), (tracing.visited, "tcp"), (tracing.worked, "provision make")):
        with tracing.called("other.call"), begin(what), tracing.called("x.find"):
            pass

    names = [(each.name, each.parent is None) for each in of(ended)]
    roots = [name for name, is_root in names if is_root and name != "other.call"]
    assert roots == ["join /ws-usr", "visit tcp", "job provision make"]
    assert names.count(("x.find", False)) == len(roots)


def test_a_database_is_traced_for_a_request_alone(ended: InMemorySpanExporter) -> None:
    with tracing.queried("query") as doing:
        doing.counted([1])

    assert of(ended) == ()


def test_of_an_error_its_kind_is_told_and_nothing_that_it_says(ended: InMemorySpanExporter) -> None:
    for error in (NotFoundError("no MARKER"), UnavailableError("MARKER is away"), ValueError("MARKER")):
        with pytest.raises(type(error)), tracing.called("x.find"):
            raise error

    told = [(each.attributes or {})[Attribute.REFUSED] for each in of(ended)]
    assert told == ["not_found", "unavailable", "ValueError"]
    assert [each.status.status_code for each in of(ended)] == [StatusCode.UNSET, StatusCode.ERROR, StatusCode.UNSET]
    assert "MARKER" not in "".join(each.to_json() for each in of(ended))
    assert all(not each.events for each in of(ended))


def test_an_answer_is_a_fault_from_500_on(ended: InMemorySpanExporter) -> None:
    for status in (404, 503):
        with tracing.request("GET") as doing:
            doing.answered(status)

    assert [each.status.status_code for each in of(ended)] == [StatusCode.UNSET, StatusCode.ERROR]


def test_a_method_that_nobody_knows_is_not_repeated(ended: InMemorySpanExporter) -> None:
    with tracing.request("MARKER"):
        tracing.routed("MARKER", "/oauth/token")

    [span] = of(ended)
    assert (span.name, (span.attributes or {})[Attribute.METHOD]) == ("_OTHER /oauth/token", "_OTHER")
    assert "MARKER" not in span.to_json()


def test_the_log_is_told_the_present_span(ended: InMemorySpanExporter) -> None:
    assert tracing.in_log() == {}
    with tracing.called("x.find"):
        told = tracing.in_log()

    [span] = of(ended)
    assert told == {"trace_id": f"{span.context.trace_id:032x}", "span_id": f"{span.context.span_id:016x}"}


def test_what_is_not_kept_at_its_beginning_is_kept_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter, off = InMemorySpanExporter(), TracerProvider(ParentBased(ALWAYS_OFF), shutdown_on_exit=False)
    kept = TracerProvider(shutdown_on_exit=False)
    kept.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", off.get_tracer("caller"))
    with tracing.called("x.find"):
        carried = tracing.carried_on()
    monkeypatch.setattr(tracing, "_tracer", kept.get_tracer("callee"))

    with tracing.served("x.find", carried), tracing.queried("query"):
        assert tracing.in_log() != {}

    assert carried is not None
    assert of(exporter) == ()


def test_nothing_is_traced_where_nothing_is_sent() -> None:
    with tracing.request("GET"), tracing.called("x.find"):
        assert tracing.carried_on() is None
        assert tracing.in_log() == {}


def test_two_files_alone_know_the_library() -> None:
    files = [file for part in ("services", "shared", "deploy", "router-config") for file in (ROOT / part).rglob("*.py")]
    naming = {
        file.name
        for file in files
        if "import opentelemetry" in (text := file.read_text()) or "from opentelemetry" in text
    }

    assert naming == {"tracing.py", "trace_export.py"}
