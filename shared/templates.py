"""Data templates, as far as they are looked at: `.ironflock/data-template.yml` of an app, as JSON.

Their names are those of the published form. What is not named here is kept as it came. Names and descriptions, which
the published form asks for, may be missing: those of apps in the field do without. Whether one can become tables is
decided by realms when it is released; fleetdb makes the tables.
"""

from typing import Annotated, Final, Literal

from msgspec import Meta, Struct

MAX_ITEMS: Final = 200
MAX_COLUMNS: Final = 400
INTERVAL: Final = r"\A[1-9][0-9]{0,8} (?:second|minute|hour|day|week|month|year)s?\Z"
SYSTEM_COLUMNS: Final = frozenset({"ctid", "xmin", "cmin", "xmax", "cmax", "tableoid"})
"""Every table of PostgreSQL has them already ("System Columns")."""
BUCKET: Final = r"\A[1-9][0-9]{0,4} (?:second|minute|hour|day)s?\Z"
DAY_S: Final = 86_400
DEFAULT_CHUNK_S: Final = 7 * DAY_S
MIN_CHUNK_S: Final = 3_600
ERROR_LOGS: Final = "error-logs"
LOCATIONS: Final = "device-location"
"""Tables that every backend has, whatever its template asks for."""
_SECONDS: Final = {
    "second": 1,
    "minute": 60,
    "hour": 3_600,
    "day": DAY_S,
    "week": 7 * DAY_S,
    "month": 30 * DAY_S,
    "year": 365 * DAY_S,
}
Identifier = Annotated[str, Meta(pattern=r"\A[a-z][a-z0-9_]*\Z", max_length=60)]
Words = Annotated[str, Meta(max_length=16_000)]
Path = Annotated[str, Meta(min_length=1, max_length=400)]
Interval = Annotated[str, Meta(pattern=INTERVAL)]
DataType = Literal["numeric", "bigint", "timestamp", "string", "boolean", "json"]


class Column(Struct, frozen=True, rename="camel"):
    """A column; `path` says where in what comes in its value is."""

    id: Identifier
    data_type: DataType
    name: Words | None = None
    description: Words | None = None
    path: Path | None = None
    secret: bool = False


Columns = Annotated[list[Column], Meta(min_length=1, max_length=MAX_COLUMNS)]


class Downsample(Struct, frozen=True, rename="camel"):
    """Long series are kept in coarser steps too."""

    bucket: Annotated[str, Meta(pattern=BUCKET)] = "1 minute"
    keep_for: Interval | None = None
    paths: Annotated[list[Path], Meta(max_length=MAX_COLUMNS)] = []


class Table(Struct, frozen=True, rename="camel"):
    """A table that apps append to."""

    tablename: Identifier
    columns: Columns
    description: Words | None = None
    private: bool = False
    chunk_time_interval: Interval | None = None
    drop_after: Interval | None = None
    maintain_latest_flag_for: Annotated[list[Identifier], Meta(max_length=MAX_COLUMNS)] = []
    columnstore: bool = True
    columnstore_after: Interval | None = None
    downsample: Downsample | None = None


class Transform(Struct, frozen=True, rename="camel"):
    """A view on tables, made anew on a schedule."""

    tablename: Identifier
    columns: Columns
    sql: Annotated[str, Meta(min_length=1, max_length=64_000)]
    schedule: Annotated[str, Meta(max_length=200)]
    materialize: bool
    description: Words | None = None
    private: bool = False


class Data(Struct, frozen=True, rename="camel"):
    """What an app keeps."""

    description: Words | None = None
    tables: Annotated[list[Table], Meta(max_length=MAX_ITEMS)] = []
    transforms: Annotated[list[Transform], Meta(max_length=MAX_ITEMS)] = []


class Consumed(Struct, frozen=True, rename="camel"):
    """An app whose data this one wants to read; `*` is every one in the project."""

    app: Annotated[str, Meta(pattern=r"\A(?:\*|[A-Za-z0-9._-]{1,63})\Z")]
    reason: Annotated[str, Meta(max_length=1_000)] = ""


class Asking(Struct, frozen=True, rename="camel"):
    """What of the file concerns other apps."""

    consumes: Annotated[list[Consumed], Meta(max_length=MAX_ITEMS)] = []


class Template(Asking, frozen=True, rename="camel", kw_only=True):
    """The whole file."""

    data: Data


def chunk_of(interval: str | None) -> int:
    """How many seconds of rows one chunk of a table has whose `chunkTimeInterval` is `interval`."""
    return DEFAULT_CHUNK_S if interval is None else max(MIN_CHUNK_S, seconds_of(interval))


def seconds_of(interval: str) -> int:
    """How long `interval` (`14 days`) is in seconds; a month has 30 days, a year 365."""
    count, unit = interval.split(" ")
    return int(count) * _SECONDS[unit.removesuffix("s")]
