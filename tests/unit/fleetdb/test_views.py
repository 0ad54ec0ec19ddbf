"""Transforms as tables that are read only."""

import msgspec
import pytest

from services.fleetdb.errors import Refusal
from services.fleetdb.records.tables import Column
from services.fleetdb.rules.queries import history_query
from services.fleetdb.rules.views import check_limit, views_of
from shared.templates import Template

TEMPLATE = msgspec.convert(
    {
        "data": {
            "transforms": [
                {
                    "tablename": "hourly",
                    "columns": [
                        {"id": "hour", "dataType": "timestamp"},
                        {"id": "x", "dataType": "string", "secret": True},
                    ],
                    "sql": "SELECT 1",
                    "schedule": "* * * * *",
                    "materialize": False,
                    "private": True,
                }
            ]
        }
    },
    Template,
)


def test_a_transform_has_the_columns_that_it_declares() -> None:
    assert views_of(None) == {}
    view = views_of(TEMPLATE)["hourly"]

    assert view.is_private
    assert view.columns == {"hour": Column("hour", "timestamp", ""), "x": Column("x", "string", "", is_secret=True)}


def test_no_more_of_it_is_read_than_is_published() -> None:
    check_limit(history_query(({"limit": 3_000},)))
    with pytest.raises(Refusal) as caught:
        check_limit(history_query(({"limit": 3_001},)))

    assert caught.value.uri == "sys.dataservice.error.invalid_limit"
