"""Transforms: views of an app's tables that are published anew on a schedule."""

from attrs import frozen

from services.fleetdb.records.tables import Table
from shared.schedules import Schedule


@frozen
class Transform:
    """One of them; `table` says what its rows look like and whether other apps may see them."""

    name: str
    sql: str
    schedule: Schedule
    is_materialized: bool
    table: Table
    digest: bytes
    """Of what the view is made of: another one asks for another view."""


@frozen
class Made:
    """A view that stands for a transform."""

    name: str
    digest: bytes
    is_materialized: bool
