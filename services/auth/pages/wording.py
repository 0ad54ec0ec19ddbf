"""What the pages say, in each language: a file of words each, with the same keys (a test compares them)."""

import tomllib
from collections.abc import Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from services.auth.records.people import LOCALES, Locale
from services.auth.rules.moments import since, span
from shared.errors import OverLimitError, PublicError

WORDS: Final = Path(__file__).parent.parent / "words"
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


class Wording:
    """The words of one language."""

    def __init__(self, locale: Locale) -> None:
        """Read the file of `locale`."""
        self.locale = locale
        self._words = dict(_flat(tomllib.loads((WORDS / f"{locale}.toml").read_text(encoding="utf-8")), ""))

    def keys(self) -> set[str]:
        """Everything that can be said."""
        return set(self._words)

    def has(self, key: str) -> bool:
        """Whether there are words for `key`."""
        return key in self._words

    def say(self, key: str, **values: Any) -> str:
        """The words of `key`, `values` in their places.

        Raises:
            KeyError: There are none, or one of their places stays empty.
        """
        return self._words[key].format_map(values)

    def ago(self, moment: datetime, now: datetime) -> str:
        """How long ago `moment` was."""
        unit, count = since(moment, now)
        return self.say(f"ago.{unit}", n=count)

    def span(self, seconds: float) -> str:
        """How long something takes."""
        unit, count = span(seconds)
        return self.say(f"span.{unit}", n=count)

    def day(self, moment: datetime) -> str:
        """A day of the calendar."""
        return self.say("day", day=moment.day, month=self.say(f"month.{_MONTHS[moment.month - 1]}"), year=moment.year)

    def refusal(self, error: PublicError) -> str:
        """What a person is told of a refusal."""
        details = error.details()
        if isinstance(error, OverLimitError) and "retry_after_s" not in details:
            return self.say("refused.too_many")
        argument, reason = details.get("argument", ""), details.get("reason", "")
        for key in (f"invalid.{argument}.{reason}", f"invalid.{argument}", f"refused.{error.code}"):
            if key in self._words:
                wait = self.span(details.get("retry_after_s", 60)) if isinstance(error, OverLimitError) else ""
                return self.say(key, wait=wait, incident=details.get("incident", ""))
        return self.say("refused.conflict")


def every_wording() -> dict[Locale, Wording]:
    """The words of every language."""
    return {locale: Wording(locale) for locale in LOCALES}


def _flat(table: Mapping[str, Any], before: str) -> Iterator[tuple[str, str]]:
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _flat(value, f"{before}{name}.")
        else:
            yield f"{before}{name}", str(value).strip()
