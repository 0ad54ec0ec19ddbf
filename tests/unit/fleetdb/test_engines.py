"""What TimescaleDB is told, which no cluster here has."""

import msgspec
from psycopg import sql

from services.fleetdb.records.tables import Table
from services.fleetdb.rules.shapes import tables_of
from services.fleetdb.store.downsampling import aggregate_statements
from services.fleetdb.store.engines import Timescale
from shared.templates import Template

COLUMNS = sql.SQL("{} timestamptz").format(sql.Identifier("tsp"))


def table(**changes: object) -> Table:
    asked = {
        "tablename": "t",
        "columns": [{"id": "tsp", "dataType": "timestamp"}, {"id": "x", "dataType": "json"}],
        "chunkTimeInterval": "1 day",
        **changes,
    }
    return tables_of(msgspec.convert({"data": {"tables": [asked]}}, Template))["t"]


def made(asked: Table) -> list[str]:
    return [statement.as_string() for statement in Timescale().made("s", asked, COLUMNS)]


def test_tables_are_hypertables_with_a_columnstore() -> None:
    name = '\'"s"."t"\'::regclass'
    chunk, after = "make_interval(secs => 86400)", "make_interval(secs => 604800)"

    assert made(table(columnstoreAfter="7 days")) == [
        'CREATE TABLE IF NOT EXISTS "s"."t" ("tsp" timestamptz)',
        f"SELECT timescale.create_hypertable({name}, timescale.by_range('tsp', {chunk}), if_not_exists => TRUE)",
        f"SELECT timescale.set_chunk_time_interval({name}, {chunk})",
        'ALTER TABLE "s"."t" SET (timescaledb.enable_columnstore = TRUE, timescaledb.segmentby = \'device_key\')',
        f"CALL timescale.add_columnstore_policy({name}, after => {after}, if_not_exists => TRUE)",
    ]


def test_a_table_without_columnstore_gets_none() -> None:
    assert len(made(table(columnstore=False))) == 3


def test_sums_are_continuous_aggregates() -> None:
    asked = table(downsample={"bucket": "10 seconds", "paths": ["x['it''s'].y"]})

    view, policy = (statement.as_string() for statement in aggregate_statements("s", asked))

    value = (
        "CASE WHEN jsonb_typeof(t.\"x\" #> ARRAY['it''''s', 'y']::text[]) = 'number' "
        "THEN (t.\"x\" #>> ARRAY['it''''s', 'y']::text[])::numeric END"
    )
    measured = ", ".join(f'{method}({value}) AS "x_it_s_y_{method}"' for method in ("avg", "min", "max", "count"))
    selected = f't."device_key" AS "device_key", max(t."authid") AS "authid", {measured}, max(t."_row") AS "_row"'
    assert view == (
        'CREATE MATERIALIZED VIEW IF NOT EXISTS "s"."t_ds" WITH (timescaledb.continuous) AS '
        f'{"SELECT"} timescale.time_bucket(make_interval(secs => 10), t."tsp") AS "tsp", {selected} '
        'FROM "s"."t" t GROUP BY 1, t."device_key" WITH NO DATA'
    )
    assert policy == (
        'SELECT timescale.add_continuous_aggregate_policy(\'"s"."t_ds"\', start_offset => NULL, '
        "end_offset => make_interval(secs => 10), schedule_interval => make_interval(secs => 60), "
        "if_not_exists => TRUE)"
    )
