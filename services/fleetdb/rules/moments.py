"""Moments as clients write them: ISO 8601 texts, and numbers of milliseconds of Unix time; kept to the microsecond."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from services.fleetdb.errors import BAD_TIME, TIME_OUT_OF_RANGE, Refusal, refused

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
    if not math.isfinite(milliseconds):
        return None
    microseconds = milliseconds * 1000
    return round(microseconds) if math.isfinite(microseconds) else int(milliseconds) * 1000


def timestamp(name: str, raw: Any) -> datetime:
    """What a column of moments keeps, in UTC: of an ISO 8601 text, or of milliseconds of Unix time.

    Raises:
        Refusal: It is no moment, or none within years 1 to 9999.
    """
    kind = type(raw)
    try:
        if kind is str:
            return _moment_in(name, raw)
        if kind is int:
            return EPOCH + timedelta(milliseconds=raw)
        if kind is float and math.isfinite(raw):
            whole = math.floor(raw)
            return EPOCH + timedelta(microseconds=whole * 1_000 + round((raw - whole) * 1_000))
        if isinstance(raw, datetime):
            return _in_utc(raw)
    except OverflowError:
        raise refused(TIME_OUT_OF_RANGE, f'column "{name}": date/time field value out of range') from None
    raise _bad_time(name)


def _moment_in(name: str, raw: str) -> datetime:
    text = raw.strip()
    if len(text) > MAX_LENGTH:
        raise _bad_time(name)
    try:
        return _in_utc(datetime.fromisoformat(text))
    except ValueError:
        raise _bad_time(name) from None


def _in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


def _bad_time(name: str) -> Refusal:
    return refused(BAD_TIME, f'column "{name}": invalid input syntax for type timestamp with time zone')


def moments_of_texts(raws: list[str]) -> list[datetime] | None:
    """`timestamp` for many texts; None where each has to be looked at."""
    try:
        return [moment if moment.tzinfo is UTC else _in_utc(moment) for moment in map(datetime.fromisoformat, raws)]
    except (ValueError, OverflowError):
        return None


def epoch_ms(moment: datetime) -> int | float:
    """Milliseconds since 1970, with the microseconds behind the point where there are any."""
    since = moment - EPOCH
    seconds, microseconds = since.days * 86_400 + since.seconds, since.microseconds
    if microseconds % 1_000:
        return (seconds * 1_000_000 + microseconds) / 1_000
    return seconds * 1_000 + microseconds // 1_000
