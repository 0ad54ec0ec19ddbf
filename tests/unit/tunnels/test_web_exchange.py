"""One request and its answer: who is waited for, and how long."""

from typing import Any

import pytest
from twisted.internet.task import Clock

from services.tunnels.rules.heads import read_head
from services.tunnels.web_exchange import ANSWER_S, BODY_S, Exchange, Outcome
from tests.unit.tunnels.joined import BUFFER, Wire

pytestmark = pytest.mark.asyncio
HEAD = b"POST / HTTP/1.1\r\nHost: 42-web-80.tunnels.example\r\nContent-Length: 1000000\r\n\r\n"
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"


class Side(Wire):
    """The visitor's connection, or a stream to the device."""

    def __init__(self) -> None:
        super().__init__()
        self.is_read = True
        self.protocol: Any = None

    def attach(self, protocol: Any) -> None:
        self.protocol = protocol
        protocol.makeConnection(self)

    def pauseProducing(self) -> None:
        self.is_read = False

    def resumeProducing(self) -> None:
        self.is_read = True


class Going:
    """An exchange that has begun."""

    def __init__(self, head: bytes = HEAD) -> None:
        self.clock, self.visitor, self.device = Clock(), Side(), Side()
        incoming = read_head(head)
        headers = [(name, value) for name, value in incoming.headers]
        clock: Any = self.clock
        self.exchange = Exchange(incoming, headers, self.visitor, clock, lambda *_: None)
        stream: Any = self.device
        self.exchange.begin(stream, None, b"")

    def advance(self, seconds: float) -> Outcome | None:
        """How it ended by then."""
        self.clock.advance(seconds)
        return self.exchange.done.result() if self.exchange.done.done() else None


async def test_the_next_piece_of_a_body_has_its_time() -> None:
    going = Going()
    assert going.advance(BODY_S - 1) is None
    going.exchange.from_visitor(b"x")
    assert going.advance(BODY_S - 1) is None
    assert going.advance(1) is Outcome.BODY_LATE
    assert going.device.is_aborted


async def test_while_the_device_takes_nothing_nobody_is_waited_for() -> None:
    going = Going()
    going.exchange.from_visitor(bytes(BUFFER + 1))
    assert [going.visitor.is_read] == [False]
    going.exchange.from_visitor(b"what was on its way")
    assert going.advance(10 * BODY_S) is None
    going.device.carry()
    assert [going.visitor.is_read] == [True]
    assert going.advance(BODY_S - 1) is None
    assert going.advance(1) is Outcome.BODY_LATE


async def test_a_device_that_answers_before_the_body_is_there_waits_for_it_itself() -> None:
    going = Going()
    going.exchange.from_device(ANSWER)
    assert going.advance(10 * BODY_S) is None
    going.exchange.from_visitor(bytes(1_000_000))
    assert going.advance(10 * ANSWER_S) is None
    going.exchange.from_device(b"ok")
    assert going.advance(0) is Outcome.ANSWERED
    assert going.clock.getDelayedCalls() == []


async def test_a_device_has_its_time_from_the_end_of_the_request() -> None:
    going = Going(b"GET / HTTP/1.1\r\nHost: 42-web-80.tunnels.example\r\n\r\n")
    assert going.advance(ANSWER_S - 1) is None
    assert going.advance(1) is Outcome.TIMED_OUT
    assert going.clock.getDelayedCalls() == []
