"""What direct SQL leaves in the audit log."""

import pytest

from services.fleetdb.records.sql import Admission, Tally
from services.fleetdb.sql_recording import PART, SqlRecording
from shared.database import Database
from tests.integration.database import Postgres

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
ANNA = Admission(5, "key 1", "192.0.2.1", 7, 40, "d_x", "r_x", 2e9)


async def test_who_came_what_they_asked_and_what_they_took_is_recorded(
    fleetdb_database: Database, postgres: Postgres
) -> None:
    recording = SqlRecording(fleetdb_database)

    await recording.begun(ANNA)
    await recording.asked(ANNA, "SELECT 'ü'")
    await recording.ended(ANNA, Tally(1, 2, 300), "a side left")

    rows = postgres.rows("SELECT action, actor, asset, project, after FROM audit.queue ORDER BY id")
    who, what = {"kind": "person", "key": 5, "credential": "key 1"}, {"kind": "data_backend", "key": 40}
    assert [row[0] for row in rows] == ["sql.opened", "sql.asked", "sql.closed"]
    assert all(row[1].items() >= who.items() and row[2] == what and row[3] == 7 for row in rows)
    assert [row[4] for row in rows] == [
        {"login": "r_x"},
        {"statement": "SELECT 'ü'"},
        {"statements": 1, "rows": 2, "octets": 300, "cause": "a side left"},
    ]


async def test_a_long_statement_is_recorded_whole_in_parts(fleetdb_database: Database, postgres: Postgres) -> None:
    statement = f"/* {'x' * PART} */ SELECT 'ü'"

    await SqlRecording(fleetdb_database).asked(ANNA, statement)

    found = [row[0] for row in postgres.rows("SELECT after FROM audit.queue ORDER BY id")]
    assert "".join(each["statement"] for each in found) == statement
    assert [(each["part"], each["parts"]) for each in found] == [(1, 2), (2, 2)]


async def test_letters_that_take_much_room_fit_into_an_entry(fleetdb_database: Database, postgres: Postgres) -> None:
    statement = "\x01" * PART + "\U0001f600" * PART

    await SqlRecording(fleetdb_database).asked(ANNA, statement)

    found = [row[0] for row in postgres.rows("SELECT after FROM audit.queue ORDER BY id")]
    assert "".join(each["statement"] for each in found) == statement
