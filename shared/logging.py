"""Logs: one JSON object a line on standard output, events in the past tense, never a secret, never a local variable.

Twisted's and autobahn's own messages pass through the same renderer at warning level and above.
"""

import logging
import sys
from functools import partial
from typing import Any

import structlog
import txaio
from structlog.typing import EventDict
from twisted.logger import ILogObserver, LogEvent, LogLevel, formatEvent, globalLogBeginner
from zope.interface import implementer

from shared import tracing


def configure(service: str) -> None:
    """Set the process's logging up; `service` stands in every line."""
    txaio.use_twisted()
    tracebacks = structlog.processors.ExceptionRenderer(
        structlog.tracebacks.ExceptionDictTransformer(show_locals=False, max_frames=20)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            partial(_add_service, service),
            _add_trace,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            tracebacks,
            structlog.processors.JSONRenderer(default=_name_of),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        logger_factory=structlog.PrintLoggerFactory(sys.stdout),
        cache_logger_on_first_use=True,
    )
    globalLogBeginner.beginLoggingTo([_Forward(service)], redirectStandardIO=False)


def _add_service(service: str, _logger: Any, _method: str, event: EventDict) -> EventDict:
    """In every line: a context variable would miss what Twisted calls from elsewhere."""
    event["service"] = service
    return event


def _add_trace(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """The present span, so that a trace leads to its lines and a line to its trace."""
    event.update(tracing.in_log())
    return event


def _name_of(value: Any) -> str:
    """The type's name of what JSON cannot carry: a representation could hold a secret."""
    return f"<{type(value).__name__}>"


@implementer(ILogObserver)
class _Forward:
    """Takes the warnings of Twisted and autobahn into our own log."""

    def __init__(self, service: str) -> None:
        self._log = structlog.get_logger(service=service)

    def __call__(self, event: LogEvent) -> None:
        level = event.get("log_level", LogLevel.info)
        if level is None or level < LogLevel.warn:
            return
        fields: dict[str, Any] = {"source": event.get("log_namespace", ""), "text": formatEvent(event)}
        failure = event.get("log_failure")
        if failure is not None:
            fields["exc_info"] = (failure.type, failure.value, failure.getTracebackObject())
        self._log.warning("library_reported", **fields)
