"""Sending spans to a collector over TLS: whole, counted, and given up where it is away, while nobody waits."""

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult
from prometheus_client import REGISTRY
from typing_extensions import override

from shared import trace_export
from shared.trace_export import exporter_to, provider_of
from shared.trace_settings import TraceSettings
from tests.harness.collector import Collector
from tests.integration.flockctl.certificates import Certificates, make_certificates


@pytest.fixture(name="certificates", scope="module")
def fixture_certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("collector"))


class Counts:
    """How many spans were counted since this was made."""

    def __init__(self) -> None:
        self._before = {outcome: self._now(outcome) for outcome in ("sent", "lost", "dropped")}

    @property
    def since(self) -> dict[str, float]:
        return {outcome: self._now(outcome) - before for outcome, before in self._before.items()}

    def _now(self, outcome: str) -> float:
        return REGISTRY.get_sample_value("ironflock_spans_total", {"outcome": outcome}) or 0.0


def provider_to(url: str, ca: Path) -> TracerProvider:
    return provider_of("test", 1.0, exporter_to(TraceSettings(f"{url}/v1/traces", ca, 1.0)))


def make_spans(provider: TracerProvider, number: int) -> None:
    tracer = provider.get_tracer("test")
    for _ in range(number):
        tracer.start_span("x").end()


def test_every_span_arrives_and_is_counted(certificates: Certificates) -> None:
    counts = Counts()
    with Collector(certificates) as collector:
        provider = provider_to(collector.url, certificates.ca)
        make_spans(provider, 700)
        provider.shutdown()

    assert {(each.service, each.name) for each in collector.spans()} == {("test", "x")}
    assert len(collector.spans()) == 700
    assert counts.since == {"sent": 700, "lost": 0, "dropped": 0}


def test_a_collector_that_nobody_vouches_for_gets_nothing(
    certificates: Certificates, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_export, "SEND_TIMEOUT_S", 0.9)  # less than the pause before a second try
    other, counts = make_certificates(tmp_path), Counts()
    with Collector(certificates) as collector:
        for url, ca in ((collector.url, other.ca), (collector.url.replace("localhost", "127.0.0.1"), certificates.ca)):
            provider = provider_to(url, ca)
            make_spans(provider, 1)
            provider.shutdown()

    assert collector.contents == []
    assert counts.since == {"sent": 0, "lost": 2, "dropped": 0}


@pytest.mark.parametrize("status", [400, 500])
def test_what_the_collector_refuses_is_lost_and_said_once(
    certificates: Certificates, status: int, capsys: pytest.CaptureFixture[str]
) -> None:
    counts = Counts()
    with Collector(certificates, status) as collector:
        exporter = exporter_to(TraceSettings(f"{collector.url}/v1/traces", certificates.ca, 1.0))
        provider = provider_of("test", 1.0, exporter)
        for _ in range(3):
            make_spans(provider, 2)
            provider.force_flush()
        collector.status = 200
        make_spans(provider, 1)
        provider.shutdown()

    assert counts.since == {"sent": 1, "lost": 6, "dropped": 0}
    said = capsys.readouterr()
    assert (said.out.count("traces_not_sent"), said.out.count("traces_sent_again")) == (1, 1)
    assert collector.url not in said.out + said.err


def test_given_a_collector_that_hangs_then_what_has_no_room_is_dropped_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace_export, "KEPT", 100)
    monkeypatch.setattr(trace_export, "BATCH", 10)
    counts, answer = Counts(), threading.Event()

    class Hanging(SpanExporter):
        @override
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            answer.wait(30)
            return SpanExportResult.SUCCESS

    provider = provider_of("test", 1.0, Hanging())
    make_spans(provider, 250)
    assert counts.since == {"sent": 0, "lost": 0, "dropped": 150}

    answer.set()
    provider.shutdown()
    assert counts.since == {"sent": 100, "lost": 0, "dropped": 150}


def test_of_traces_that_begin_here_the_ratio_is_kept() -> None:
    kept: list[ReadableSpan] = []

    class Keeping(SpanExporter):
        @override
        def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
            kept.extend(spans)
            return SpanExportResult.SUCCESS

    for ratio, number in ((0.0, 0), (1.0, 50)):
        kept.clear()
        provider = provider_of("test", ratio, Keeping())
        make_spans(provider, 50)
        provider.shutdown()
        assert len(kept) == number
