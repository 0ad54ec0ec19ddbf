"""The transforms that a data template asks for."""

import hashlib
from collections.abc import Sequence
from datetime import datetime

from services.fleetdb.records.tables import Column, Table
from services.fleetdb.records.transforms import Transform
from shared import templates
from shared.schedules import schedule_of
from shared.templates import Template


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
