"""Which tables a data template asks for."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.fleetdb.records.tables import Column, Table
from services.fleetdb.rules.shapes import ERROR_LOGS, LOCATIONS, MAX_NAME_OCTETS, steps_of, tables_of
from shared.templates import Template

TIME = {"id": "tsp", "dataType": "timestamp"}


def tables(*asked: dict[str, Any]) -> dict[str, Table]:
    return tables_of(msgspec.convert({"data": {"tables": list(asked)}}, Template))


def table(**changes: Any) -> Table:
    return tables({"tablename": "t", "columns": [TIME], **changes})["t"]


def test_every_backend_has_error_logs() -> None:
    made = tables_of(None)

    assert list(made) == [ERROR_LOGS, LOCATIONS]
    assert made[ERROR_LOGS].is_private
    assert list(made[ERROR_LOGS].columns) == ["id", "tsp", "msg", "user_message", "source", "level"]
    assert made[ERROR_LOGS].columns["id"].path == ""


def test_a_table_is_what_the_template_says() -> None:
    made = table(
        description="strokes",
        private=True,
        chunkTimeInterval="1 day",
        dropAfter="90 days",
        maintainLatestFlagFor=["device_key", "press"],
        columns=[
            {"id": "press", "dataType": "string", "path": "args[2].press"},
            TIME,
            {"id": "token", "dataType": "string", "secret": True},
        ],
    )

    assert list(made.columns.values()) == [
        Column("press", "string", "args[2].press"),
        Column("tsp", "timestamp", "args[0].tsp"),
        Column("token", "string", "args[0].token", is_secret=True),
    ]
    assert made.entity_key == ("device_key", "press")
    assert (made.chunk_s, made.drop_after_s, made.is_private, made.description) == (
        86_400,
        90 * 86_400,
        True,
        "strokes",
    )
    assert made.secret_columns == ("token",)


def test_old_templates_are_taken_as_far_as_they_go() -> None:
    made = table(
        chunkTimeInterval="1 second",
        maintainLatestFlagFor=["gone", "token", "a", "a", "tsp"],
        columns=[
            {"id": "a", "dataType": "numeric"},
            {"id": "a", "dataType": "string"},
            {"id": "device_key", "dataType": "string"},
            {"id": "latest_flag", "dataType": "boolean"},
            {"id": "authid", "dataType": "string"},
            {"id": "token", "dataType": "json", "secret": True},
        ],
    )

    assert made.columns == {
        "a": Column("a", "numeric", "args[0].a"),
        "token": Column("token", "string", "args[0].token", is_secret=True),
        "tsp": Column("tsp", "timestamp", "args[0].tsp"),
    }
    assert made.entity_key == ("a",)
    assert made.chunk_s == 3_600


def test_a_time_of_another_type_is_a_time() -> None:
    assert table(columns=[{"id": "tsp", "dataType": "string"}]).columns["tsp"].data_type == "timestamp"


def test_two_tables_of_one_name_are_the_first() -> None:
    made = tables({"tablename": "t", "columns": [TIME]}, {"tablename": "t", "columns": [TIME], "private": True})

    assert not made["t"].is_private


def test_a_downsampled_table_has_one_of_its_sums() -> None:
    made = tables(
        {
            "tablename": "t",
            "private": True,
            "columns": [
                TIME,
                {"id": "force", "dataType": "numeric"},
                {"id": "name", "dataType": "string"},
                {"id": "extra", "dataType": "json"},
            ],
            "downsample": {
                "bucket": "10 seconds",
                "keepFor": "1 year",
                "paths": ["extra.temp", "extra['a b'][0]", "name.x"],
            },
        }
    )

    summed = made["t_ds"]
    assert summed.source == "t"
    assert summed.is_private
    assert summed.entity_key == ("device_key",)
    assert summed.drop_after_s == 365 * 86_400
    assert list(summed.columns) == ["tsp"] + [
        f"{name}_{method}"
        for name in ("force", "extra_temp", "extra_a_b_0")
        for method in ("avg", "min", "max", "count")
    ]
    assert {column.path for column in summed.columns.values()} == {""}
    assert made["t"].downsample is not None
    assert made["t"].downsample.bucket_s == 10


@pytest.mark.parametrize("length", [50, 57, 58, 60])
def test_sums_have_names_of_their_own(length: int) -> None:
    names = ["x" * length, "x" * (length - 1) + "y", "x" * length + "y" if length < 60 else "x" * 59]
    made = tables(
        {
            "tablename": "t",
            "columns": [TIME, *({"id": name, "dataType": "numeric"} for name in names)],
            "downsample": {},
        }
    )

    assert len(made["t_ds"].columns) == 1 + 4 * len(names)
    assert all(len(name) <= MAX_NAME_OCTETS for name in made["t_ds"].columns)


def test_a_path_and_a_column_do_not_share_a_sum() -> None:
    made = tables(
        {
            "tablename": "t",
            "columns": [TIME, {"id": "a_b", "dataType": "numeric"}, {"id": "a", "dataType": "json"}],
            "downsample": {"paths": ["a.b"]},
        }
    )

    assert len(made["t_ds"].columns) == 9


@pytest.mark.parametrize(
    ("path", "steps"),
    [("a", ("a", [])), ("a.b", ("a", ["b"])), ("a['b.c'][0].d", ("a", ["b.c", "0", "d"])), ('a["b"]', ("a", ["b"]))],
)
def test_json_paths_are_steps(path: str, steps: tuple[str, list[str]]) -> None:
    assert steps_of(path) == steps


@given(st.lists(st.text(min_size=1, max_size=30), max_size=5))
def test_no_path_of_downsample_fails(paths: list[str]) -> None:
    made = tables(
        {
            "tablename": "t",
            "columns": [TIME, {"id": "a", "dataType": "json"}],
            "downsample": {"paths": [*paths, *(f"a.{p}" for p in paths)]},
        }
    )

    assert "t_ds" in made


def test_people_say_how_long_rows_are_kept() -> None:
    template = msgspec.convert({"data": {"tables": [{"tablename": "t", "columns": [TIME]}]}}, Template)

    found = tables_of(template, {"t": 5, "error-logs": 7, "gone": 9})

    assert {name: table.drop_after_s for name, table in found.items()} == {
        "t": 5,
        "error-logs": 7,
        "device-location": None,
    }
