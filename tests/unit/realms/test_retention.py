"""How long rows are kept: what is taken of people."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.realms.records.retention import Kept
from services.realms.rules.retention import MAX_KEEP_S, kept, meant
from shared.errors import InvalidArgumentError, NotFoundError
from shared.templates import DAY_S

TIME = {"id": "tsp", "dataType": "timestamp"}
TEMPLATE: dict[str, Any] = {
    "data": {
        "tables": [
            {"tablename": "fast", "columns": [TIME], "chunkTimeInterval": "1 minute", "dropAfter": "3 days"},
            {"tablename": "slow", "columns": [TIME]},
        ]
    }
}
TABLES = kept(TEMPLATE, {})


def test_the_tables_are_the_releases_and_those_that_every_backend_has() -> None:
    assert kept(TEMPLATE, {"slow": 9, "gone": 5}) == [
        Kept("fast", 3 * DAY_S, 3 * DAY_S, 3_600, is_set=False),
        Kept("slow", 9, None, 7 * DAY_S, is_set=True),
        Kept("error-logs", None, None, 7 * DAY_S, is_set=False),
        Kept("device-location", None, None, 7 * DAY_S, is_set=False),
    ]


@pytest.mark.parametrize("template", [None, {}, {"data": {"tables": [{"tablename": "A B"}]}}])
def test_what_is_no_template_has_no_tables_of_its_own(template: dict[str, Any] | None) -> None:
    found = kept(template, {})

    assert [each.table for each in found] == ["error-logs", "device-location"]
    with pytest.raises(InvalidArgumentError, match="no tables of its own"):
        meant(found, None, DAY_S)


def test_without_a_table_all_of_the_release_are_meant() -> None:
    assert meant(TABLES, None, 7 * DAY_S) == {"fast": 7 * DAY_S, "slow": 7 * DAY_S}
    assert meant(TABLES, None, None) == {"fast": None, "slow": None}
    assert meant(TABLES, "error-logs", 7 * DAY_S) == {"error-logs": 7 * DAY_S}


@pytest.mark.parametrize("name", ["", "Fast", "fast_ds", "fast\x00", "\ud800", '"fast"', "fast; DROP TABLE fast"])
def test_another_name_is_no_table(name: str) -> None:
    with pytest.raises(NotFoundError):
        meant(TABLES, name, 7 * DAY_S)


@given(st.integers(1, 2**53 - 1))
def test_less_than_a_chunk_and_more_than_100_years_are_refused(keep_s: int) -> None:
    if 3_600 <= keep_s <= MAX_KEEP_S:
        assert meant(TABLES, "fast", keep_s) == {"fast": keep_s}
        return
    with pytest.raises(InvalidArgumentError) as refusal:
        meant(TABLES, "fast", keep_s)
    assert refusal.value.details()["argument"] == "keep_s"


def test_one_table_that_cannot_keep_so_little_refuses_for_all() -> None:
    with pytest.raises(InvalidArgumentError, match="slow is kept in chunks of 604800 seconds"):
        meant(TABLES, None, DAY_S)
