"""Which SQL a message of a client makes run, as far as PostgreSQL has taken what the client prepared: pure.

A statement is prepared once, under a name, and bound as often as anybody likes. What a name stands for is the server's
to say: it refuses a name that is taken, and after an error it skips whatever comes before the next Sync (PostgreSQL 18,
54.2.3). So a text counts under its name once the server has answered that it is parsed; until then it is one of those
that may run.
"""

import re
from collections import deque
from typing import Final

from attrs import frozen

from services.fleetdb.records.sql import Frame
from services.fleetdb.rules.pgwire import (
    BIND,
    CLOSE,
    CLOSED,
    DESCRIBE,
    EXECUTE,
    PARSE,
    PARSED,
    QUERY,
    READY,
    SYNC,
    ProtocolError,
    texts,
)

MAX_WAITING: Final = 10_000
"""Messages that the server has not answered yet."""
_OPENS_BATCH: Final = frozenset({PARSE, BIND, DESCRIBE, EXECUTE, CLOSE})
_STATEMENT: Final = "S"
_GIVES_NAMES: Final = re.compile(r"\bprepare\b", re.IGNORECASE)
"""SQL's own way to give a statement a name, which another one may have had."""


@frozen
class _Prepared:
    """A Parse, or a Close where `is_there` is not set; the text is None where it is not kept."""

    name: str | None
    text: str | None = None
    is_there: bool = True


_END: Final = _Prepared(None)
"""Where the server says that it is ready: behind a Query and a Sync."""


class Statements:
    """What is to be in the log before a message is passed on, for one session."""

    def __init__(self, most: int, letters: int) -> None:
        """Keep texts of at most `most` letters, `letters` in all; what is not kept is told when it is prepared."""
        self._most = most
        self._left = letters
        self._known: dict[str, str | None] = {}
        self._waiting: deque[_Prepared] = deque()
        self._is_batch_open = False
        self._has_named_by_sql = False

    def begun_by(self, frame: Frame) -> tuple[str, ...]:
        """The SQL that `frame` may make run, or prepares without being kept; most often it is one text or none.

        Raises:
            ProtocolError: It is malformed, or out of its order; or too much waits for the server.
        """
        if frame.tag == QUERY and self._is_batch_open:
            # After an error the server would skip it, and nobody here could tell which of the two happened.
            raise ProtocolError("a Sync is wanted before a Query")
        self._is_batch_open = frame.tag in _OPENS_BATCH or (self._is_batch_open and frame.tag != SYNC)
        if frame.tag in (QUERY, SYNC):
            self._wait_for(_END)
            return self._queried(*texts(frame, 1)) if frame.tag == QUERY else ()
        if frame.tag == PARSE:
            return self._prepare(*texts(frame, 2))
        if frame.tag == BIND:
            return self._bound(texts(frame, 2)[1])
        if frame.tag == CLOSE:
            (closed,) = texts(frame, 1)
            name = closed[1:] if closed[:1] == _STATEMENT else None
            self._wait_for(_Prepared(name, is_there=False))
        return ()

    def answered(self, tag: bytes) -> None:
        """The server has sent a message of that type."""
        if tag == READY:
            self._skip()
        elif tag in (PARSED, CLOSED) and self._waiting:
            done = self._waiting.popleft()
            if done.name is not None:
                self._let_go(self._known.pop(done.name, None))
                if done.is_there:
                    self._known[done.name] = done.text

    def _skip(self) -> None:
        """What an error had skipped is over, as is what ended with it."""
        while self._waiting and (skipped := self._waiting.popleft()) is not _END:
            self._let_go(skipped.text)

    def _let_go(self, text: str | None) -> None:
        self._left += len(text or "")

    def _queried(self, text: str) -> tuple[str, ...]:
        self._has_named_by_sql |= _GIVES_NAMES.search(text) is not None
        return (text,)

    def _prepare(self, name: str, text: str) -> tuple[str, ...]:
        self._has_named_by_sql |= _GIVES_NAMES.search(text) is not None
        is_kept = len(text) <= min(self._most, self._left)
        self._wait_for(_Prepared(name, text if is_kept else None))
        if not is_kept:
            return (text,)
        self._left -= len(text)
        return ()

    def _bound(self, name: str) -> tuple[str, ...]:
        """What the name may stand for when the server comes to it."""
        found: list[str | None] = []
        is_of_batch = True
        for waiting in reversed(self._waiting):
            if waiting is _END:
                is_of_batch = False
            elif waiting.name == name and is_of_batch:
                # Where that one fails, so does the Bind, which stands before the same Sync.
                return (_said(name, waiting.text),)
            elif waiting.name == name and waiting.is_there:
                found.append(waiting.text)
        if name in self._known or not found:
            found.append(self._known.get(name))
        if self._has_named_by_sql:
            found.append(None)
        return tuple(dict.fromkeys(_said(name, text) for text in reversed(found)))

    def _wait_for(self, what: _Prepared) -> None:
        if len(self._waiting) >= MAX_WAITING:
            raise ProtocolError(f"{MAX_WAITING} messages wait for the server already")
        self._waiting.append(what)


def _said(name: str, text: str | None) -> str:
    """By SQL's own PREPARE, which was a Query; or by a Parse whose text was too long to be kept."""
    return f"EXECUTE {name}".rstrip() if text is None else text
