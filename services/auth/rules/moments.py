"""How long ago something was, as people say it; a server does not know their time zone. Pure."""

from datetime import datetime
from typing import Final, Literal

Unit = Literal["now", "minutes", "hours", "days"]

_MINUTE_S: Final = 60
_HOUR_S: Final = 3_600
_DAY_S: Final = 86_400


def span(seconds: float) -> tuple[Unit, int]:
    """A span of time in its largest unit, and how many of it; below a minute it is now."""
    whole = max(0, int(seconds))
    if whole < _MINUTE_S:
        return "now", 0
    if whole < _HOUR_S:
        return "minutes", whole // _MINUTE_S
    if whole < 2 * _DAY_S:
        return "hours", whole // _HOUR_S
    return "days", whole // _DAY_S


def since(moment: datetime, now: datetime) -> tuple[Unit, int]:
    """How long ago `moment` was."""
    return span((now - moment).total_seconds())
