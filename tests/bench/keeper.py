"""Sessions that only have to stay: a thread answers their pings, and their invocations where somebody is to answer."""

import select
from collections.abc import Callable
from threading import Thread
from types import TracebackType
from typing import Any, Final, Self

from tests.bench.wamp_socket import INVOCATION, YIELD, ClosedError, WampSocket

LOOK_EVERY_S: Final = 0.2
Answer = Callable[[dict[str, Any]], Any]


class Keeper:
    """Holds sessions until the end of a `with` block; `lost` counts those that ended before."""

    def __init__(self) -> None:
        """Hold nothing yet."""
        self.lost = 0
        self._held: dict[int, tuple[WampSocket, Answer | None]] = {}
        self._poll = select.epoll()
        self._is_over = False
        self._thread = Thread(target=self._work, daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close every session."""
        self._is_over = True
        self._thread.join()
        self._poll.close()
        for kept, _ in self._held.values():
            kept.close()

    def hold(self, session: WampSocket, answer: Answer | None = None) -> None:
        """Keep `session`, which nobody else may use from now on; `answer` gets the keyword arguments of invocations."""
        self._held[session.fileno()] = (session, answer)
        self._poll.register(session.fileno(), select.EPOLLIN)

    def release(self) -> list[WampSocket]:
        """Give all of them back, as they are; nobody looks after them any more."""
        self._is_over = True
        self._thread.join()
        held, self._held = [kept for kept, _ in self._held.values()], {}
        return held

    def _work(self) -> None:
        while not self._is_over:
            for descriptor, _ in self._poll.poll(LOOK_EVERY_S):
                self._look(descriptor)

    def _look(self, descriptor: int) -> None:
        session, answer = self._held[descriptor]
        try:
            for message in session.take():
                if message[0] == INVOCATION and answer is not None:
                    arguments = message[5] if len(message) > 5 else {}
                    session.queue(YIELD, message[1], {}, [answer(arguments)])
            session.flush()
        except ClosedError:
            self.lost += 1
            self._poll.unregister(descriptor)
            del self._held[descriptor]
            session.close()
