"""When transforms run: cron's five fields (POSIX crontab, with steps and names as everywhere)."""

import re
from typing import Final

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


def is_schedule(text: str) -> bool:
    """Whether `text` is a schedule of cron: minute, hour, day of month, month, day of week."""
    fields = text.lower().split()
    if len(fields) != len(_RANGES) or not text.isascii():
        return False
    return all(_is_field(field, position) for position, field in enumerate(fields))


def _is_field(field: str, position: int) -> bool:
    return all(_is_part(part, position) for part in field.split(","))


def _is_part(part: str, position: int) -> bool:
    found = _PART.fullmatch(part)
    if found is None:
        return False
    low, high = _RANGES[position]
    said = [_NAMES[position].get(word, int(word) if word.isdigit() else -1) for word in found.group(1, 2) if word]
    return all(low <= number <= high for number in said) and said == sorted(said)
