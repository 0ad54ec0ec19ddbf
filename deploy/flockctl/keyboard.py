"""The terminal in front of a person, taken over: every key as it is typed, nothing echoed, until it is given back."""

import codecs
import os
import signal
import termios
import tty
from collections.abc import Callable
from types import TracebackType
from typing import Any, Final, Self

from twisted.internet.interfaces import IReadDescriptor
from twisted.python.failure import Failure
from zope.interface import implementer

OCTETS: Final = 16_384


@implementer(IReadDescriptor)
class Keyboard:
    """Keys of the terminal behind `descriptor`, and its changes of size. Used in a `with` block."""

    def __init__(
        self, reactor: Any, descriptor: int, *, typed: Callable[[str], None], resized: Callable[[int, int], None]
    ) -> None:
        """`typed` gets keys, `resized` columns and rows, and no keys once nobody can type any more."""
        self._reactor = reactor
        self._descriptor = descriptor
        self._typed = typed
        self._resized = resized
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._before: list[Any] = []
        self._signalled: Any = None

    def __enter__(self) -> Self:
        """Take it over."""
        self._before = termios.tcgetattr(self._descriptor)
        tty.setraw(self._descriptor)
        self._signalled = signal.signal(
            signal.SIGWINCH, lambda *_: self._reactor.callFromThread(lambda: self._resized(*self.size()))
        )
        self._reactor.addReader(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Give it back as it was."""
        self._reactor.removeReader(self)
        signal.signal(signal.SIGWINCH, self._signalled)
        termios.tcsetattr(self._descriptor, termios.TCSADRAIN, self._before)

    def size(self) -> tuple[int, int]:
        """Columns and rows."""
        found = os.get_terminal_size(self._descriptor)
        return max(1, min(found.columns, 1000)), max(1, min(found.lines, 1000))

    def fileno(self) -> int:
        """Where keys come from."""
        return self._descriptor

    def doRead(self) -> None:  # noqa: N802 - Twisted's name
        """Keys have come."""
        try:
            octets = os.read(self._descriptor, OCTETS)
        except OSError:
            octets = b""
        if not octets:
            self._reactor.removeReader(self)
        self._typed(self._decode(octets))

    def connectionLost(self, reason: Failure) -> None:
        """The reactor stops."""

    def logPrefix(self) -> str:  # noqa: N802 - Twisted's name
        """How Twisted calls it."""
        return "keyboard"
