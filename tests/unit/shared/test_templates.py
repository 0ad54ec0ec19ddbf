"""Data templates as they are read: what is named is checked, what is not is left be."""

from typing import Any

import msgspec
import pytest

from shared.templates import Template, seconds_of

TABLE: dict[str, Any] = {"tablename": "readings", "columns": [{"id": "tsp", "dataType": "timestamp"}]}


def read(**data: Any) -> Template:
    return msgspec.convert({"data": data}, Template)


def test_names_and_descriptions_may_be_missing_and_more_may_be_there() -> None:
    template = msgspec.convert({"data": {"tables": [TABLE | {"retention": 5}]}, "files": {}}, Template)

    (table,) = template.data.tables
    assert (table.tablename, table.private, table.maintain_latest_flag_for) == ("readings", False, [])
    assert (template.consumes, template.data.transforms) == ([], [])


@pytest.mark.parametrize(
    "change",
    [
        {"tablename": "Readings"},
        {"tablename": "1st"},
        {"tablename": "a" * 61},
        {"tablename": 'x"; DROP SCHEMA s; --'},
        {"columns": []},
        {"columns": [{"id": "tsp", "dataType": "date"}]},
        {"dropAfter": "soon"},
        {"downsample": {"bucket": "0 minutes"}},
    ],
    ids=str,
)
def test_what_can_be_no_table_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(msgspec.ValidationError):
        read(tables=[TABLE | change])


@pytest.mark.parametrize(("interval", "seconds"), [("1 minute", 60), ("2 hours", 7_200), ("1 week", 604_800)])
def test_intervals_are_seconds(interval: str, seconds: int) -> None:
    assert seconds_of(interval) == seconds
