"""Waiting for conditions with a deadline, for plain and for asynchronous tests."""

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable
from typing import TypeVar

Value = TypeVar("Value")
POLL_S = 0.05


def wait_until(condition: Callable[[], Value], timeout_s: float, what: str) -> Value:
    """The first true value of `condition`; fails with `what` when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < deadline, f"not within {timeout_s} s: {what}; last seen: {value!r}"
        threading.Event().wait(POLL_S)


async def eventually(condition: Callable[[], Awaitable[Value]], timeout_s: float, what: str) -> Value:
    """As `wait_until`, for a coroutine function."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout_s
    while True:
        value = await condition()
        if value:
            return value
        assert loop.time() < deadline, f"not within {timeout_s} s: {what}; last seen: {value!r}"
        await asyncio.sleep(POLL_S)
