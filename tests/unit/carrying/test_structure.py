"""Tables as values: nothing of them becomes a statement but what is known."""

import pytest
from attrs import evolve

from deploy.backup.errors import UntrustedError
from deploy.carrying.structure import TYPES, Column, Index, Partition, Table, bounds_in, finished, made
from services.fleetdb.store import catalog

COLUMN = Column("tsp", "timestamp with time zone", is_required=True, identity="", sequence=None, next_value=1)
COUNTER = Column("_row", "bigint", is_required=True, identity="a", sequence='x"y', next_value=7)
KEY = Index("k", "btree", ("tsp",), is_primary=False, is_constraint=True, nulls_not_distinct=True)
TABLE = Table("t", (COUNTER, COLUMN), ("tsp",), (Partition("far", None, None),), (KEY,))
HOSTILE = 'a"; DROP ROLE b; --'


def text_of(table: Table) -> str:
    """All statements of a table."""
    return "; ".join(each.as_string() for each in (*made("s", table), *finished("s", table)))


def test_a_table_is_made_of_what_it_is() -> None:
    counter = '"_row" bigint NOT NULL GENERATED ALWAYS AS IDENTITY (SEQUENCE NAME "s"."x""y")'

    assert text_of(TABLE).split("; ") == [
        f'CREATE TABLE "s"."t" ({counter}, "tsp" timestamptz NOT NULL) PARTITION BY RANGE ("tsp")',
        'CREATE TABLE "s"."far" PARTITION OF "s"."t" DEFAULT',
        'ALTER TABLE "s"."t" ADD CONSTRAINT "k" UNIQUE NULLS NOT DISTINCT ("tsp")',
        'ALTER TABLE "s"."t" ALTER COLUMN "_row" RESTART WITH 7',
    ]


def test_no_name_becomes_a_statement() -> None:
    index = evolve(KEY, name=HOSTILE, columns=(HOSTILE,))
    columns = (evolve(COUNTER, name=HOSTILE, sequence=HOSTILE),)
    hostile = Table(HOSTILE, columns, (HOSTILE,), (Partition(HOSTILE, "'; DROP", "x"),), (index,))

    assert 'a""; DROP ROLE b; --"' in text_of(hostile)
    assert HOSTILE not in text_of(hostile)
    assert "FROM (''';" in text_of(hostile)


@pytest.mark.parametrize(
    "table",
    [
        evolve(TABLE, columns=(evolve(COLUMN, data_type="text DEFAULT f()"),)),
        evolve(TABLE, columns=(evolve(COUNTER, identity="x"),)),
        evolve(TABLE, indexes=(evolve(KEY, method="gin"),)),
    ],
    ids=["type", "identity", "method"],
)
def test_what_is_not_known_is_refused(table: Table) -> None:
    with pytest.raises(UntrustedError, match="does not know"):
        text_of(table)


def test_bounds_are_read_as_postgresql_tells_them() -> None:
    assert bounds_in("DEFAULT") == (None, None)
    told = "FOR VALUES FROM ('2026-01-01 00:00:00+00') TO ('2026-02-01 00:00:00+00')"
    assert bounds_in(told) == ("2026-01-01 00:00:00+00", "2026-02-01 00:00:00+00")
    with pytest.raises(UntrustedError):
        bounds_in("FOR VALUES IN ('1')")


def test_every_type_of_fleetdb_is_known() -> None:
    assert set(catalog.TYPES.values()) == set(TYPES)
