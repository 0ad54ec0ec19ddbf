"""A run that is told to end puts away what it made: SIGTERM is an error like any other, as Ctrl-C is."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Final, NoReturn

SIGNALS: Final = (signal.SIGTERM, signal.SIGHUP)


@contextlib.contextmanager
def ended_in_order() -> Iterator[None]:
    """For the block, in the main thread: a signal to end is raised as `SystemExit`, with what a shell calls it."""
    before = {number: signal.signal(number, _raise) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(number: int, _frame: FrameType | None) -> NoReturn:
    signal.signal(number, signal.SIG_IGN)  # told twice, it still puts away
    raise SystemExit(128 + number)
