"""Transforms: views that an app's data template makes of its tables, and how much of one is read."""

from typing import Final

from services.fleetdb.errors import typed
from services.fleetdb.records.queries import HistoryQuery
from services.fleetdb.records.tables import Column, Table
from shared.templates import Template, Transform

MAX_ROWS: Final = 3_000


def views_of(template: Template | None) -> dict[str, Table]:
    """The transforms by name; what they declare is all that filters may name."""
    return {} if template is None else {each.tablename: _view(each) for each in template.data.transforms}


def check_limit(query: HistoryQuery) -> None:
    """Refuse to read more of a transform than is ever published of it.

    Raises:
        Refusal: `limit` is over 3,000.
    """
    if query.limit > MAX_ROWS:
        raise typed("invalid_limit", f"limit must not exceed {MAX_ROWS} (got {query.limit})")


def _view(transform: Transform) -> Table:
    columns = {each.id: Column(each.id, each.data_type, "", each.secret) for each in transform.columns}
    return Table(transform.tablename, columns, is_private=transform.private, description=transform.description)
