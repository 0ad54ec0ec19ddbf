"""What of a data backend's schema is carried, and that it is made again."""

import io
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import psycopg
import pytest

from deploy.carrying.filling import Devices, Target, fill_backend
from deploy.carrying.lines import END
from deploy.carrying.structure import Column, Table, tables_of
from services.fleetdb.store import carrying, erasing
from shared.secrets import Sealer
from tests.integration.database import Postgres

SCHEMA: Final = "s_carried"
TARGET: Final = Target(1, "ironflock", SCHEMA, "postgres", "first")
NUMBERS: Final = Table(
    "numbers", (Column("n", "bigint", is_required=False, identity="", sequence=None, next_value=1),), (), (), ()
)
REQUESTS: Final = Table(
    "_erased", (Column("request", "uuid", is_required=True, identity="", sequence=None, next_value=1),), (), (), ()
)


@pytest.fixture(name="connection")
def fixture_connection(postgres: Postgres) -> Iterator[psycopg.Connection[Any]]:
    """The superuser's, with a schema that goes again."""
    with postgres.connect() as connection, connection.transaction(force_rollback=True):
        connection.execute(f"CREATE SCHEMA {SCHEMA}".encode())
        yield connection


def test_what_fleetdb_notes_of_its_own_work_is_not_taken_along(connection: psycopg.Connection[Any]) -> None:
    for table in ("numbers (n bigint)", "_downsampled (name text, upto bigint)", f"{erasing.ERASED} (request uuid)",
                  f"{carrying.CARRIED} (name text)"):  # fmt: skip
        connection.execute(f"CREATE TABLE {SCHEMA}.{table}".encode())

    assert [table.name for table in tables_of(connection, SCHEMA)] == ["_downsampled", "numbers"]


def test_what_a_release_before_has_taken_along_of_it_keeps_nothing_from_coming(
    connection: psycopg.Connection[Any],
) -> None:
    rows = ((REQUESTS, b"0f9b0d1e-0000-4000-8000-000000000001\n"), (NUMBERS, b"7\n"))
    content = io.BytesIO(b"".join(msgspec.json.encode(table) + b"\n" + line + END for table, line in rows))

    fill_backend(connection, content, TARGET, Devices({}, int), Sealer({"k": bytes(32)}, "k"))

    assert [table.name for table in tables_of(connection, SCHEMA)] == ["numbers"]
    assert connection.execute("SELECT n FROM s_carried.numbers").fetchall() == [(7,)]
