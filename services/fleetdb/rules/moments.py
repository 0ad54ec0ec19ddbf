"""Moments as clients write them: ISO 8601 texts, and numbers of milliseconds of Unix time."""

import math
from datetime import UTC, datetime, timedelta
from typing import Final

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
MICROSECOND: Final = timedelta(microseconds=1)
MAX_LENGTH: Final = 64


def microseconds_of_text(text: str) -> int | None:
    """Unix time of an ISO 8601 text in microseconds; without a zone it is UTC. None where it is no such text."""
    if len(text) > MAX_LENGTH:
        return None
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return (moment - EPOCH) // MICROSECOND


def milliseconds_of_text(text: str) -> int | None:
    """The same in whole milliseconds, as a bound of a time range has it."""
    microseconds = microseconds_of_text(text)
    return None if microseconds is None else microseconds // 1000


def microseconds_of_number(milliseconds: float) -> int | None:
    """Unix time in microseconds; None where the number is none."""
    if isinstance(milliseconds, int):
        return milliseconds * 1000
    return round(milliseconds * 1000) if math.isfinite(milliseconds) else None
