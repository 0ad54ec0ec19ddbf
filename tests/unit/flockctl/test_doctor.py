"""The doctor's judgement over facts: nothing where all is well, and each planted fault under its own name."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from attrs import evolve

from deploy.flockctl.doctor.checks import CHECKS, chosen, diagnose
from deploy.flockctl.doctor.records import (
    Backups,
    Cell,
    Certificate,
    Clock,
    ClusterSeen,
    Database,
    Disk,
    Facts,
    KeptRows,
    Listener,
    Log,
    LooseFile,
    Outbox,
    Part,
    SchemaVersion,
    Severity,
    WeakSecret,
)
from deploy.flockctl.doctor.text import as_text
from deploy.flockctl.examining import examined, payload

NOW = 1_800_000_000.0
DAY = 86_400.0
MINUTE = 60.0
CERTIFICATE = Certificate("gateway", NOW - DAY / 2, NOW + 1.5 * DAY, is_chained=True, fits_key=True)
LISTENER = Listener("gateway", 8445, ends_at=CERTIFICATE.ends_at)
DATABASE = Database(
    version=180_001,
    program_version=180_001,
    connections=20,
    max_connections=200,
    is_tls_on=True,
    superusers=("postgres",),
    oldest_transaction_s=1.0,
    transaction_age=1_000,
    held_wal_octets=2**20,
    is_wal_lost=False,
    schemas=(SchemaVersion("audit", 30, 30),),
    outboxes=(Outbox("devices.outbox", 3, 0.2),),
    open_intents=0,
    legacy_projects=(),
    public_tunnels=0,
    locks_of_a_restore=0,
    kept_rows=(),
    misfits=(),
    clusters=(ClusterSeen("first", is_known=True, has_data=True, reached_ago_s=4.0),),
)
LOG = Log(size=500, file_size=500, oldest_queued_s=0.1, witnesses=1, cosigned_at=NOW - 60)
BACKUPS = Backups(made_at=NOW - 3_600, restorable_until=NOW - 300, drilled_at=NOW - DAY)
BUS_URL = "wss://a:8444/ws-svc,second=wss://b:8444/ws-svc"
WELL = Facts(
    now=NOW,
    phase="running",
    renewal_problem="",
    parts=(Part("auth", ready=True, reason=""),),
    outdated=(),
    cells=(Cell("first", None, 3), Cell("second", "wss://devices-second.example", 2)),
    certificates=(CERTIFICATE,),
    listeners=(LISTENER,),
    clocks=(Clock("the database", 0.3, 0.1),),
    disks=(Disk("/state", 60 * 2**30, 100 * 2**30),),
    old_keys=(),
    loose_files=(),
    weak_secrets=(),
    secrets_made={"bus-secrets": NOW - 364 * DAY},
    settings={"IRONFLOCK_AUTH_SIGN_UP": "invitation", "IRONFLOCK_AUTH_BUS_URL": BUS_URL},
    database=DATABASE,
    database_problem="",
    log=LOG,
    backups=BACKUPS,
)


def with_database(**changes: Any) -> Facts:
    """A well installation, but for `changes` of its database."""
    return evolve(WELL, database=evolve(DATABASE, **changes))


def with_certificate(**changes: Any) -> Facts:
    """A well installation, but for `changes` of a certificate."""
    return evolve(WELL, certificates=(evolve(CERTIFICATE, **changes),))


def with_log(**changes: Any) -> Facts:
    """A well installation, but for `changes` of its audit log."""
    return evolve(WELL, log=evolve(LOG, **changes))


def with_backups(**changes: Any) -> Facts:
    """A well installation, but for `changes` of its backups."""
    return evolve(WELL, backups=evolve(BACKUPS, **changes))


def with_problem(problem: str, projects: int = 2) -> tuple[Cell, ...]:
    """The cells, of which the second has a problem at its endpoint."""
    first, second = WELL.cells
    return first, evolve(second, problem=problem, projects=projects)


W, P = Severity.WARNING, Severity.PROBLEM
PLANTED: dict[str, tuple[Facts, str, Severity]] = {
    "a stopped platform": (evolve(WELL, phase="stopped"), "part_not_ready", P),
    "a part that is away": (evolve(WELL, parts=(Part("auth", ready=False, reason="bus"),)), "part_not_ready", P),
    "a cell away": (evolve(WELL, parts=(Part("auth", ready=True, reason="bus in second: away"),)), "cell_away", P),
    "a cell not told of": (evolve(WELL, settings={"IRONFLOCK_AUTH_BUS_URL": "wss://a/ws-svc"}), "cell_not_joined", P),
    "an empty cell not told of": (evolve(WELL, cells=(*WELL.cells, Cell("third", None, 0))), "cell_not_joined", W),
    "a cell without a row": (evolve(WELL, cells=(Cell("first", None, 3),)), "cell_not_placed", W),
    "a cell that devices do not find": (evolve(WELL, cells=with_problem("nothing listens")), "cell_endpoint", P),
    "an empty cell not found": (evolve(WELL, cells=with_problem("nothing", projects=0)), "cell_endpoint", W),
    "an older release": (evolve(WELL, outdated=("auth",)), "older_release", W),
    "a database that is away": (evolve(WELL, database=None, database_problem="refused"), "database_away", P),
    "a renewal that fails": (evolve(WELL, renewal_problem="gateway: no space"), "not_renewed", P),
    "a certificate that ended": (with_certificate(ends_at=NOW - 1), "certificate_ends", P),
    "one of tomorrow": (with_certificate(starts_at=NOW + 60), "certificate_ends", P),
    "one nobody renewed": (with_certificate(starts_at=NOW - 2 * DAY, ends_at=NOW + DAY / 4), "certificate_ends", W),
    "no certificate": (with_certificate(problem="there is none"), "certificate_ends", P),
    "another authority's": (with_certificate(is_chained=False), "certificate_not_chained", P),
    "another key": (with_certificate(fits_key=False), "certificate_key_differs", P),
    "a silent port": (evolve(WELL, listeners=(evolve(LISTENER, problem="nothing listens"),)), "listener_silent", P),
    "an old one used": (evolve(WELL, listeners=(evolve(LISTENER, ends_at=NOW + DAY / 3),)), "certificate_not_taken", W),
    "TLS 1.1": (evolve(WELL, listeners=(evolve(LISTENER, takes_old_tls=True),)), "old_tls", P),
    "a clock ahead": (evolve(WELL, clocks=(Clock("the database", 9.0, 0.5),)), "clock_apart", P),
    "a clock behind": (evolve(WELL, clocks=(Clock("auth", -4.0, 1.0),)), "clock_apart", P),
    "connections taken": (with_database(connections=170), "connections_taken", W),
    "a disk that fills": (evolve(WELL, disks=(Disk("/state", 10, 100),)), "disk_filling", W),
    "a full disk": (evolve(WELL, disks=(Disk("/state", 1, 100),)), "disk_filling", P),
    "a migration missing": (with_database(schemas=(SchemaVersion("audit", 29, 30),)), "migrations", P),
    "a newer database": (with_database(schemas=(SchemaVersion("audit", 31, 30),)), "migrations", P),
    "a changed migration": (with_database(schemas=(SchemaVersion("audit", 30, 30, ("0002_x",)),)), "migrations", P),
    "an old server": (with_database(version=180_000), "postgres_version", W),
    "a server without TLS": (with_database(is_tls_on=False), "database_without_tls", P),
    "another superuser": (with_database(superusers=("mallory", "postgres")), "superuser", P),
    "a transaction left open": (with_database(oldest_transaction_s=2 * 3_600.0), "transaction_open", W),
    "wraparound": (with_database(transaction_age=1_900_000_000), "transaction_open", P),
    "log kept for nobody": (with_database(held_wal_octets=9 * 2**30), "wal_kept", W),
    "log thrown away": (with_database(held_wal_octets=0, is_wal_lost=True), "wal_kept", P),
    "an outbox stuck": (with_database(outboxes=(Outbox("auth.message", 4, 20 * MINUTE),)), "outbox_stuck", W),
    "an intent without outcome": (with_database(open_intents=2), "intent_open", W),
    "legacy mode": (with_database(legacy_projects=("plant",)), "legacy_mode", W),
    "public tunnels": (with_database(public_tunnels=1), "public_tunnels", W),
    "a restore unconfirmed": (with_database(locks_of_a_restore=12), "restored_without_ledger", W),
    "rows that a restore has kept": (with_database(kept_rows=(KeptRows("first", 2, 7_200.0),)), "rows_kept", W),
    "a lost key file": (with_database(misfits=("secrets/person-keys.json is missing",)), "keys_lost", P),
    "a rotation cut off": (evolve(WELL, old_keys=("secrets/master-keys.json",)), "rotation_cut_off", W),
    "a server nobody knows": (with_database(clusters=(ClusterSeen("south", False, True, None),)), "cluster_away", P),
    "a dead server": (with_database(clusters=(ClusterSeen("south", True, False, 900.0),)), "cluster_away", P),
    "a backup without a server": (with_backups(absent=("south",)), "backup_missing", P),
    "a file for all": (evolve(WELL, loose_files=(LooseFile("secrets/bus/svc_auth", 0o644),)), "file_open_to_others", P),
    "an old secret": (evolve(WELL, secrets_made={"bus-secrets": NOW - 366 * DAY}), "old_secret", W),
    "a weak secret": (evolve(WELL, weak_secrets=(WeakSecret("svc_auth", "short"),)), "weak_secret", P),
    "open sign-up": (evolve(WELL, settings={"IRONFLOCK_AUTH_SIGN_UP": "open"}), "open_sign_up", W),
    "no limit": (evolve(WELL, settings={"IRONFLOCK_GATEWAY_FAILURES_PER_MINUTE": "90000"}), "loose_limit", W),
    "any address": (evolve(WELL, settings={"IRONFLOCK_TUNNELS_SAME_ADDRESS": "no"}), "any_address", W),
    "a database set back": (with_log(size=400), "audit_log", P),
    "entries that wait": (with_log(oldest_queued_s=90.0), "audit_log", P),
    "no witness": (with_log(witnesses=0), "no_witness", W),
    "a witness asleep": (with_log(cosigned_at=NOW - 3 * DAY), "no_witness", W),
    "no backup": (evolve(WELL, backups=Backups(None, None, None)), "backup_missing", P),
    "an old backup": (with_backups(restorable_until=NOW - 3 * DAY), "backup_missing", P),
    "no drill": (with_backups(drilled_at=None), "drill_missing", W),
    "an old drill": (with_backups(drilled_at=NOW - 90 * DAY), "drill_missing", W),
    "a drill that failed": (with_backups(drill_failure="the log does not verify"), "drill_missing", P),
}  # fmt: skip


def test_where_all_is_well_nothing_is_found() -> None:
    assert diagnose(WELL, CHECKS) == []
    assert as_text([], len(CHECKS), {}).endswith("all is well.")


@pytest.mark.parametrize(("facts", "code", "severity"), PLANTED.values(), ids=PLANTED)
def test_a_planted_fault_is_found_under_its_name_and_nothing_else_is(
    facts: Facts, code: str, severity: Severity
) -> None:
    found = diagnose(facts, CHECKS)

    # Without backups there is no drill either, which is a finding of its own.
    besides = {"drill_missing"} if code == "backup_missing" and facts.backups.drilled_at is None else set()
    assert {(each.code, each.severity) for each in found if each.code not in besides} == {(code, severity)}


def test_every_check_finds_something_and_says_what_to_do() -> None:
    assert {code for _, code, _ in PLANTED.values()} == {check.code for check in CHECKS}
    assert all(check.why.endswith(".") and check.remedy for check in CHECKS)


def test_the_worst_comes_first_and_programs_get_the_same_as_people() -> None:
    planted: list[Callable[[Facts], Facts]] = [
        lambda facts: evolve(facts, settings={"IRONFLOCK_AUTH_SIGN_UP": "open"}),
        lambda facts: evolve(facts, phase="stopped"),
    ]
    facts = WELL
    for plant in planted:
        facts = plant(facts)

    found = diagnose(facts, CHECKS)

    assert [each.severity for each in found] == [Severity.PROBLEM, Severity.WARNING]
    told = payload(examined(facts, CHECKS, None))
    assert json.loads(json.dumps(told))["findings"][0]["severity"] == "problem"
    assert as_text(found, len(CHECKS), {}).startswith("PROBLEM: the platform is stopped")


def test_what_others_named_does_not_steer_a_terminal() -> None:
    told = as_text(diagnose(with_database(legacy_projects=("pl\x1b[2Jant",)), CHECKS), 1, {})

    assert "\x1b" not in told


def test_checks_are_chosen_by_how_their_codes_begin() -> None:
    assert {check.code for check in chosen(["backup", "drill"])} == {"backup_missing", "drill_missing"}
    assert chosen([]) == list(CHECKS)
    for words in (["nonsense"], ["backup", "nonsense"]):
        with pytest.raises(LookupError, match="nonsense"):
            chosen(words)
