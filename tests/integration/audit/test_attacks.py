"""What each login can do to the log: nothing; and what a superuser can do to it: nothing unnoticed by two verifiers."""

from pathlib import Path

import psycopg
import pytest

from services.audit.exporting import Export
from services.audit.proofs import BrokenLogError
from services.audit.records import Chosen
from tests.integration.audit.verifiers import export_verified, log_verified
from tests.integration.audit.world import ANNA, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
TABLES = ("queue", "entry", "leaf", "tile", "checkpoint", "cosignature", "redaction")
WRITING = [
    "INSERT INTO audit.{0} OVERRIDING SYSTEM VALUE SELECT * FROM audit.{0}",
    "UPDATE audit.{0} SET ctid = ctid",
    "UPDATE audit.{0} SET {1} = {1}",
    "DELETE FROM audit.{0}",
    "TRUNCATE audit.{0} CASCADE",
    "COPY audit.{0} FROM STDIN",
    "COPY audit.{0} TO '/dev/null'",
    "ALTER TABLE audit.{0} DISABLE TRIGGER ALL",
    "DROP TRIGGER refuse_change ON audit.{0}",
    "ALTER TABLE audit.{0} RENAME TO mine",
    "ALTER TABLE audit.{0} ADD COLUMN x int",
    "CREATE TABLE audit.part PARTITION OF audit.{0} DEFAULT",
    "ALTER TABLE audit.{0} INHERIT audit.action",
    "CREATE RULE r AS ON INSERT TO audit.{0} DO INSTEAD NOTHING",
    "CREATE POLICY p ON audit.{0}",
    "DROP TABLE audit.{0} CASCADE",
    "LOCK TABLE audit.{0} IN ACCESS EXCLUSIVE MODE",
]
COLUMNS = {"queue": "reason", "entry": "reason", "leaf": "commitment", "tile": "hashes", "checkpoint": "note"}
SPECIAL = [
    "SET session_replication_role = replica",
    "SET ROLE audit_owner",
    "SET SESSION AUTHORIZATION postgres",
    "SELECT setval('audit.queue_id_seq', 1)",
    "SELECT nextval('audit.checkpoint_number_seq')",
    "CREATE OR REPLACE FUNCTION audit.refuse_change() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
    "ALTER FUNCTION audit.redact(integer) OWNER TO CURRENT_USER",
    "UPDATE audit.retention SET days = 1",
    "INSERT INTO audit.retention VALUES (1, 1)",
    "UPDATE audit.forwarder SET position = 0",
    "INSERT INTO audit.action VALUES ('mine', session_user)",
]
FUNCTIONS = [
    "SELECT * FROM audit.pending(1)",
    "SELECT audit.integrate(0, '{}', '{}', '{}', '{}', '{}', '{}', '{}')",
    "SELECT audit.publish(0, '\\x00', '')",
    "SELECT audit.cosign(1, '')",
    "SELECT audit.redact(1)",
    "SELECT audit.set_retention(1, 1)",
    "SELECT audit.forwarded('x', 1)",
]


def statements() -> list[str]:
    texts = [
        text.format(table, COLUMNS.get(table, "leaf_index" if table == "redaction" else "line"))
        for table in TABLES
        for text in WRITING
    ]
    return [*texts, *SPECIAL]


@pytest.mark.parametrize("login", ["svc_auth", "svc_realms", "svc_devices", "svc_audit"])
async def test_no_service_changes_anything(world: World, login: str) -> None:
    await world.recorded(5)
    world.record(2)
    before = await world.saved()
    allowed = []
    with world.postgres.connect(login) as connection:
        for statement in [*statements(), *(FUNCTIONS if login != "svc_audit" else [])]:
            try:
                with connection.transaction(force_rollback=True):
                    connection.execute("SET LOCAL audit.acting = 'integrate'")
                    connection.execute(statement.encode())
            except (psycopg.errors.InsufficientPrivilege, psycopg.errors.FeatureNotSupported):
                continue
            except psycopg.Error as error:
                if not is_refused_by_form(statement):
                    allowed.append(f"{statement}: {error}")
            else:
                allowed.append(statement)

    assert allowed == []
    assert (await world.saved()).served == before.served
    assert world.postgres.rows("SELECT count(*) FROM audit.queue") == [(2,)]


def is_refused_by_form(statement: str) -> bool:
    """Refused for what it is, before any right is looked at."""
    return "ctid = ctid" in statement or "PARTITION OF" in statement


async def test_the_tables_owner_is_refused_by_triggers(world: World) -> None:
    await world.recorded(3)
    world.record(2)
    allowed = []
    with world.postgres.connect("migrate") as connection:
        connection.execute("SET ROLE audit_owner")
        for table in TABLES:
            for text in ("UPDATE audit.{0} SET {1} = {1}", "DELETE FROM audit.{0}", "TRUNCATE audit.{0} CASCADE"):
                column = COLUMNS.get(table, "cause" if table == "redaction" else "line")
                statement = text.format(table, column)
                try:
                    connection.execute(statement.encode())
                except psycopg.errors.InsufficientPrivilege:
                    continue
                allowed.append(statement)

    assert allowed == []


ATTACKS = {
    "a changed leaf": ("UPDATE audit.leaf SET commitment = sha256('x') WHERE leaf_index = 3", "wrong_commitment", 3),
    "a cut tail": ("DELETE FROM audit.leaf WHERE leaf_index >= 250", "missing_entry", 250),
    "everything gone": ("TRUNCATE audit.leaf CASCADE", "missing_entry", 0),
    "swapped leaves": (
        """UPDATE audit.leaf a SET commitment = b.commitment FROM audit.leaf b
        WHERE a.leaf_index IN (3, 4) AND b.leaf_index = 7 - a.leaf_index""",
        "wrong_commitment",
        3,
    ),
    "a removed leaf": ("DELETE FROM audit.leaf WHERE leaf_index = 3", None, 3),
    "a changed tile": (
        "UPDATE audit.tile SET hashes = overlay(hashes PLACING '\\x00' FROM 97) WHERE level = 0 AND index = 0",
        None,
        3,
    ),
    "a lost tile": ("DELETE FROM audit.tile WHERE level = 1", None, None),
    "a forged root": ("UPDATE audit.checkpoint SET note = replace(note, '300', '299')", "bad_signature", None),
}


RESTORED = ("leaf", "entry", "tile", "checkpoint")


@pytest.mark.parametrize("attack", ATTACKS)
async def test_what_a_superuser_does_to_the_tree_is_found_and_named(world: World, tmp_path: Path, attack: str) -> None:
    statement, code, index = ATTACKS[attack]
    await world.recorded(300)
    last = await world.head()

    world.as_superuser(statement)

    findings = log_verified(await world.saved(), world.notary.verifiers, last, tmp_path / "served").findings
    assert findings
    assert code is None or findings[0].code == code
    assert index is None or findings[0].index in (index, None)


async def test_rows_that_are_copied_in_with_another_commitment_are_found(world: World, tmp_path: Path) -> None:
    await world.recorded(300)
    last = await world.head()

    with world.postgres.connect() as connection:
        connection.execute("SET session_replication_role = replica")
        connection.execute("DELETE FROM audit.leaf WHERE leaf_index = 3")
        with connection.cursor().copy("COPY audit.leaf (leaf_index, commitment) FROM STDIN") as copy:
            copy.write_row((3, bytes(32)))

    findings = log_verified(await world.saved(), world.notary.verifiers, last, tmp_path / "served").findings
    assert (findings[0].code, findings[0].index) == ("wrong_commitment", 3)


async def test_a_partitioned_table_in_the_place_of_the_leaves_is_found(world: World, tmp_path: Path) -> None:
    await world.recorded(300)
    last = await world.head()
    try:
        world.as_superuser(
            "ALTER TABLE audit.leaf RENAME TO kept",
            "CREATE TABLE audit.leaf (LIKE audit.kept) PARTITION BY RANGE (leaf_index)",
            "CREATE TABLE audit.low PARTITION OF audit.leaf FOR VALUES FROM (0) TO (250)",
            "CREATE TABLE audit.high PARTITION OF audit.leaf FOR VALUES FROM (250) TO (1000)",
            "INSERT INTO audit.leaf SELECT * FROM audit.kept WHERE leaf_index < 250",
            "GRANT SELECT ON audit.leaf TO svc_audit",
        )

        findings = log_verified(await world.saved(), world.notary.verifiers, last, tmp_path / "served").findings
    finally:
        world.as_superuser("DROP TABLE audit.leaf", "ALTER TABLE audit.kept RENAME TO leaf")

    assert [(finding.code, finding.index) for finding in findings][:1] == [("missing_entry", 250)]


async def test_given_the_older_heads_when_the_newest_is_deleted_then_the_log_is_older_than_was_seen(
    world: World, tmp_path: Path
) -> None:
    await world.recorded(5)
    await world.recorded(5)
    last = await world.head()

    world.as_superuser("DELETE FROM audit.checkpoint WHERE size > 5")

    report = log_verified(await world.saved(), world.notary.verifiers, last, tmp_path / "served")
    assert [finding.code for finding in report.findings] == ["older_than_last_head"]


async def test_given_an_old_backup_when_it_is_restored_then_it_is_refused_and_what_follows_has_forked(
    world: World, tmp_path: Path
) -> None:
    await world.recorded(5)
    backed_up = [f"CREATE TABLE backup.{table} AS TABLE audit.{table}" for table in RESTORED]
    world.as_superuser("DROP SCHEMA IF EXISTS backup CASCADE", "CREATE SCHEMA backup", *backed_up)
    await world.recorded(5)
    last = await world.head()

    world.as_superuser(*(f"DELETE FROM audit.{table}" for table in reversed(RESTORED)))  # noqa: S608 - constants
    world.as_superuser(
        *(f"INSERT INTO audit.{table} OVERRIDING SYSTEM VALUE TABLE backup.{table}" for table in RESTORED),
        "DROP SCHEMA backup CASCADE",
    )
    older = log_verified(await world.saved(), world.notary.verifiers, last, tmp_path / "older")
    world.restarted()
    with pytest.raises(BrokenLogError, match="a head of 10 was signed"):
        await world.recorded(7)
    world.head_file.unlink()  # whoever is root here can do that; the verifiers kept theirs elsewhere
    world.restarted()
    await world.settle()
    forked = log_verified(await world.saved(), world.notary.verifiers, last, tmp_path / "forked")

    assert [finding.code for finding in older.findings] == ["older_than_last_head"]
    assert [finding.code for finding in forked.findings] == ["forked"]


async def export_of(world: World) -> list[bytes]:
    lines: list[str] = []
    question = await world.reading.question(ANNA, Chosen(project=1))
    await Export(world.database, world.reading, world.notary, question).send(lines.append)
    return [line.encode() for line in lines]


FORGERIES = [
    """UPDATE audit.entry SET after = '{"name": "forged"}' WHERE leaf_index = 3""",
    "UPDATE audit.entry SET recorded_at = recorded_at - interval '1 day' WHERE leaf_index = 3",
    """UPDATE audit.entry SET actor = jsonb_set(actor, '{key}', '6') WHERE leaf_index = 3""",
    "UPDATE audit.entry SET salt = sha256('x') WHERE leaf_index = 3",
    "UPDATE audit.entry SET outcome = 'refused' WHERE leaf_index = 3",
    "UPDATE audit.entry SET id = 99999 WHERE leaf_index = 3",
    """UPDATE audit.entry a SET after = b.after, id = -b.id FROM audit.entry b
    WHERE a.leaf_index IN (3, 4) AND b.leaf_index = 7 - a.leaf_index""",
]


@pytest.mark.parametrize("forgery", FORGERIES)
async def test_what_a_superuser_does_to_an_entry_is_found_in_every_export(world: World, forgery: str) -> None:
    for turn in range(10):
        world.record(after={"turn": turn})
    await world.settle()
    assert export_verified(await export_of(world), world.notary.verifiers).is_well

    world.as_superuser(forgery)

    report = export_verified(await export_of(world), world.notary.verifiers)
    assert (report.findings[0].code, report.findings[0].index) == ("wrong_commitment", 3)
