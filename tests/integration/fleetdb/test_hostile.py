"""Hostile names and values through create, append, history, export and drop: equal by every way out, or refused.

What lessons.md says of databases: two names never become one table, and one bad row never makes a table unreadable.
"""

import csv
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any, Final

import msgspec
import psycopg
import pytest
import pytest_asyncio

from deploy.flockctl.commands.backend_export import Format, Rows
from services.fleetdb.errors import Refusal
from services.fleetdb.making import Making
from services.fleetdb.reading import Reading
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.tables import Table
from services.fleetdb.rules.queries import history_query
from services.fleetdb.store import exports
from services.fleetdb.writing import Writing
from services.realms.provisioner.dropping import drop_tables
from services.realms.rules.templates import checked
from shared.errors import InvalidArgumentError
from shared.templates import Template
from tests.integration.fleetdb.plain import Plain, PlainConnections
from tests.integration.fleetdb.templates import NOW, TIME, column, row, template

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

LONG: Final = "a" * 59
NAMES: Final = (
    *("select", "table", "user", "order", "all", "null", "default", "public", "current_user", "pg_class", "values"),
    *("information_schema", "pg_catalog", "far", "t_ds", "row", "tableoid_", "a__", "x0", LONG + "b", LONG + "c"),
)
"""Which a template may have: words of SQL, names of catalogs, twins up to the last of 60 letters."""
REFUSED_NAMES: Final = (
    *("", "A", "Select", "a b", "a.b", 'a"b', "a'b", "a;b", "a--", "a%s", "a%(x)s", "a{x}", "a\\b", "a\x00", "a\n"),
    *("1a", "_a", "\u00e4", "\u017fa", "a\u0301", "\uff41", "a\u202e", "a\ud800", "a" * 61, "\u00e9" * 32, "../a", "*"),
)
TEXTS: Final = (
    *("", " ", "'", '"', "\\", "\\x00", "%s", "%(x)s", "{}", "$1", "NULL", "null", "\\N", "\\.", "a\tb\nc\r", "\x01"),
    *("'; DROP TABLE t; --", "\u202e", "\U0001f600", "e\u0301", "\u00e9", "\ufeff", "=1+1", "-1", "x" * 1_000_000),
)
DOCUMENTS: Final[tuple[Any, ...]] = (
    *({}, [], {"": ""}, {"a'b\"c": [1, None, 2.5]}, {"__proto__": {"x": 1}}, {"%s": "%(x)s"}, {"tsp": 1, "_row": 2}),
    *("text", 2**53 + 1, [[[[]]]], True),
)
BY_TYPE: Final[dict[str, tuple[Any, ...]]] = {
    "whole": (2**53 + 1, -(2**63), 2**63 - 1, 0, -1),
    "numeric": (2**53, 7e-06, -0.5, 10**15, 1e300, -(2**63), 5e-324, 0.1, 1.7976931348623157e308),
    "text": TEXTS,
    "json": DOCUMENTS,
    "flag": (True, False),
    "moment": ("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999Z", "1970-01-01T00:00:00Z"),
}
VALUES: Final = tuple((name, value) for name, values in BY_TYPE.items() for value in values)
REFUSED_BY_TYPE: Final[dict[str, tuple[Any, ...]]] = {
    "whole": (2**63, -(2**63) - 1, float("inf"), 10**400),
    "numeric": (float("nan"), float("inf"), -float("inf"), 10**400),
    "text": ("\x00", "a\x00b", "\ud800", "\udfffx"),
    "json": ({"a": "\x00"}, {"\x00": 1}, ["\ud800"], float("nan"), {"a": float("inf")}),
    "moment": ("0000-01-01T00:00:00Z", "10000-01-01T00:00:00Z", 10**18),
}
REFUSED_VALUES: Final = tuple((name, value) for name, values in REFUSED_BY_TYPE.items() for value in values)
TYPES: Final = {
    "whole": "bigint",
    "numeric": "numeric",
    "text": "string",
    "json": "json",
    "flag": "boolean",
    "moment": "timestamp",
}


class Everything:
    """Every way in and out of one backend."""

    def __init__(self, backend: Backend, connections: PlainConnections) -> None:
        self.backend = backend
        self.connections = connections
        self.writing, self.reading = Writing(connections), Reading(connections)
        self.tables: dict[str, Table] = {}

    async def create(self) -> None:
        made = await Making(self.connections).make(self.backend)
        assert made.problems == ()
        self.tables = made.tables

    async def append(self, table: str, /, **values: Any) -> None:
        made = self.tables[table]
        await self.writing.append(self.backend, made, [row(made, {"tsp": NOW.isoformat(), **values})])

    async def history(self, table: str, **query: Any) -> list[dict[str, Any]]:
        asked = history_query(({"limit": 1000, **query},))
        return await self.reading.history(self.backend, self.tables[table], asked, None)

    async def export(self, table: str) -> list[dict[str, Any]]:
        async with self.connections.connection(self.backend) as connection:
            found = await exports.slice_after(connection, self.backend.schema, self.tables[table], (None, None), None)
        return found.rows


@pytest_asyncio.fixture(name="named")
async def fixture_named(make_backend: Callable[..., Backend], connections: PlainConnections) -> Everything:
    """One with a table of each name, which has a column of each name."""
    columns = [column(name, "string") for name in NAMES]
    asked = [{"tablename": name, "columns": [TIME, *columns]} for name in NAMES]
    checked({"data": {"tables": asked}})
    named = Everything(make_backend(msgspec.convert({"data": {"tables": asked}}, Template)), connections)
    await named.create()
    return named


@pytest_asyncio.fixture(name="typed")
async def fixture_typed(make_backend: Callable[..., Backend], connections: PlainConnections) -> Everything:
    """One with a table that has a column of each type."""
    columns = [column(name, data_type) for name, data_type in TYPES.items()]
    typed = Everything(make_backend(template({"tablename": "t", "columns": columns})), connections)
    await typed.create()
    return typed


def written(table: Table, found: list[dict[str, Any]], form: Format) -> str:
    """The file that flockctl makes of it."""
    stream = io.StringIO()
    rows = Rows(stream, form)
    rows.take({"type": "head", "columns": exports.columns_of(table)})
    rows.take(json.loads(json.dumps({"type": "rows", "rows": found})))
    assert rows.finished({"rows": len(found)}) == len(found)
    return stream.getvalue()


@asynccontextmanager
async def superuser(plain: Plain) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
    """The one who provisions, in the backends' database."""
    with plain.connect() as connection:
        dsn = connection.info.dsn
    server = plain.server
    made = await psycopg.AsyncConnection.connect(
        dsn, password=server.secret_file("postgres").read_text().strip(), autocommit=True
    )
    async with made:
        yield made


async def test_no_two_names_become_one_and_each_comes_back_under_its_own(named: Everything, plain: Plain) -> None:
    for table in NAMES:
        await named.append(table, **{name: f"{table}/{name}" for name in NAMES})

    for table in NAMES:
        wanted = {name: f"{table}/{name}" for name in NAMES}
        (by_history,), (by_export,) = await named.history(table), await named.export(table)
        assert {name: by_history[name] for name in NAMES} == wanted
        assert by_export == by_history
        filters = [{"column": name, "operator": "=", "value": f"{table}/{name}"} for name in NAMES]
        assert await named.history(table, filterAnd=filters, columns=list(NAMES)) == [by_history]
        first, second = csv.reader(io.StringIO(written(named.tables[table], [by_export], Format.CSV)))
        assert {name: value for name, value in zip(first, second, strict=True) if name in NAMES} == wanted
    owner = f"o_{named.backend.schema[2:]}"
    async with superuser(plain) as connection:
        await drop_tables(connection, named.backend.schema, owner)
        left = await connection.execute(
            "SELECT count(*) FROM pg_class WHERE relnamespace = %s::regnamespace", [named.backend.schema]
        )
        assert await left.fetchone() == (0,)


@pytest.mark.parametrize("name", REFUSED_NAMES, ids=ascii)
async def test_no_other_name_gets_into_a_template_or_reaches_a_table(typed: Everything, name: str) -> None:
    for asked in (
        {"tablename": name, "columns": [TIME]},
        {"tablename": "t", "columns": [TIME, column(name, "string")]},
    ):
        with pytest.raises(InvalidArgumentError):
            checked({"data": {"tables": [asked]}})
    await typed.append("t", text="kept")

    filters = [{"column": name, "operator": "=", "value": name}]
    with suppress(Refusal):
        assert len(await typed.history("t", filterAnd=filters)) == 1, "a column that is not there is no condition"
    with pytest.raises(Refusal):
        await typed.history("t", columns=[name or "x"])

    assert [each["text"] for each in await typed.history("t")] == ["kept"]


async def test_what_is_taken_comes_back_equal_by_every_way_out(typed: Everything) -> None:
    for name, value in VALUES:
        await typed.append("t", **{name: value})

    by_history, by_export = await typed.history("t"), await typed.export("t")

    table = typed.tables["t"]
    lines = [json.loads(line) for line in written(table, by_export, Format.NDJSON).splitlines()]
    assert lines == by_export == by_history
    for found, (name, value) in zip(by_history, VALUES, strict=True):
        assert (type(found[name]), found[name]) == (type(value), value) or name == "moment", (name, value)
    written(table, by_export, Format.CSV)


@pytest.mark.parametrize(("name", "value"), REFUSED_VALUES, ids=lambda each: ascii(each)[:20])
async def test_what_would_come_back_changed_is_refused_and_the_table_stays_readable(
    typed: Everything, name: str, value: Any
) -> None:
    await typed.append("t", text="before")

    with pytest.raises(Refusal):
        await typed.append("t", **{name: value})
    await typed.append("t", text="after")

    assert [each["text"] for each in await typed.history("t")] == ["before", "after"]
    assert [each["text"] for each in await typed.export("t")] == ["before", "after"]


async def test_a_formula_does_not_become_one_in_a_spreadsheet(typed: Everything) -> None:
    for text in ("=1+1", "+1", "-1", "@x", "\t=1"):
        await typed.append("t", text=text, whole=-5)

    rows = list(csv.DictReader(io.StringIO(written(typed.tables["t"], await typed.export("t"), Format.CSV))))

    assert [each["text"][:2] for each in rows] == ["'=", "'+", "'-", "'@", "'\t"]
    assert {each["whole"] for each in rows} == {"-5"}
