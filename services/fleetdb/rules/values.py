"""Values: what a column keeps of what came in, and how readers see it (wire-sdk.md section 6, "Writes").

What is taken comes back equal by every way out: each type has a room of its own (`numbers`, `moments`, `texts`,
`documents`).
"""

from collections.abc import Callable
from datetime import datetime
from typing import Any, Final

from services.fleetdb.records.tables import HIDDEN, Column
from services.fleetdb.rules.documents import Document, document, document_shown
from services.fleetdb.rules.moments import epoch_ms, moments_of_texts, timestamp
from services.fleetdb.rules.numbers import bigint, boolean, floats, integers, number_shown, numeric
from services.fleetdb.rules.texts import string, strings

MAX_ROW_OCTETS: Final = 12 * 1024 * 1024


def stored(column: Column, raw: Any) -> Any:
    """What `column` keeps of `raw`: int or float, aware datetime in UTC, str, bool, `Document`, or None.

    Raises:
        Refusal: It would come back changed, or cannot be kept.
    """
    return None if raw is None else _STORED[column.data_type](column.id, raw)


def shown(column: Column, value: Any) -> Any:
    """`value`, as it is stored or as the database gave it, in the form that it has on the wire."""
    if value is None:
        return None
    if column.is_secret:
        return HIDDEN
    shows = _SHOWN.get(column.data_type)
    return value if shows is None else shows(value)


def stored_column(column: Column, raws: list[Any]) -> list[Any]:
    """`stored` for many values, faster where they are of one kind."""
    kinds = set(map(type, raws))
    many = _STORED_MANY.get((column.data_type, next(iter(kinds)))) if len(kinds) == 1 else None
    found = None if many is None else many(raws)
    return [stored(column, raw) for raw in raws] if found is None else found


def shown_column(column: Column, values: list[Any]) -> list[Any]:
    """`shown` for many values that `stored` made."""
    if column.is_secret or column.data_type in _CHANGED:
        return [shown(column, value) for value in values]
    return values


def text_of(value: Any) -> str | None:
    """What the database is given for what `stored` made."""
    return _TEXTS[type(value)](value)


def octets_of(value: Any) -> int:
    """How much room it takes, about."""
    text = value.text if isinstance(value, Document) else value
    return len(text.encode()) if isinstance(text, str) else 8


def _same(raws: list[Any]) -> list[Any]:
    return raws


_STORED_MANY: Final[dict[tuple[str, type], Callable[[list[Any]], list[Any] | None]]] = {
    ("numeric", float): floats,
    ("numeric", int): integers,
    ("bigint", int): integers,
    ("timestamp", str): moments_of_texts,
    ("string", str): strings,
    ("boolean", bool): _same,
}
_CHANGED: Final = frozenset({"timestamp", "json"})
"""Of these types the values that `stored` makes are not yet as they are on the wire."""
_TEXTS: Final[dict[type, Callable[[Any], str | None]]] = {
    str: str,
    int: repr,
    float: repr,
    bool: {True: "t", False: "f"}.__getitem__,
    datetime: datetime.isoformat,
    Document: lambda value: value.text,
    type(None): lambda _: None,
}
_STORED: Final[dict[str, Callable[[str, Any], Any]]] = {
    "numeric": numeric,
    "bigint": bigint,
    "timestamp": timestamp,
    "string": string,
    "boolean": boolean,
    "json": document,
}
_SHOWN: Final[dict[str, Callable[[Any], Any]]] = {
    "numeric": number_shown,
    "timestamp": epoch_ms,
    "json": document_shown,
}
