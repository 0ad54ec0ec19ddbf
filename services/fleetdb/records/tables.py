"""What a table is, as far as rows are written and read: made of a data template by `rules.shapes`."""

from collections.abc import Sequence
from typing import Any, Final, Literal, overload

from attrs import evolve, field, frozen
from typing_extensions import override

DataType = Literal["numeric", "bigint", "timestamp", "string", "boolean", "json"]

TIME: Final = "tsp"
DEVICE: Final = "device_key"
AUTHID: Final = "authid"
HIDDEN: Final = "__secret__"
"""What readers see of a secret value (wire-sdk.md section 6)."""


@frozen
class Column:
    """A column; `path` says where its value is in a call's `args`, `kwargs` and `details`.

    An empty path: no call gives it, the database does.
    """

    id: str
    data_type: DataType
    path: str
    is_secret: bool = False


@frozen
class Measure:
    """One value of a bucket: `method` over the column or JSON path `source`, kept as `column`."""

    source: str
    method: Literal["avg", "min", "max", "count"]
    column: str


@frozen
class Downsample:
    """In what steps a table is summed up, and how long the sums are kept: for ever where it is None."""

    bucket_s: int
    keep_for_s: int | None
    measures: tuple[Measure, ...]


@frozen
class Table:
    """A table that apps append to, with its columns by id in the order of the template.

    Every row has `device_key` and `authid` besides. `entity_key` names the columns by which rows are of one entity
    (`maintainLatestFlagFor`); spans are in seconds, and None where nothing ends. `source` is the table that this one is
    the sums of: apps do not write to it.
    """

    name: str
    columns: dict[str, Column]
    entity_key: tuple[str, ...] = ()
    is_private: bool = False
    chunk_s: int = 7 * 86_400
    drop_after_s: int | None = None
    columnstore_after_s: int | None = None
    description: str | None = None
    downsample: Downsample | None = None
    source: str | None = None

    @property
    def secret_columns(self) -> tuple[str, ...]:
        """Those whose values nobody reads but the app itself."""
        return tuple(column.id for column in self.columns.values() if column.is_secret)


@frozen
class Row:
    """One that came in: values by column as they are to be stored; a column that it does not have was not given."""

    values: dict[str, Any] = field(repr=False)
    device_key: int
    authid: str


@frozen
class Bulk(Sequence[Row]):
    """Many rows of one caller, by column: a value for each row, None where none was given."""

    columns: dict[str, list[Any]] = field(repr=False)
    device_key: int
    authid: str

    @override
    def __len__(self) -> int:
        """How many rows."""
        return len(self.columns[TIME])

    @overload
    def __getitem__(self, place: int) -> Row: ...
    @overload
    def __getitem__(self, place: slice) -> "Bulk": ...
    @override
    def __getitem__(self, place: int | slice) -> "Row | Bulk":
        """One row, or some."""
        if isinstance(place, slice):
            return evolve(self, columns={name: values[place] for name, values in self.columns.items()})
        return Row({name: values[place] for name, values in self.columns.items()}, self.device_key, self.authid)


@frozen
class Made:
    """The tables of a backend as they are, which may differ from what its template asks for; `problems` say where."""

    tables: dict[str, Table]
    problems: tuple[str, ...] = ()
