"""Logs of a process that Crossbar owns: our JSON lines travel through the worker's log to the node's output.

`shared.logging` sets a process of our own up and would take Crossbar's log observers over here. A worker's standard
error is a stream of records that the node reads, so nothing may be printed beside it. Lines go out at Crossbar's level
`warn`, because a node runs at that level to keep Crossbar's own chatter (it logs every join with all its details) out.
"""

import logging
from collections.abc import MutableMapping
from typing import Any

import structlog
import txaio


class _CrossbarLines:
    """A structlog logger that hands each rendered line to Crossbar's log."""

    def __init__(self) -> None:
        self._log = txaio.make_logger()  # type: ignore[attr-defined]  # txaio names it at run time

    def msg(self, line: str) -> None:
        """Write one rendered line."""
        self._log.warn("{line}", line=line)

    info = warning = error = msg


class Sampler:
    """At most so many lines a second about what a client can cause at will; the metrics count all of it."""

    def __init__(self, lines_per_second: int = 20) -> None:
        """Bound one kind of line."""
        self._most = lines_per_second
        self._second = -1
        self._written = 0
        self._unwritten = 0

    def take(self, now: float) -> int | None:
        """None where the line is not to be written; else how many were left out since the last one."""
        if int(now) != self._second:
            self._second, self._written = int(now), 0
        if self._written >= self._most:
            self._unwritten += 1
            return None
        self._written += 1
        unwritten, self._unwritten = self._unwritten, 0
        return unwritten


def _name_service(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    # Not bound as a context variable: what Crossbar calls later runs in another context.
    event["service"] = "router"
    return event


def configure() -> None:
    """Set structlog up inside the router worker."""
    tracebacks = structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
    )
    structlog.configure(
        processors=[
            _name_service,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            tracebacks,
            structlog.processors.JSONRenderer(default=lambda value: f"<{type(value).__name__}>"),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=lambda *_: _CrossbarLines(),
        cache_logger_on_first_use=True,
    )
