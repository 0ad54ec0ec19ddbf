"""Closed loops: a number of requests under way on one session, each answer followed by the next request."""

import select
import time
from collections.abc import Callable, Sequence
from typing import Final

from attrs import field, frozen

from tests.bench.figures import P99, percentile
from tests.bench.processes import cpu_s
from tests.bench.wamp_socket import CALL, ERROR, INVOCATION, PUBLISH, YIELD, RefusedError, WampSocket

ANSWER_TIMEOUT_S: Final = 10.0


@frozen
class Demand:
    """What is sent in each request, how many are under way, and for how many seconds new ones are begun."""

    payload: bytes
    at_once: int
    seconds: float


@frozen
class Load:
    """What came of it: answers, over how long, the processor time of the router meanwhile, how long each took."""

    answers: int
    seconds: float
    router_cpu_s: float
    latencies: Sequence[float] = field(repr=False)

    @property
    def rate(self) -> float:
        """Answers a second."""
        return self.answers / self.seconds

    @property
    def p99_ms(self) -> float:
        """What 99 of 100 answers did not exceed."""
        return percentile(self.latencies, P99) * 1000

    @property
    def router_us(self) -> float:
        """The router's processor time for one request."""
        return self.router_cpu_s / self.answers * 1e6


def calls(router: int, caller: WampSocket, callee: WampSocket, uri: str, demand: Demand) -> Load:
    """Calls of `uri`, which `callee` answers with what it got; `router` is the process that is watched."""

    def begin(request: int) -> None:
        caller.queue(CALL, request, {}, uri, [demand.payload])

    return _Loop(caller, callee, begin).run(router, demand)


def publications(router: int, publisher: WampSocket, bystander: WampSocket, uri: str, demand: Demand) -> Load:
    """Acknowledged publications to `uri`, which nobody has subscribed; `bystander` only answers its pings."""

    def begin(request: int) -> None:
        publisher.queue(PUBLISH, request, {"acknowledge": True}, uri, [demand.payload])

    return _Loop(publisher, bystander, begin).run(router, demand)


def requests(
    watched: int, asking: WampSocket, bystander: WampSocket, begin: Callable[[int], None], demand: Demand
) -> Load:
    """Whatever `begin` queues on `asking`, with a request number; `watched` is the process whose time is counted."""
    return _Loop(asking, bystander, begin).run(watched, demand)


class _Loop:
    def __init__(self, asking: WampSocket, answering: WampSocket, begin: Callable[[int], None]) -> None:
        self._asking = asking
        self._answering = answering
        self._begin = begin
        self._started: dict[int, float] = {}
        self._latencies: list[float] = []
        self._deadline = 0.0

    def run(self, router: int, demand: Demand) -> Load:
        poll = select.poll()
        for session in (self._asking, self._answering):
            poll.register(session, select.POLLIN)
        cpu, began = cpu_s(router), time.perf_counter()
        self._deadline = began + demand.seconds
        for _ in range(demand.at_once):
            self._ask(began)
        self._asking.flush()
        while self._started:
            ready = poll.poll(ANSWER_TIMEOUT_S * 1000)
            if not ready:
                raise TimeoutError("the router does not answer")
            for descriptor, _ in ready:
                if descriptor == self._asking.fileno():
                    self._hear()
                else:
                    self._answer()
        seconds = time.perf_counter() - began
        return Load(len(self._latencies), seconds, cpu_s(router) - cpu, self._latencies)

    def _ask(self, now: float) -> None:
        request = self._asking.next_request()
        self._started[request] = now
        self._begin(request)

    def _hear(self) -> None:
        messages = self._asking.take()
        now = time.perf_counter()
        for message in messages:
            if message[0] == ERROR:
                raise RefusedError(*message)
            self._latencies.append(now - self._started.pop(message[1]))
            if now < self._deadline:
                self._ask(now)
        self._asking.flush()

    def _answer(self) -> None:
        for message in self._answering.take():
            if message[0] == INVOCATION:
                self._answering.queue(YIELD, message[1], {}, message[4])
        self._answering.flush()
