"""What a person says of a time: one, an age, or how long something is to last."""

import re
from datetime import UTC, datetime
from typing import Final

from deploy.flockctl.errors import CommandError, ExitStatus

_SPAN: Final = re.compile(r"([0-9]{1,6})([smhdw])", re.ASCII)
_SECONDS: Final = {"s": 1, "m": 60, "h": 3_600, "d": 86_400, "w": 604_800}


def moment(word: str, *, what: str, now: float) -> str:
    """A time in RFC 3339, out of one, a date or time of this machine's zone, or an age like `24h`.

    Args:
        now: Seconds since the Unix epoch.

    Raises:
        CommandError: It is none of them.
    """
    ago = _SPAN.fullmatch(word)
    try:
        return _said(word) if ago is None else _wire(datetime.fromtimestamp(now - _length(ago), UTC))
    except (ValueError, OverflowError, OSError) as error:
        raise _usage(what, "is a time like 2026-11-25T10:00:00Z, a date, or an age like 24h") from error


def end(until: str | None, lasting: str | None, *, now: float) -> str | None:
    """When something ends, in RFC 3339, out of a time or of how long it is to last from `now` on; None where it stays.

    Args:
        now: Seconds since the Unix epoch.

    Raises:
        CommandError: Both are said, or one is malformed.
    """
    if until is not None and lasting is not None:
        raise CommandError("usage", "--until and --for cannot be said together. See --help.", ExitStatus.USAGE)
    if lasting is not None:
        return _end_after(lasting, now)
    if until is None:
        return None
    try:
        return _said(until)
    except (ValueError, OverflowError, OSError) as error:
        raise _usage("until", "is a time like 2026-11-25T10:00:00Z, or a date; how long is said by --for") from error


def lasting_s(word: str, *, what: str) -> int:
    """How many seconds `word` lasts, which is a number with s, m, h, d or w behind it.

    Raises:
        CommandError: It is none, or nothing.
    """
    span = _SPAN.fullmatch(word)
    if span is None or not _length(span):
        raise _usage(what, "is how long: a number with s, m, h, d or w behind it, as 30d")
    return _length(span)


def span_text(seconds: int) -> str:
    """`seconds` as `lasting_s` reads them, in the largest unit that has them whole."""
    unit = next(unit for unit in "dhms" if seconds % _SECONDS[unit] == 0)
    return f"{seconds // _SECONDS[unit]}{unit}"


def _end_after(word: str, now: float) -> str:
    span = _SPAN.fullmatch(word)
    try:
        if span is not None and _length(span) > 0:
            return _wire(datetime.fromtimestamp(now + _length(span), UTC))
    except (ValueError, OverflowError, OSError) as error:
        raise _usage("for", "is longer than there are dates") from error
    raise _usage("for", "is how long: a number with s, m, h, d or w behind it, as 8h")


def _said(word: str) -> str:
    return _wire(datetime.fromisoformat(word).astimezone(UTC))


def _length(span: re.Match[str]) -> int:
    return int(span[1]) * _SECONDS[span[2]]


def _wire(said: datetime) -> str:
    return said.isoformat().replace("+00:00", "Z")


def _usage(what: str, text: str) -> CommandError:
    return CommandError("invalid_argument", f"{what} {text}", ExitStatus.USAGE, argument=what)
