"""Which trace a call is of: its caller's, where that is a service of ours or the router, and nobody else's."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from autobahn.wamp.message import Goodbye
from autobahn.wamp.types import CallDetails
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from twisted.internet.testing import MemoryReactorClock

from shared import tracing
from shared.session import BusCredential, BusSession, session_factory
from tests.unit.shared.surface import DEVICE, HERE, ROUTER, SERVICE, USER, Surface, refused, wrapped

pytestmark = pytest.mark.asyncio
TRACE = "0af7651916cd43dd8448eb211c80319c"
CARRIED = f"00-{TRACE}-b7ad6b7169203331-01"
PROCEDURES = {USER: "test.people", DEVICE: "test.devices", SERVICE: "test.services"}


@pytest.fixture(name="ended")
def fixture_ended(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """What ended; every trace is kept."""
    exporter, provider = InMemorySpanExporter(), TracerProvider(shutdown_on_exit=False)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(tracing, "_tracer", provider.get_tracer("test"))
    yield exporter
    assert tracing.in_log() == {}, "no span is left over"


class Transport:
    """Takes messages."""

    def __init__(self) -> None:
        """Nothing was sent."""
        self.sent: list[Any] = []

    def send(self, message: Any) -> None:
        """Remember `message`."""
        self.sent.append(message)


def session_on(realm: str) -> tuple[BusSession, Transport]:
    credential = BusCredential("svc_auth", "s3cret", Path("ca.pem"))
    made: Any = BusSession(cast("Any", MemoryReactorClock()), realm, credential, lambda _: None, lambda _, __: None)
    made._transport = Transport()
    return made, made._transport


def details(caller: tuple[str, str]) -> CallDetails:
    return CallDetails(HERE, caller=11, caller_authrole=caller[0], caller_authid=caller[1], transaction_hash=CARRIED)


async def test_a_call_on_the_realm_of_services_carries_its_trace(ended: InMemorySpanExporter) -> None:
    session, transport = session_on("ironflock.system")
    with tracing.called("x.find"):
        _ = session.call("x.find", procedure=1)
    _ = session.call("x.find")

    [span] = ended.get_finished_spans()
    first, second = [each.transaction_hash for each in transport.sent]
    assert first.split("-")[:3] == ["00", f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"]
    assert second is None
    assert transport.sent[0].kwargs == {"procedure": 1}


async def test_nobody_outside_is_told_of_a_trace(ended: InMemorySpanExporter) -> None:
    session, transport = session_on("realm1")
    with tracing.called("x.find"):
        _ = session.call("re.mgmt.S1.reboot", {})

    assert [each.transaction_hash for each in transport.sent] == [None]
    assert len(ended.get_finished_spans()) == 1


async def test_the_router_is_believed(ended: InMemorySpanExporter) -> None:
    await wrapped(Surface(), "test.services")(details=details(ROUTER), number=4)

    [span] = ended.get_finished_spans()
    assert f"{span.context.trace_id:032x}" == TRACE


@pytest.mark.parametrize("caller", [USER, DEVICE, SERVICE], ids=["person", "device", "service"])
async def test_services_alone_are_believed(ended: InMemorySpanExporter, caller: tuple[str, str]) -> None:
    arguments: dict[str, Any] = {"number": 4}
    given: tuple[Any, ...] = (arguments,) if caller == DEVICE else ()
    await wrapped(Surface(), PROCEDURES[caller])(
        *given, details=details(caller), **({} if caller == DEVICE else arguments)
    )

    [span] = ended.get_finished_spans()
    assert (f"{span.context.trace_id:032x}" == TRACE) is (caller == SERVICE)


@pytest.mark.parametrize("caller", [ROUTER, ("svc_", "x"), ("nobody", "svc_auth")], ids=["router", "odd", "nobody"])
async def test_a_refused_call_says_the_refusal(ended: InMemorySpanExporter, caller: tuple[str, str]) -> None:
    await refused(wrapped(Surface(), "test.people")(details=details(caller), number=4))

    [span] = ended.get_finished_spans()
    assert (span.attributes or {})[tracing.Attribute.REFUSED] == "not_authorized"


async def test_what_comes_in_is_of_no_trace_that_goes_on_here(ended: InMemorySpanExporter) -> None:
    """The event loop calls a reader in the context of whoever had the socket read on last."""
    seen: list[dict[str, str]] = []

    class Session:
        message_octets = 0
        _authid = _realm = _session_id = None

        def onMessage(self, _: Any) -> None:
            seen.append(tracing.in_log())

    def nothing(*_: Any) -> None:
        pass

    factory = session_factory(
        cast("Any", MemoryReactorClock()), "wss://localhost:1/ws-svc", "ironflock.system",
        BusCredential("svc_auth", "s3cret", Path("ca.pem")), joined=nothing, left=nothing,
    )  # fmt: skip
    connection: Any = factory.buildProtocol(None)
    connection._session = Session()
    connection._serializer = factory._serializers["cbor"]
    with tracing.called("x.find"):
        connection.onMessage(connection._serializer.serialize(Goodbye())[0], True)

    assert seen == [{}]
