"""Exports: all rows of a table, for a person."""

from datetime import datetime
from typing import Annotated, Any, Literal

from attrs import field, frozen
from msgspec import Meta

from services.fleetdb.records.backends import Stage

Key = Annotated[int, Meta(ge=1, le=2**53 - 1)]
Name = Annotated[str, Meta(max_length=400)]
Moment = Annotated[datetime, Meta(tz=True)]


@frozen
class ExportTable:
    """`ironflock.fleetdb.backend.export`: rows from `since` on and before `until`, all where those are not said."""

    project: Key | Name
    app: Key | Name
    stage: Stage
    table: Name
    since: Moment | None = None
    until: Moment | None = None


@frozen
class Head:
    """What the export begins with: the names of the columns, in their order."""

    columns: list[str]
    type: Literal["head"] = "head"


@frozen
class Piece:
    """Rows, oldest first."""

    rows: list[dict[str, Any]] = field(repr=False)
    type: Literal["rows"] = "rows"


@frozen
class Exported:
    """What `ironflock.fleetdb.backend.export` ends with: how many rows there were."""

    rows: int


@frozen
class Mark:
    """The last row of a piece: its moment as PostgreSQL writes it, and its number."""

    tsp: str
    row: int


@frozen
class Slice:
    """A piece of a table, and where the next one begins; None where nothing is left."""

    rows: list[dict[str, Any]] = field(repr=False)
    octets: int
    mark: Mark | None
