"""The transforms that a data template asks for, and how much of one is read."""

import hashlib
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from services.fleetdb.errors import typed
from services.fleetdb.records.queries import HistoryQuery
from services.fleetdb.records.tables import Column, Table
from services.fleetdb.records.transforms import Transform
from shared import templates
from shared.schedules import schedule_of
from shared.templates import Template

MAX_ROWS: Final = 3_000
"""Of a transform are published and answered at most (wire-sdk.md section 6)."""


def transforms_of(template: Template | None) -> dict[str, Transform]:
    """By name; without those that have no schedule, which realms takes no release with."""
    found: dict[str, Transform] = {}
    tables = () if template is None else template.data.tables
    for asked in () if template is None else template.data.transforms:
        schedule = schedule_of(asked.schedule)
        if schedule is not None:
            made = Transform(
                name=asked.tablename,
                sql=_statement_of(asked.sql),
                schedule=schedule,
                is_materialized=asked.materialize,
                table=_table(asked),
                digest=_digest(asked, tables),
            )
            found.setdefault(made.name, made)
    return found


def check_limit(query: HistoryQuery) -> None:
    """Refuse to read more of a transform than is ever published of it.

    Raises:
        Refusal: `limit` is over 3,000.
    """
    if query.limit > MAX_ROWS:
        raise typed("invalid_limit", f"limit must not exceed {MAX_ROWS} (got {query.limit})")


def due(transforms: dict[str, Transform], minute: datetime) -> list[Transform]:
    """Those that run in `minute`."""
    return [transform for transform in transforms.values() if transform.schedule.matches(minute)]


def _digest(asked: templates.Transform, tables: Sequence[templates.Table]) -> bytes:
    """With the columns of the tables in it: `SELECT *` is another view when there are others."""
    columns = [(table.tablename, [column.id for column in table.columns]) for table in tables]
    return hashlib.sha256(repr((asked.materialize, asked.sql, columns)).encode()).digest()


def _statement_of(sql: str) -> str:
    """Without what ends a statement: the rest of ours follows."""
    return sql.rstrip("; \t\r\n")


def _table(asked: templates.Transform) -> Table:
    columns = {column.id: Column(column.id, column.data_type, "", is_secret=column.secret) for column in asked.columns}
    return Table(
        name=asked.tablename, columns=columns, is_private=asked.private, description=asked.description, chunk_s=0
    )
