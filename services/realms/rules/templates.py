"""Whether a data template can become tables: strict about what is new, silent about what it does not know."""

import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

from services.realms.records.installs import Request
from services.realms.rules.contents import check_content, refusal
from shared.errors import InvalidArgumentError
from shared.names import canonical_name
from shared.schedules import is_schedule
from shared.templates import (
    DAY_S,
    SYSTEM_COLUMNS,
    Asking,
    Column,
    Data,
    Downsample,
    Table,
    Template,
    Transform,
    seconds_of,
)

TIME: Final = "tsp"
DEVICE: Final = "device_key"
RESERVED: Final = frozenset({DEVICE, "latest_flag", "authid"}) | SYSTEM_COLUMNS
DOWNSAMPLED: Final = "_ds"
_VALUE: Final = re.compile(r"Invalid enum value .*(?= - at )|Expected `str` matching regex .*(?= - at )", re.DOTALL)
_AT: Final = re.compile(r"\.(\w+)(?:\[[^]]*\])?`$")
_NAME: Final = "a name has small letters, digits and underscores, a letter first, and at most 60 of them"
_SPAN: Final = "a span of time is a number and a unit, as 7 days"
_FORMS: Final = {
    "tablename": _NAME,
    "id": _NAME,
    "maintainLatestFlagFor": _NAME,
    "dataType": "it is numeric, bigint, timestamp, string, boolean or json",
    "chunkTimeInterval": _SPAN,
    "dropAfter": _SPAN,
    "columnstoreAfter": _SPAN,
    "keepFor": _SPAN,
    "bucket": "it is seconds, minutes, hours or days, as 10 seconds",
    "app": "it is the name of an app, or *",
}
"""What is taken, by the field that has something else."""
WHAT: Final = "data_template"


def checked(content: dict[str, Any]) -> Template:
    """The template that `content` is.

    Raises:
        InvalidArgumentError: It cannot be kept as JSON, is larger than 256 KiB, or is no template; the text says where.
    """
    check_content(content, what=WHAT)
    try:
        template = msgspec.convert(content, Template, strict=True)
    except msgspec.ValidationError as error:
        raise _refusal(_said(str(error))) from error
    for problem in _problems(template):
        raise _refusal(problem)
    return template


def requests_of(content: dict[str, Any]) -> list[Request]:
    """What a template that was taken once asks to read, each provider once."""
    asked = msgspec.convert(content, Asking).consumes
    found = {canonical_name(each.app): Request(canonical_name(each.app), each.reason) for each in asked}
    return list(found.values())


def _said(text: str) -> str:
    """A refusal without the value, which may be anything, and with what is wanted in its place."""
    malformed, count = _VALUE.subn("Malformed value", text)
    field = _AT.search(malformed)
    form = _FORMS.get(field[1]) if count and field is not None else None
    return malformed if form is None else f"{malformed}: {form}"


def _refusal(text: str) -> InvalidArgumentError:
    return refusal(WHAT, text)


def _problems(template: Template) -> Iterator[str]:
    yield from _twins("consumes", (canonical_name(each.app) for each in template.consumes))
    yield from _twins("data", _names(template.data))
    for table in template.data.tables:
        yield from (f"table {table.tablename}: {problem}" for problem in _problems_of_table(table))
    for transform in template.data.transforms:
        yield from (f"transform {transform.tablename}: {problem}" for problem in _problems_of_transform(transform))


def _names(data: Data) -> Iterator[str]:
    for table in data.tables:
        yield table.tablename
        if table.downsample is not None:
            yield table.tablename + DOWNSAMPLED
    yield from (transform.tablename for transform in data.transforms)


def _twins(where: str, names: Iterable[str]) -> Iterator[str]:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            yield f"{where} has {name} twice"
        seen.add(name)


def _problems_of_table(table: Table) -> Iterator[str]:
    columns = {column.id: column for column in table.columns}
    yield from _twins("it", (column.id for column in table.columns))
    time = columns.get(TIME)
    if time is None or time.data_type != "timestamp":
        yield f"it needs a column {TIME} of dataType timestamp"
    for column in table.columns:
        if column.id in RESERVED:
            yield f"the column {column.id} is the platform's own"
        if column.secret and column.data_type != "string":
            yield f"the column {column.id} is secret, which only one of dataType string can be"
    for key in table.maintain_latest_flag_for:
        if key != DEVICE and (key not in columns or columns[key].secret):
            yield f"maintainLatestFlagFor names {key}, which is no column of it or a secret one"
    if table.downsample is not None:
        yield from _problems_of_downsample(table.downsample, table, columns)


def _problems_of_downsample(downsample: Downsample, table: Table, columns: dict[str, Column]) -> Iterator[str]:
    if DAY_S % seconds_of(downsample.bucket):
        yield "the bucket of downsample must divide a day"
    kept, dropped = downsample.keep_for, table.drop_after
    if kept is not None and dropped is not None and seconds_of(kept) < seconds_of(dropped):
        yield "keepFor of downsample must not be shorter than dropAfter"
    for path in downsample.paths:
        base = re.split(r"[.\[]", path, maxsplit=1)[0]
        if base not in columns or columns[base].data_type != "json":
            yield "a path of downsample begins with no column of dataType json"


def _problems_of_transform(transform: Transform) -> Iterator[str]:
    yield from _twins("it", (column.id for column in transform.columns))
    if not is_schedule(transform.schedule):
        yield "its schedule is not one of cron: five fields, as */5 * * * *"
