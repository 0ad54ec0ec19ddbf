"""Data templates of tests, and rows for their tables."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from services.fleetdb.records.tables import Row, Table
from services.fleetdb.rules.rows import incoming, incoming_bulk
from shared.templates import Template

TIME = {"id": "tsp", "dataType": "timestamp"}
DEVICE = 42
SERIAL = "06a0bf96-a539-4d6a-8471-ac7adc67616e"
NOW = datetime.now(UTC).replace(microsecond=0)  # noqa: TID251 - partitions are near to the database's own clock


def template(*tables: dict[str, Any]) -> Template:
    """One with these tables; each has `tsp` besides its columns."""
    asked = [{**table, "columns": [TIME, *table.get("columns", [])]} for table in tables]
    return msgspec.convert({"data": {"tables": asked}}, Template)


def column(name: str, data_type: str, **more: Any) -> dict[str, Any]:
    """A column of a template."""
    return {"id": name, "dataType": data_type, **more}


def at(seconds: float) -> str:
    """A moment so long after now."""
    return (NOW + timedelta(seconds=seconds)).isoformat()


def row(table: Table, values: dict[str, Any], *, device_key: int = DEVICE) -> Row:
    """What a call with `values` becomes."""
    return incoming(table, [values], {}, device_key=device_key, authid=SERIAL)


def rows(table: Table, values: list[dict[str, Any]]) -> Sequence[Row]:
    """What a call with many becomes."""
    return incoming_bulk(table, [values], {}, device_key=DEVICE, authid=SERIAL)
