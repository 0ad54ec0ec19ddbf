"""The tables that a data template asks for: lenient, since templates in the field are older than the rules."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import Final

from attrs import evolve

from services.fleetdb.records.tables import (
    AUTHID,
    DEVICE,
    TIME,
    Column,
    DataType,
    Downsample,
    Measure,
    Table,
)
from shared import templates
from shared.templates import Template, seconds_of

ERROR_LOGS: Final = templates.ERROR_LOGS
LOCATIONS: Final = templates.LOCATIONS
DOWNSAMPLED: Final = "_ds"
MAX_NAME_OCTETS: Final = 63
RESERVED: Final = frozenset({DEVICE, AUTHID, "latest_flag"})
DEFAULT_COLUMNSTORE: Final = "14 days"
METHODS: Final = ("avg", "min", "max", "count")
_NUMBERS: Final = frozenset({"numeric", "bigint"})
_STEP: Final = re.compile(r"""\[(?P<quote>['"])(?P<quoted>.*?)(?P=quote)\]|\[(?P<index>[0-9]+)\]|(?P<name>[^.\[\]]+)""")
_ERROR_LOG_COLUMNS: Final = ("msg", "user_message", "source", "level")


def tables_of(template: Template | None, keeps: Mapping[str, int] | None = None) -> dict[str, Table]:
    """The tables by name, with the two that every backend has, and those of sums (`<table>_ds`).

    `keeps` says of tables how many seconds of rows they keep, in the place of what the template says.
    """
    tables = {ERROR_LOGS: _error_logs(), LOCATIONS: _locations()}
    for asked in () if template is None else template.data.tables:
        table = _table(asked)
        tables.setdefault(table.name, table)
    for table in list(tables.values()):
        if table.downsample is not None:
            summed = _summed(table, table.downsample)
            tables.setdefault(summed.name, summed)
    for name in tables.keys() & (keeps or {}).keys():
        tables[name] = evolve(tables[name], drop_after_s=(keeps or {})[name])
    return tables


def steps_of(path: str) -> tuple[str, list[str]]:
    """A JSON path, `extra.temp` or `extra['a b'][0]`, as the column and the keys below it."""
    steps = [match["quoted"] or match["index"] or match["name"] or "" for match in _STEP.finditer(path)]
    return steps[0], steps[1:]


def _error_logs() -> Table:
    """What apps report, and what became of rows that nobody waited for: wire-sdk.md section 9."""
    columns = [
        Column("id", "bigint", ""),
        Column(TIME, "timestamp", _default_path(TIME)),
        *(Column(name, "string", _default_path(name)) for name in _ERROR_LOG_COLUMNS),
    ]
    return Table(
        name=ERROR_LOGS,
        columns={column.id: column for column in columns},
        is_private=True,
        description="What went wrong in the app",
    )


def _locations() -> Table:
    """Where devices say that they are (wire-sdk.md section 6): degrees of WGS 84."""
    columns: dict[str, DataType] = {TIME: "timestamp", "long": "numeric", "lat": "numeric"}
    return Table(
        name=LOCATIONS,
        columns={name: Column(name, kind, _default_path(name)) for name, kind in columns.items()},
        is_private=True,
        description="Where the devices are",
    )


def _table(asked: templates.Table) -> Table:
    columns: dict[str, Column] = {}
    for column in asked.columns:
        if column.id not in RESERVED:
            columns.setdefault(column.id, _column(column))
    if TIME not in columns or columns[TIME].data_type != "timestamp":
        columns[TIME] = Column(TIME, "timestamp", _default_path(TIME))
    return Table(
        name=asked.tablename,
        columns=columns,
        entity_key=tuple(_entity_key(asked, columns)),
        is_private=asked.private,
        chunk_s=templates.chunk_of(asked.chunk_time_interval),
        drop_after_s=_span_s(asked.drop_after),
        columnstore_after_s=_span_s(asked.columnstore_after or DEFAULT_COLUMNSTORE) if asked.columnstore else None,
        description=asked.description,
        downsample=None if asked.downsample is None else _downsample(asked.downsample, columns),
    )


def _column(asked: templates.Column) -> Column:
    data_type: DataType = "string" if asked.secret else asked.data_type
    return Column(asked.id, data_type, asked.path or _default_path(asked.id), is_secret=asked.secret)


def _default_path(column: str) -> str:
    return f"args[0].{column}"


def _entity_key(asked: templates.Table, columns: dict[str, Column]) -> Iterator[str]:
    for key in dict.fromkeys(asked.maintain_latest_flag_for):
        if key == DEVICE or (key in columns and not columns[key].is_secret and key != TIME):
            yield key


def _span_s(interval: str | None) -> int | None:
    return None if interval is None else seconds_of(interval)


def _downsample(asked: templates.Downsample, columns: dict[str, Column]) -> Downsample:
    sources = [column.id for column in columns.values() if column.data_type in _NUMBERS]
    for path in dict.fromkeys(asked.paths):
        base, below = steps_of(path) if _STEP.search(path) else ("", [])
        if below and base in columns and columns[base].data_type == "json":
            sources.append(path)
    taken: set[str] = {TIME, DEVICE, AUTHID}
    measures = tuple(Measure(source, method, _name(source, method, taken)) for source in sources for method in METHODS)
    return Downsample(seconds_of(asked.bucket), _span_s(asked.keep_for), measures)


def _name(source: str, method: str, taken: set[str]) -> str:
    """`<column>_avg`: no longer than the database takes, and one column's alone."""
    whole = f"{re.sub('[^a-z0-9_]+', '_', source.lower()).strip('_')}_{method}"
    if len(whole) > MAX_NAME_OCTETS or whole in taken:
        digest = hashlib.sha256(source.encode()).hexdigest()[:8]
        whole = f"{whole[:40]}_{digest}_{method}"
    taken.add(whole)
    return whole


def _summed(table: Table, downsample: Downsample) -> Table:
    """The table of the sums: one row a bucket and device; apps read it, nobody writes to it."""
    columns = [Column(TIME, "timestamp", "")]
    columns += [
        Column(each.column, "bigint" if each.method == "count" else "numeric", "") for each in downsample.measures
    ]
    return Table(
        name=table.name + DOWNSAMPLED,
        columns={column.id: column for column in columns},
        entity_key=(DEVICE,),
        is_private=table.is_private,
        chunk_s=4 * table.chunk_s,
        drop_after_s=downsample.keep_for_s,
        description=f"{table.name} in steps of {downsample.bucket_s} s",
        source=table.name,
    )
