"""The checks, as a table: each a pure judgement over the facts, with why it matters and what to do."""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

from attrs import frozen

from deploy.flockctl.doctor.records import Database, Facts, Finding, Severity
from shared.cells import parse_cells

DAY_S: Final = 86_400.0
CLOCK_APART_S: Final = 2.0
"""Devices' tokens and one-time codes allow for little more; a lease of five seconds is counted on both sides."""
LITTLE_LIFE: Final = 1 / 6
"""Of a certificate's life: it is renewed at one third, so something keeps it from being renewed."""
BUSY: Final = 0.8
LITTLE_DISK: Final = 0.15
NO_DISK: Final = 0.05
STUCK_S: Final = 300.0
QUEUE_STUCK_S: Final = 30.0
BACKUP_AGE_S: Final = 26 * 3_600.0
"""A nightly backup, and two hours for it."""
DRILL_AGE_S: Final = 35 * DAY_S
SECRET_AGE_S: Final = 365 * DAY_S
COSIGNED_S: Final = DAY_S
LONG_TRANSACTION_S: Final = 3_600.0
WRAPAROUND: Final = 1_500_000_000
"""Transactions: PostgreSQL stops taking writes three million before 2^31."""
MOST_FAILURES: Final = 1_000
HELD_WAL_OCTETS: Final = 4 * 2**30
WARNING, PROBLEM = Severity.WARNING, Severity.PROBLEM
Seen = Iterator[tuple[Severity, str]]


@frozen
class Check:
    """One thing that is looked at; `judge` yields a severity and a sentence for each thing that is wrong."""

    code: str
    judge: Callable[[Facts], Seen]
    why: str
    remedy: str


def chosen(beginnings: Sequence[str]) -> list[Check]:
    """The checks whose codes begin with one of `beginnings`; all of them where there is none.

    Raises:
        LookupError: With one with which no code begins: a monitor that mistypes it must not be calmed by the others.
    """
    for each in beginnings:
        if not any(check.code.startswith(each) for check in CHECKS):
            raise LookupError(each)
    return [check for check in CHECKS if not beginnings or check.code.startswith(tuple(beginnings))]


def diagnose(facts: Facts, checks: Iterable[Check]) -> list[Finding]:
    """Everything that is wrong among what was looked at, the worst first."""
    found = [
        Finding(check.code, severity, what, check.why, facts.remedies.get(check.code, check.remedy))
        for check in checks
        if check.code not in facts.unseen
        for severity, what in check.judge(facts)
    ]
    return sorted(found, key=lambda finding: -finding.severity)


def _parts(facts: Facts) -> Seen:
    if facts.phase != "running":
        yield PROBLEM, f"the platform is {facts.phase}"
    for part in facts.parts:
        if not part.ready:
            yield PROBLEM, f"{part.name} is not ready: {part.reason}"


def _cells_away(facts: Facts) -> Seen:
    for part in facts.parts:
        if part.ready and part.reason:
            yield PROBLEM, f"{part.name} does without {part.reason}"


def cells_told(settings: Mapping[str, str]) -> dict[str, frozenset[str]]:
    """The names of the cells that each service is told of, by the setting that has them."""
    told: dict[str, frozenset[str]] = {}
    for name, value in sorted(settings.items()):
        if name.endswith("BUS_URL"):
            with contextlib.suppress(ValueError):  # it would not run
                told[name] = frozenset(cell.name for cell in parse_cells(value))
    return told


def _cells_unjoined(facts: Facts) -> Seen:
    for setting, told in cells_told(facts.settings).items():
        for cell in facts.cells:
            if cell.name not in told:
                severity = PROBLEM if cell.projects else WARNING
                yield severity, f"{setting} does not name the cell {cell.name}, which has {cell.projects} projects"


def _cells_unplaced(facts: Facts) -> Seen:
    known = {cell.name for cell in facts.cells}
    if known:  # else the database is away
        for name in sorted(frozenset[str]().union(*cells_told(facts.settings).values()) - known):
            yield WARNING, f"services join the cell {name}, in which no project can be"


def _cell_endpoints(facts: Facts) -> Seen:
    for cell in facts.cells:
        if cell.problem:
            severity = PROBLEM if cell.projects else WARNING
            yield severity, f"the endpoint {cell.endpoint} of the cell {cell.name}: {cell.problem}"


def _outdated(facts: Facts) -> Seen:
    for name in facts.outdated:
        yield WARNING, f"{name} was started before the release that is installed now"


def _renewal(facts: Facts) -> Seen:
    if facts.renewal_problem:
        yield PROBLEM, f"certificates are not renewed: {facts.renewal_problem}"


def _certificates(facts: Facts) -> Seen:
    for each in facts.certificates:
        left, life = each.ends_at - facts.now, each.ends_at - each.starts_at
        if each.problem:
            yield PROBLEM, f"{each.name}: {each.problem}"
        elif left <= 0:
            yield PROBLEM, f"the certificate {each.name} has ended"
        elif facts.now < each.starts_at:
            yield PROBLEM, f"the certificate {each.name} does not count yet"
        elif left < life * LITTLE_LIFE:
            yield WARNING, f"the certificate {each.name} ends in {left / 3_600:.0f} hours and was not renewed"


def _chains(facts: Facts) -> Seen:
    for each in facts.certificates:
        if not each.problem and not each.is_chained:
            yield PROBLEM, f"the certificate {each.name} is not signed by the authority that clients trust"


def _keys(facts: Facts) -> Seen:
    for each in facts.certificates:
        if each.fits_key is False:
            yield PROBLEM, f"the key beside {each.name} is another certificate's"


def _listeners(facts: Facts) -> Seen:
    for each in facts.listeners:
        if each.problem:
            yield PROBLEM, f"{each.name} (port {each.port}): {each.problem}"


def _served(facts: Facts) -> Seen:
    ends = {each.name: each.ends_at for each in facts.certificates}
    for each in facts.listeners:
        newest = ends.get(each.name.split(",")[0])
        if each.ends_at is not None and newest is not None and each.ends_at < newest - DAY_S / 2:
            yield WARNING, f"{each.name} (port {each.port}) still serves a certificate that was replaced"


def _old_tls(facts: Facts) -> Seen:
    for each in facts.listeners:
        if each.takes_old_tls:
            yield PROBLEM, f"{each.name} (port {each.port}) takes TLS 1.1 or older"


def _clocks(facts: Facts) -> Seen:
    for each in facts.clocks:
        if abs(each.ahead_s) - each.uncertainty_s > CLOCK_APART_S:
            side = "ahead of" if each.ahead_s > 0 else "behind"
            yield PROBLEM, f"the clock of {each.name} is {abs(each.ahead_s):.0f} s {side} this machine's"


def _database_away(facts: Facts) -> Seen:
    if facts.database is None:
        yield PROBLEM, f"the database cannot be asked: {facts.database_problem}"


def _of_database(judge: Callable[[Database], Seen]) -> Callable[[Facts], Seen]:
    """A judgement over the database alone; nothing where it is away, which is a finding of its own."""
    return lambda facts: iter(()) if facts.database is None else judge(facts.database)


def _connections(database: Database) -> Seen:
    if database.connections > database.max_connections * BUSY:
        yield WARNING, f"{database.connections} of {database.max_connections} connections of the database are taken"


def _disks(facts: Facts) -> Seen:
    for each in facts.disks:
        left = each.free / max(each.total, 1)
        if left < LITTLE_DISK:
            severity = PROBLEM if left < NO_DISK else WARNING
            yield severity, f"{left:.0%} of the disk of {each.folder} is free ({each.free // 2**20} MiB)"


def _schemas(database: Database) -> Seen:
    for each in database.schemas:
        if each.changed:
            yield PROBLEM, f"schema {each.schema}: {each.changed[0]} is not what ran"
        if each.applied < each.known:
            yield PROBLEM, f"schema {each.schema} is at migration {each.applied}, this release has {each.known}"
        if each.applied > each.known:
            yield (
                PROBLEM,
                f"schema {each.schema} is at migration {each.applied}, newer than this release ({each.known})",
            )


def _server_version(database: Database) -> Seen:
    if database.program_version is not None and database.version != database.program_version:
        yield WARNING, f"PostgreSQL {database.version} runs, {database.program_version} is installed"


def _server_tls(database: Database) -> Seen:
    if not database.is_tls_on:
        yield PROBLEM, "the database server takes connections without TLS"


def _superusers(database: Database) -> Seen:
    for name in database.superusers:
        if name != "postgres":
            yield PROBLEM, f"the login {name} is a superuser of the database"


def _transactions(database: Database) -> Seen:
    if database.oldest_transaction_s > LONG_TRANSACTION_S:
        yield WARNING, f"a transaction has been open for {database.oldest_transaction_s / 60:.0f} minutes"
    if database.transaction_age > WRAPAROUND:
        yield PROBLEM, f"the oldest row is {database.transaction_age} transactions old: autovacuum does not keep up"


def _held_wal(database: Database) -> Seen:
    if database.held_wal_octets > HELD_WAL_OCTETS:
        yield WARNING, f"{database.held_wal_octets // 2**20} MiB of write-ahead log are kept for a backup"
    if database.is_wal_lost:
        yield PROBLEM, "write-ahead log was thrown away that no backup has: after the last one nothing comes back"


def _outboxes(database: Database) -> Seen:
    for each in database.outboxes:
        if each.waiting and each.oldest_s > STUCK_S:
            yield WARNING, f"{each.waiting} rows of {each.table} wait, the oldest for {each.oldest_s / 60:.0f} minutes"


def _intents(database: Database) -> Seen:
    if database.open_intents:
        yield WARNING, f"{database.open_intents} intended changes in the audit log have had no outcome for an hour"


def _legacy(database: Database) -> Seen:
    for name in database.legacy_projects:
        yield WARNING, f"project {name} lets containers in whose secret is a serial number"


def _public_tunnels(database: Database) -> Seen:
    if database.public_tunnels:
        yield WARNING, f"{database.public_tunnels} tunnels are open to anybody"


def _restored(database: Database) -> Seen:
    if database.locks_of_a_restore:
        yield WARNING, f"{database.locks_of_a_restore} people and keys are locked since a restore without a ledger"


def _kept_rows(database: Database) -> Seen:
    for each in database.kept_rows:
        what = f"rows of {each.backends} data backends that were moved away from there"
        yield (
            WARNING,
            f"{what} are kept on the server {each.server} since a restore, for {each.left_s / 3_600:.0f} h more",
        )


def _misfits(database: Database) -> Seen:
    for sentence in database.misfits:
        yield PROBLEM, sentence


def _clusters(database: Database) -> Seen:
    for each in database.clusters:
        if not each.is_known:
            severity = PROBLEM if each.has_data else WARNING
            yield severity, f"the state folder does not know where the database server {each.name} is"
        elif each.reached_ago_s is None or each.reached_ago_s > STUCK_S:
            since = "never" if each.reached_ago_s is None else f"for {each.reached_ago_s / 60:.0f} minutes not"
            yield PROBLEM, f"the provisioner has {since} been at work on the database server {each.name}"


def _old_keys(facts: Facts) -> Seen:
    for path in facts.old_keys:
        yield WARNING, f"{path} still has the key that a rotation was to end"


def _modes(facts: Facts) -> Seen:
    for each in facts.loose_files:
        yield PROBLEM, f"{each.path} is open to others (mode {each.mode:04o})"


def _secrets(facts: Facts) -> Seen:
    for each in facts.weak_secrets:
        yield PROBLEM, f"{each.path}: {each.why}"


def _old_secrets(facts: Facts) -> Seen:
    for kind, made_at in facts.secrets_made.items():
        if facts.now - made_at > SECRET_AGE_S:
            yield WARNING, f"{kind}: the oldest was made {(facts.now - made_at) / DAY_S:.0f} days ago"


def _sign_up(facts: Facts) -> Seen:
    if facts.settings.get("IRONFLOCK_AUTH_SIGN_UP", "").strip() == "open":
        yield WARNING, "anybody may sign up (IRONFLOCK_AUTH_SIGN_UP is open)"


def _limits(facts: Facts) -> Seen:
    failures = facts.settings.get("IRONFLOCK_GATEWAY_FAILURES_PER_MINUTE", "")
    if failures.isdigit() and int(failures) > MOST_FAILURES:
        yield WARNING, f"the gateway lets {failures} failed sign-ins a minute pass from one address"


def _address_check(facts: Facts) -> Seen:
    if facts.settings.get("IRONFLOCK_TUNNELS_SAME_ADDRESS", "").strip() == "no":
        yield WARNING, "a device's tunnel client may come from anywhere (IRONFLOCK_TUNNELS_SAME_ADDRESS is no)"


def _log(facts: Facts) -> Seen:
    log = facts.log
    if log is None:
        return
    if log.file_size is not None and (log.size is None or log.size < log.file_size):
        yield PROBLEM, f"the audit log has a head of {log.size or 0} entries, but one of {log.file_size} was signed"
    if log.oldest_queued_s > QUEUE_STUCK_S:
        yield PROBLEM, f"entries wait for {log.oldest_queued_s:.0f} s to be taken into the audit log"


def _witnesses(facts: Facts) -> Seen:
    log = facts.log
    if log is None:
        return
    if not log.witnesses:
        yield WARNING, "no witness vouches for the audit log"
    elif log.cosigned_at is None or facts.now - log.cosigned_at > COSIGNED_S:
        yield WARNING, "no witness has cosigned a head of the audit log for a day"


def _backups(facts: Facts) -> Seen:
    backups = facts.backups
    if backups.made_at is None:
        yield PROBLEM, "there is no backup"
    elif facts.now - (backups.restorable_until or backups.made_at) > BACKUP_AGE_S:
        hours = (facts.now - (backups.restorable_until or backups.made_at)) / 3_600
        yield PROBLEM, f"the newest backup is {hours:.0f} hours old"
    for name in backups.absent:
        yield PROBLEM, f"the newest backup has nothing of the database server {name}"


def _drills(facts: Facts) -> Seen:
    backups = facts.backups
    if backups.drill_failure:
        yield PROBLEM, f"the last restore drill failed: {backups.drill_failure}"
    elif backups.drilled_at is None:
        yield WARNING, "no backup was ever restored for a trial"
    elif facts.now - backups.drilled_at > DRILL_AGE_S:
        yield WARNING, f"the last restore drill was {(facts.now - backups.drilled_at) / DAY_S:.0f} days ago"


CHECKS: Final = (
    Check("part_not_ready", _parts, "What that part does, nobody gets.",
          "read its log (log/ in the state folder); `make up` starts what is down"),
    Check("cell_away", _cells_away, "Who is in that cell is cut off; who is in others notices nothing.",
          "look at its router's log (locally log/router.log, log/router-second.log)"),
    Check("cell_not_joined", _cells_unjoined, "What is in that cell cannot be reached by that service.",
          "name it in BUS_URL of every service (locally: IRONFLOCK_LOCAL_CELLS), and start them anew"),
    Check("cell_not_placed", _cells_unplaced, "It costs memory and carries nobody.",
          "`flockctl placement cell add`, or take it out of BUS_URL"),
    Check("cell_endpoint", _cell_endpoints, "Devices of its projects cannot connect.",
          "look at its router, its name in the DNS, and the names in its certificate"),
    Check("older_release", _outdated, "Fixes that are installed are not in use.",
          "restart the platform: `make down`, `make up`"),
    Check("database_away", _database_away, "No service can store or read anything.",
          "read log/postgres.log; look at the disk; start the platform"),
    Check("not_renewed", _renewal, "When a certificate ends, its clients cannot connect any more.",
          "mend what it names: the disk, or the files' owner"),
    Check("certificate_ends", _certificates, "Clients refuse a certificate that is not valid; devices stay away.",
          "look why it is not renewed: `make status` tells"),
    Check("certificate_not_chained", _chains, "Clients refuse it.",
          "remove the certificate; the launcher issues another at its next start"),
    Check("certificate_key_differs", _keys, "The listener cannot use it, and keeps the one that ends.",
          "remove both files; the launcher issues another pair at its next start"),
    Check("listener_silent", _listeners, "Its clients cannot connect.",
          "look at the process and the firewall of this machine"),
    Check("certificate_not_taken", _served, "The one in use ends earlier than you think.",
          "restart that process; it should have read the new one by itself"),
    Check("old_tls", _old_tls, "TLS before 1.2 can be broken; nothing of the platform offers it.",
          "look who listens there, and what stands in front of it"),
    Check("clock_apart", _clocks, "One-time codes, tokens and certificates are refused or live too long.",
          "set the clocks by NTP"),
    Check("connections_taken", _of_database(_connections), "The next service that connects may be refused.",
          "look at pg_stat_activity who holds them; raise max_connections"),
    Check("disk_filling", _disks, "A full disk stops every write, backups included.",
          "free or add space; `flockctl audit retention`, `flockctl backend retention`"),
    Check("migrations", _of_database(_schemas), "Services and schemas of different releases do not fit each other.",
          "start the release that the database was brought up to; never change a migration that ran"),
    Check("postgres_version", _of_database(_server_version), "Fixes of the installed release are not in use.",
          "restart the platform"),
    Check("database_without_tls", _of_database(_server_tls), "Passwords and rows cross the network in clear.",
          "set ssl = on, and hostnossl ... reject in pg_hba.conf"),
    Check("superuser", _of_database(_superusers), "It reads and changes everything, and no check stands in its way.",
          "ALTER ROLE ... NOSUPERUSER, and find out who made it"),
    Check("transaction_open", _of_database(_transactions), "Dead rows pile up until the database stands still.",
          "end the session in pg_stat_activity; let autovacuum finish"),
    Check("wal_kept", _of_database(_held_wal), "It fills the disk until a backup takes it; thrown away, it is a hole.",
          "run `flockctl backup wal --or-create`; see why the timer does not"),
    Check("outbox_stuck", _of_database(_outboxes), "Another service does not learn of changes: rights, names, endings.",
          "look at the log of the service that owns the table, and of the one it tells"),
    Check("intent_open", _of_database(_intents), "A change may be half done.",
          "look at the entry (`flockctl audit list --outcome intended`) and at what it was about"),
    Check("legacy_mode", _of_database(_legacy), "A serial number is in every row; it is no secret.",
          "update the apps' SDK, then `flockctl project legacy-mode PROJECT strict`"),
    Check("public_tunnels", _of_database(_public_tunnels), "Whoever finds the address reaches the device.",
          "`flockctl tunnel list`; `flockctl tunnel unpublish`"),
    Check("restored_without_ledger", _of_database(_restored), "They may be people and keys that were taken out since.",
          "ask them (`flockctl lock list`), then `flockctl lock confirm`"),
    Check("rows_kept", _of_database(_kept_rows), "Where clocks differed, the newest may have come back there alone.",
          "compare the newest rows of both servers before then: services/realms/README.md, 'Moving'"),
    Check("keys_lost", _of_database(_misfits), "What was sealed by it is lost for good, unless the file comes back.",
          "do not restart auth, devices, fleetdb or tunnels before it is back: they still have the key in memory"),
    Check("rotation_cut_off", _old_keys, "Who has a copy of the old key opens what it opened, backups included.",
          "repeat it (`python -m deploy.local rotate master-keys`, or `person-keys`); the next start ends it too"),
    Check("cluster_away", _of_database(_clusters), "Apps of its projects may be cut off; it is in no backup meanwhile.",
          "look at that server, and at clusters/; dead for good: `flockctl placement cluster forget`"),
    Check("file_open_to_others", _modes, "Every user of this machine can read or change it.",
          "chmod 600 (folders 700); then rotate the secret"),
    Check("weak_secret", _secrets, "Who guesses it is that service.",
          "remove the file while the platform is stopped: a new one is made at the next start"),
    Check("old_secret", _old_secrets, "The longer one is in use, the more copies of it there may be.",
          "`python -m deploy.local rotate KIND`, or `all`"),
    Check("open_sign_up", _sign_up, "Strangers get accounts; they see public apps and can fill the database.",
          "set IRONFLOCK_AUTH_SIGN_UP=invitation, if that is not meant"),
    Check("loose_limit", _limits, "Passwords and keys can be guessed by trying.",
          "leave IRONFLOCK_GATEWAY_FAILURES_PER_MINUTE as it is by default"),
    Check("any_address", _address_check, "A stolen tunnel secret works from elsewhere.",
          "unset it; `flockctl project require-same-address PROJECT --off` for the projects that need it"),
    Check("audit_log", _log, "Entries are missing, or were taken out.",
          "`flockctl audit verify`; read services/audit/README.md before anything is restarted"),
    Check("no_witness", _witnesses, "Who has the log's keys could rewrite it, and nobody would notice.",
          "run `flockctl audit witness` on somebody else's machine; name it in IRONFLOCK_AUDIT_WITNESSES_FILE"),
    Check("backup_missing", _backups, "What is lost with this machine is lost for good.",
          "`flockctl backup create`, each night: deploy/operator/"),
    Check("drill_missing", _drills, "A backup that was never restored may be none.",
          "`flockctl backup drill`"),
)  # fmt: skip
"""In the order in which one would look: what is down first, what is careless last."""
