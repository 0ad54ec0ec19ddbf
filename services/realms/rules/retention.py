"""How long rows are kept: what a release says of its tables, and what people may say otherwise."""

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from services.realms.records.retention import Kept
from shared.errors import InvalidArgumentError, NotFoundError
from shared.templates import DAY_S, ERROR_LOGS, LOCATIONS, Template, chunk_of, seconds_of

MAX_KEEP_S: Final = 100 * 365 * DAY_S
TOO_LONG: Final = "rows are kept for 100 years at most; where they are to stay, say nothing of it in the release"
NO_TABLES: Final = "the release has no tables of its own; name one"


def kept(template: Mapping[str, Any] | None, said: Mapping[str, int]) -> list[Kept]:
    """Every table that rows are written to, in the order of the template, with those that every backend has last.

    `said` has what people say otherwise, in seconds by table.
    """
    spans = {table: (release, chunk) for table, release, chunk in _tables(template)}
    for own in (ERROR_LOGS, LOCATIONS):
        spans.setdefault(own, (None, chunk_of(None)))
    return [Kept(table, said.get(table, spans[table][0]), *spans[table], table in said) for table in spans]


def meant(tables: list[Kept], table: str | None, keep_s: int | None) -> dict[str, int | None]:
    """The tables for which `keep_s` is said: `table`, or all of the release's own.

    Raises:
        NotFoundError: There is no such table.
        InvalidArgumentError: That is less than a chunk of one of them, or more than 100 years.
    """
    own = {ERROR_LOGS, LOCATIONS}
    chosen = [each for each in tables if each.table == table or (table is None and each.table not in own)]
    if not chosen and table is None:
        raise InvalidArgumentError(NO_TABLES, argument="table")
    if not chosen:
        raise NotFoundError(f"the app has no table {table!r} there")
    if keep_s is not None and keep_s > MAX_KEEP_S:
        raise InvalidArgumentError(TOO_LONG, argument="keep_s")
    for each in chosen:
        if keep_s is not None and keep_s < each.chunk_s:
            raise InvalidArgumentError(
                f"{each.table} is kept in chunks of {each.chunk_s} seconds, of which one is the least that can be kept",
                argument="keep_s",
            )
    return {each.table: keep_s for each in chosen}


def _tables(template: Mapping[str, Any] | None) -> list[tuple[str, int | None, int]]:
    try:
        tables = msgspec.convert(template, Template).data.tables
    except msgspec.ValidationError:  # there is none, or one from before there were rules
        return []
    return [
        (
            table.tablename,
            None if table.drop_after is None else seconds_of(table.drop_after),
            chunk_of(table.chunk_time_interval),
        )
        for table in tables
    ]
