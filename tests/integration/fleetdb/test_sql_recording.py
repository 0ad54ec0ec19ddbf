"""What direct SQL leaves in the audit log."""

import pytest

from services.fleetdb.records.sql import Admission, Tally
from services.fleetdb.sql_recording import MAX_STATEMENT, SqlRecording
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
        {"statement": "SELECT 'ü'", "is_cut": False},
        {"statements": 1, "rows": 2, "octets": 300, "cause": "a side left"},
    ]


async def test_a_statement_without_end_is_cut(fleetdb_database: Database, postgres: Postgres) -> None:
    await SqlRecording(fleetdb_database).asked(ANNA, "x" * (MAX_STATEMENT + 1))

    ((after,),) = postgres.rows("SELECT after FROM audit.queue")
    assert (len(after["statement"]), after["is_cut"]) == (MAX_STATEMENT, True)
