"""When transforms run: cron's five fields (POSIX crontab, with steps and names as everywhere), in UTC.

Realms takes a schedule when an app is released, fleetdb runs by it: what the one takes the other understands.
"""

import re
from datetime import datetime
from typing import Final

from attrs import frozen

_RANGES: Final = ((0, 59), (0, 23), (1, 31), (1, 12), (0, 7))
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAYS: Final = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_NAMES: Final[tuple[dict[str, int], ...]] = (
    {},
    {},
    {},
    {name: number for number, name in enumerate(_MONTHS, 1)},
    {name: number for number, name in enumerate(_DAYS)},
)
_PART: Final = re.compile(r"(?:\*|([0-9]{1,2}|[a-z]{3})(?:-([0-9]{1,2}|[a-z]{3}))?)(?:/([1-9][0-9]?))?", re.ASCII)
_SUNDAY: Final = 7  # the other number of it


@frozen
class Schedule:
    """The numbers that each field names; a day is one of `days` and of `weekdays`, or of either where `is_either`."""

    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    is_either: bool

    def matches(self, moment: datetime) -> bool:
        """Whether the minute of `moment`, which is in UTC, is one of them."""
        is_day, is_weekday = moment.day in self.days, moment.isoweekday() % _SUNDAY in self.weekdays
        is_date = is_day or is_weekday if self.is_either else is_day and is_weekday
        return is_date and moment.minute in self.minutes and moment.hour in self.hours and moment.month in self.months


def is_schedule(text: str) -> bool:
    """Whether `text` is a schedule of cron: minute, hour, day of month, month, day of week."""
    return schedule_of(text) is not None


def schedule_of(text: str) -> Schedule | None:
    """The schedule that `text` is, or None. Source: POSIX.1-2017, crontab: two days that are named mean either."""
    fields = text.lower().split()
    if len(fields) != len(_RANGES) or not text.isascii():
        return None
    found = [_numbers(field, position) for position, field in enumerate(fields)]
    minutes, hours, days, months, weekdays = found
    if minutes is None or hours is None or days is None or months is None or weekdays is None:
        return None
    is_either = not any(fields[position].startswith("*") for position in (2, 4))
    return Schedule(minutes, hours, days, months, frozenset(day % _SUNDAY for day in weekdays), is_either)


def _numbers(field: str, position: int) -> frozenset[int] | None:
    parts = [_part(part, position) for part in field.split(",")]
    if any(part is None for part in parts):
        return None
    return frozenset(number for part in parts for number in part or ())


def _part(part: str, position: int) -> range | None:
    found = _PART.fullmatch(part)
    if found is None:
        return None
    low, high = _RANGES[position]
    said = [_NAMES[position].get(word, int(word) if word.isdigit() else -1) for word in found.group(1, 2) if word]
    if not all(low <= number <= high for number in said) or said != sorted(said):
        return None
    first, last = (low, high) if not said else (said[0], said[-1])
    if len(said) == 1 and found[3] is not None:
        last = high  # `5/15` is `5-59/15`
    return range(first, last + 1, int(found[3] or 1))
