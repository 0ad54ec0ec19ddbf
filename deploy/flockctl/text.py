"""What may be written to a terminal: text of others without anything that would steer it."""

import unicodedata
from datetime import UTC, datetime
from typing import Final

MAX_SHOWN_LENGTH: Final = 200
# Controls, formats (bidirectional overrides), surrogates, unassigned, line and paragraph separators.
_STEERING: Final = frozenset({"Cc", "Cf", "Cs", "Cn", "Co", "Zl", "Zp"})


def printable(value: object) -> str:
    """`value` as one line that is safe on any terminal: steering characters escaped, at most 200 characters."""
    text = "" if value is None else str(value)
    if len(text) > MAX_SHOWN_LENGTH:
        text = text[: MAX_SHOWN_LENGTH - 1] + "…"
    return without_steering(text.replace("\t", "\\t"))


def without_steering(text: str) -> str:
    """One line of text, of any length, its steering characters escaped; a tab is none."""
    return "".join(_escaped(each) if _is_steering(each) and each != "\t" else each for each in text)


def is_printable(text: str) -> bool:
    """Whether `text` has no character that would steer a terminal."""
    return not any(_is_steering(character) for character in text)


def local_time(value: object) -> str:
    """An RFC 3339 time as this machine's local time with its offset, to the second; other text as it is, safely."""
    text = printable(value)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return text
    return moment.astimezone().isoformat(" ", "seconds")


def local_moment(seconds: float) -> str:
    """Unix seconds as `local_time` shows a time."""
    return local_time(datetime.fromtimestamp(seconds, tz=UTC).isoformat())


def _is_steering(character: str) -> bool:
    return unicodedata.category(character) in _STEERING


def _escaped(character: str) -> str:
    return character.encode("unicode_escape", "surrogatepass").decode("ascii")
