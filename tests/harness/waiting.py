"""Waiting for conditions with a deadline, for plain and for asynchronous tests."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")
POLL_S = 0.05
LOOKING_SHARE = 3.0
"""One look in so much time: what costs much to look at must not take the time of those who are waited for."""
MOST_S = 0.25


def wait_until(condition: Callable[[], Value], timeout_s: float, what: str | Callable[[], str]) -> Value:
    """The first true value of `condition`; fails with `what`, said or asked for then, when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        began = time.monotonic()
        value = condition()
        if value:
            return value
        ended = time.monotonic()
        if ended >= deadline:
            told = what if isinstance(what, str) else what()
            raise AssertionError(f"not within {timeout_s} s: {told}; last seen: {value!r}")
        threading.Event().wait(_pause(ended - began))


async def eventually(condition: Callable[[], Awaitable[Value]], timeout_s: float, what: str) -> Value:
    """As `wait_until`, for a coroutine function."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while True:
        began = loop.time()
        value = await condition()
        if value:
            return value
        ended = loop.time()
        assert ended < deadline, f"not within {timeout_s} s: {what}; last seen: {value!r}"
        await asyncio.sleep(_pause(ended - began))


def _pause(looked_for_s: float) -> float:
    return min(MOST_S, max(POLL_S, looked_for_s * (LOOKING_SHARE - 1)))
