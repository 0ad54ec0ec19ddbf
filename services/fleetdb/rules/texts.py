"""Text in columns: no NUL and no half of a surrogate pair, which the database cannot keep."""

from decimal import Decimal
from typing import Any

from services.fleetdb.errors import BAD_TEXT, UNTRANSLATABLE, refused
from services.fleetdb.rules.documents import document
from services.fleetdb.rules.numbers import LARGEST, finite


def string(name: str, raw: Any) -> str:
    """What a column of text keeps, also of numbers, truth values and JSON.

    Raises:
        Refusal: It is none of these, or cannot be kept.
    """
    kind = type(raw)
    if kind is str:
        return _writable(name, raw)
    if kind is bool:
        return "true" if raw else "false"
    if kind is int and abs(raw) <= LARGEST:
        return str(raw)
    if kind is float:
        return repr(finite(name, raw))
    if isinstance(raw, Decimal) and raw.is_finite():
        return str(raw)
    if isinstance(raw, list | dict):
        return document(name, raw).text
    raise refused(BAD_TEXT, f'column "{name}": invalid input for type text')


def _writable(name: str, raw: str) -> str:
    if raw.isascii():
        if "\0" not in raw:
            return raw
    elif "\0" not in raw and not any("\ud800" <= letter <= "\udfff" for letter in _surrogates_in(raw)):
        return raw
    raise refused(UNTRANSLATABLE, f'column "{name}": a NUL or half a surrogate pair cannot be kept as text')


def _surrogates_in(raw: str) -> str:
    """Nothing where it can be written as UTF-8, which is told faster than letter by letter."""
    try:
        raw.encode()
    except UnicodeEncodeError as error:
        return raw[error.start : error.end]
    return ""


def strings(raws: list[str]) -> list[str] | None:
    """`string` for many texts; None where each has to be looked at."""
    whole = "".join(raws)
    return raws if "\0" not in whole and (whole.isascii() or not _surrogates_in(whole)) else None
