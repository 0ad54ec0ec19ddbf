"""Any fault becomes an answer: what is public is told, what is not is an incident whose id finds it in the log."""

import secrets

import structlog

from services.gateway.records import Answer, HttpRefusedError
from services.gateway.rules import refusals
from shared.errors import InternalError, PublicError

log = structlog.get_logger()


def refused(error: Exception) -> Answer:
    """The answer to a request that ended in `error`."""
    if isinstance(error, HttpRefusedError):
        return refusals.of_http(error)
    if isinstance(error, PublicError):
        return refusals.of_public(error)
    incident = secrets.token_hex(8)
    log.error("request_failed", incident=incident, exc_info=error)
    return refusals.of_public(
        InternalError("something went wrong here; the incident id finds it in the log", incident=incident)
    )
