"""Which transforms a template asks for, and when they run."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from services.fleetdb.errors import Refusal
from services.fleetdb.rules.queries import history_query
from services.fleetdb.rules.transforms import check_limit, due, transforms_of
from shared.templates import Template

MINUTE = datetime(2026, 11, 29, 12, 30, tzinfo=UTC)


def template(*transforms: dict[str, Any]) -> Template:
    """One with `transforms`, each with what it does not say filled in."""
    filled = [
        {
            "tablename": "hourly",
            "columns": [{"id": "tsp", "dataType": "timestamp"}, {"id": "mean", "dataType": "numeric"}],
            "sql": "SELECT 1",
            "schedule": "*/30 * * * *",
            "materialize": False,
            **transform,
        }
        for transform in transforms
    ]
    return msgspec.convert({"data": {"transforms": filled}}, Template)


def test_no_template_asks_for_none() -> None:
    assert transforms_of(None) == {}


def test_what_is_said_of_one_is_kept() -> None:
    (found,) = transforms_of(template({"sql": "SELECT 1 ; \n;", "private": True, "materialize": True})).values()

    assert found.name == "hourly"
    assert found.sql == "SELECT 1"
    assert found.is_materialized
    assert found.table.is_private
    assert {name: column.data_type for name, column in found.table.columns.items()} == {
        "tsp": "timestamp",
        "mean": "numeric",
    }


def test_the_first_of_a_name_counts_and_one_without_a_schedule_is_left_out() -> None:
    found = transforms_of(template({"sql": "SELECT 1"}, {"sql": "SELECT 2"}, {"tablename": "b", "schedule": "hourly"}))

    assert [(each.name, each.sql) for each in found.values()] == [("hourly", "SELECT 1")]


def test_another_statement_or_kind_has_another_digest() -> None:
    asked: list[dict[str, Any]] = [{"sql": "SELECT 1"}, {"sql": "SELECT 2"}, {"sql": "SELECT 1", "materialize": True}]

    digests = {transforms_of(template(each))["hourly"].digest for each in asked}

    assert len(digests) == 3
    assert transforms_of(template(asked[0]))["hourly"].digest in digests


def test_those_are_due_whose_minute_it_is() -> None:
    found = transforms_of(template({}, {"tablename": "daily", "schedule": "0 0 * * *"}))

    assert [each.name for each in due(found, MINUTE)] == ["hourly"]
    assert [each.name for each in due(found, MINUTE.replace(hour=0, minute=0))] == ["hourly", "daily"]
    assert due(found, MINUTE.replace(minute=31)) == []


def test_what_a_column_hides_stays_hidden() -> None:
    hidden = {"id": "pin", "dataType": "string", "secret": True}
    (found,) = transforms_of(template({"columns": [{"id": "tsp", "dataType": "timestamp"}, hidden]})).values()

    assert found.table.secret_columns == ("pin",)


def test_no_more_of_it_is_read_than_is_published() -> None:
    check_limit(history_query(({"limit": 3_000},)))
    with pytest.raises(Refusal) as caught:
        check_limit(history_query(({"limit": 3_001},)))

    assert caught.value.uri == "sys.dataservice.error.invalid_limit"
