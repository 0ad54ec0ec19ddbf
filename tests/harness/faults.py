"""Faults that a running platform bears: each is there while its block runs, and is taken away again at its end.

A block yields what the doctor must name in its sentence. What is in `BORNE` costs the platform a restart of one process
and nobody anything; `COSTLY` is for a platform that a test has for itself.
"""

import datetime as dt
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from pathlib import Path
from threading import Thread
from typing import Any, Final

import psycopg
from cryptography.hazmat.primitives.asymmetric import ec
from psycopg import sql

from deploy.backup.reviving import RESTORED
from deploy.backup.wal import SLOT, is_kept
from deploy.flockctl.doctor.checks import BUSY, HELD_WAL_OCTETS
from deploy.local.authority import Order, ensure_authority, hosts_of, issue, load_authority, pem_of_key
from tests.harness.accounts import add_stranger
from tests.harness.clients import Account
from tests.harness.recorded import wait_until_integrated
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

Plant = Callable[[RunningPlatform], AbstractContextManager[str]]
Statement = str | sql.Composed
STOPPED: Final = "audit"
"""The process that is down while the faults of `BORNE` are there: nobody waits for it, what it is for queues up."""
BACK_S: Final = 60.0
LOST_S: Final = 60.0
AHEAD: Final = dt.timedelta(hours=2)
WEEK_S: Final = 7 * 86_400
SPARE: Final = 10
"""So many connections may be closed by whom they are until somebody looks."""
NO_TLS: Final = b"220 who comes here by TLS has come to somebody else\r\n"
_INTENT: Final = (
    'SELECT audit.record(\'device.deleted\', \'existence\', \'{"kind": "service", "key": "x", "credential": null,'
    ' "on_behalf_of": null}\', \'{"kind": "test", "key": "planted"}\', NULL, NULL, NULL, NULL,'
    ' \'{"session": null, "address": null, "request": null}\', %s)'
)
_CONNECTIONS: Final = (
    "SELECT current_setting('max_connections')::int, count(*)::int FROM pg_stat_activity"
    " WHERE backend_type = 'client backend'"
)
_SWITCH: Final = "SELECT pg_logical_emit_message(false, 'planted', ''), pg_switch_wal()"
_SEGMENT: Final = "SELECT setting::int FROM pg_settings WHERE name = 'wal_segment_size'"


@contextmanager
def kept(*files: Path) -> Iterator[None]:
    """What the block does to these files is undone."""
    before = {file: (file.read_bytes(), file.stat().st_mode) if file.exists() else None for file in files}
    try:
        yield
    finally:
        for file, was in before.items():
            if was is None:
                file.unlink(missing_ok=True)
                continue
            file.write_bytes(was[0])
            file.chmod(was[1])


@contextmanager
def open_file(platform: RunningPlatform) -> Iterator[str]:
    """Everybody may read a secret."""
    secret = platform.state.bus_secrets / "svc_gateway"
    with kept(secret):
        secret.chmod(0o644)
        yield "svc_gateway"


@contextmanager
def weak_secret(platform: RunningPlatform) -> Iterator[str]:
    """One that can be guessed."""
    weak = platform.state.bus_secrets / "svc_planted"
    with kept(weak):
        weak.touch(0o600)
        weak.write_text("secret")
        yield "svc_planted"


@contextmanager
def lost_keys(platform: RunningPlatform) -> Iterator[str]:
    """The file of master keys is another one than the data were made with."""
    with kept(platform.state.master_keys):
        platform.state.master_keys.write_text(json.dumps({"active": "planted", "keys": {"planted": ""}}))
        yield str(platform.state.master_keys)


@contextmanager
def old_backup(platform: RunningPlatform) -> Iterator[str]:
    """The newest backup is of last week."""
    made_at = _moment().timestamp() - WEEK_S
    with remembered(platform, made_at=made_at, restorable_until=made_at):
        yield "168 hours old"


@contextmanager
def failed_drill(platform: RunningPlatform) -> Iterator[str]:
    """The last restore for a trial did not come to its end."""
    with remembered(platform, drilled_at=_moment().timestamp(), drill_failure="planted"):
        yield "planted"


@contextmanager
def remembered(platform: RunningPlatform, **changes: object) -> Iterator[None]:
    """The installation remembers that of its backups."""
    file = platform.state.root / "backup.json"
    with kept(file):
        before = json.loads(file.read_bytes()) if file.exists() else {}
        file.write_text(json.dumps({**before, **changes}))
        yield


@contextmanager
def superuser(platform: RunningPlatform) -> Iterator[str]:
    """Another login of the database may do everything."""
    with changed(platform, "CREATE ROLE planted SUPERUSER LOGIN", "DROP ROLE planted"):
        yield "planted"


@contextmanager
def unknown_migration(platform: RunningPlatform) -> Iterator[str]:
    """The database was brought up to another release."""
    make = "INSERT INTO tunnels.migration (number, name, digest) VALUES (9000, '9000_planted', 'x')"
    with changed(platform, make, "DELETE FROM tunnels.migration WHERE number = 9000"):
        yield "schema tunnels"


@contextmanager
def stuck_outbox(platform: RunningPlatform) -> Iterator[str]:
    """A message to a person has waited for an hour."""
    make = (
        "INSERT INTO auth.message (message_id, sealed, created_at, next_attempt_at)"
        " VALUES (gen_random_uuid(), '\\x00', now() - interval '1 hour', now() + interval '1 day')"
    )
    with changed(platform, make, "DELETE FROM auth.message WHERE sealed = '\\x00'"):
        yield "auth.message"


@contextmanager
def unknown_cluster(platform: RunningPlatform) -> Iterator[str]:
    """Placement knows a database server that nothing here does."""
    make = "INSERT INTO realms.cluster (name, region, state, capacity) VALUES ('planted', 'planted', 'closed', 0)"
    with changed(platform, make, "DELETE FROM realms.cluster WHERE name = 'planted'"):
        yield "database server planted"


@contextmanager
def unconfirmed_restore(platform: RunningPlatform) -> Iterator[str]:
    """Somebody is locked since a restore without a ledger."""
    who = str(add_stranger(platform).account_key)
    make = (
        "INSERT INTO privileges.lock (kind, key, reason, is_operators, created_by, created_at)"
        " VALUES ('person', {}, {}, true, 0, now())"
    )
    undo = sql.SQL("DELETE FROM privileges.lock WHERE kind = 'person' AND key = {}").format(who)
    with changed(platform, sql.SQL(make).format(who, RESTORED), undo):
        yield "locked since a restore"


@contextmanager
def legacy_project(platform: RunningPlatform) -> Iterator[str]:
    """Containers of a project come in by a serial number."""
    owner = Account(platform, platform.owner_key)
    project = owner.project()
    make = "UPDATE realms.project SET legacy_mode = 'own_realm_only', legacy_until = now() + interval '1 day'"
    where = sql.SQL(" WHERE project_key = {}").format(project)
    undo = sql.SQL("UPDATE realms.project SET legacy_mode = 'strict'") + where
    with changed(platform, sql.SQL(make) + where, undo):
        yield str(owner.call("ironflock.realms.project.show", project=project)["name"])


@contextmanager
def public_tunnel(platform: RunningPlatform) -> Iterator[str]:
    """Anybody may come to what a device offers."""
    owner = Account(platform, platform.owner_key)
    device = owner.device()["device_key"]
    made = owner.call("ironflock.tunnels.tunnel.declare", device=device, app="planted", port=80)
    owner.call("ironflock.tunnels.tunnel.publish", tunnel=made["tunnel_key"])
    try:
        yield "tunnels are open to anybody"
    finally:
        owner.call("ironflock.tunnels.tunnel.withdraw", tunnel=made["tunnel_key"])


@contextmanager
def open_intent(platform: RunningPlatform) -> Iterator[str]:
    """A change was begun and never ended, as the log says; that it is old the clock of `fast_clock` says."""
    with platform.database("svc_devices") as devices:
        devices.execute(_INTENT, ["intended"])
        wait_until_integrated(platform)
        try:
            yield "intended changes"
        finally:
            devices.execute(_INTENT, ["failed"])


@contextmanager
def idle_transaction(platform: RunningPlatform) -> Iterator[str]:
    """Somebody has left a transaction open; that it is old the clock of `fast_clock` says."""
    with platform.database() as connection, connection.transaction():
        connection.execute("SELECT FROM realms.project")
        yield "transaction has been open for 120 minutes"


@contextmanager
def fast_clock(platform: RunningPlatform) -> Iterator[str]:
    """The database tells the superuser, who is asked by the doctor alone, a time that is two hours ahead."""
    make = sql.SQL(
        "CREATE SCHEMA planted;"
        "CREATE FUNCTION planted.now() RETURNS timestamptz RETURN pg_catalog.now() + {ahead};"
        "CREATE FUNCTION planted.clock_timestamp() RETURNS timestamptz RETURN pg_catalog.clock_timestamp() + {ahead};"
        "ALTER ROLE postgres IN DATABASE ironflock SET search_path = planted, pg_catalog"
    ).format(ahead=AHEAD)
    undo = "ALTER ROLE postgres IN DATABASE ironflock RESET search_path; DROP SCHEMA planted CASCADE"
    with changed(platform, make, undo):
        yield "the clock of the database is 7200 s ahead"


@contextmanager
def stopped_process(platform: RunningPlatform) -> Iterator[str]:
    """A process has died, and the launcher does not get to starting it again."""
    wait_until_integrated(platform)
    with launcher_held(platform):
        dead = platform.kill(STOPPED)
        yield f"{STOPPED} is not ready"
    wait_until(lambda: platform.is_back(STOPPED, dead), BACK_S, f"{STOPPED} is back")


@contextmanager
def plain_listener(platform: RunningPlatform) -> Iterator[str]:
    """Somebody who has no TLS answers where the stopped process would."""
    free = wait_until(lambda: _listening(platform.ports.audit), BACK_S, "the port of who was killed is free")
    assert free is not None
    with free as listener:

        def answer() -> None:
            with suppress(OSError):  # it is closed
                while True:
                    with listener.accept()[0] as plain:
                        plain.sendall(NO_TLS)

        answering = Thread(target=answer, daemon=True)
        answering.start()
        try:
            yield f"{STOPPED} (port {platform.ports.audit}): no TLS"
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            answering.join(10)


@contextmanager
def ended_certificate(platform: RunningPlatform) -> Iterator[str]:
    """The certificate of the stopped process has ended, beside its key."""
    with reissued(platform, STOPPED, dt.timedelta(days=-3)):
        yield f"the certificate {STOPPED} has ended"


@contextmanager
def log_set_back(platform: RunningPlatform) -> Iterator[str]:
    """A head of more entries was signed than the log has."""
    head = platform.state.audit_head
    with kept(head):
        origin, size, rest = head.read_text(encoding="utf-8").split("\n", 2)
        head.write_text(f"{origin}\n{int(size) + 1}\n{rest}", encoding="utf-8")
        yield f"one of {int(size) + 1} was signed"


@contextmanager
def other_key(platform: RunningPlatform) -> Iterator[str]:
    """The key beside a certificate is another one's."""
    key = platform.state.tls / "realms.key"
    with launcher_held(platform), kept(key):
        key.write_bytes(pem_of_key(ec.generate_private_key(ec.SECP256R1())))
        yield "beside realms"


@contextmanager
def other_authority(platform: RunningPlatform) -> Iterator[str]:
    """A certificate is signed by somebody whom clients do not trust."""
    folder = platform.folder / "other-authority"
    folder.mkdir()
    ensure_authority(folder, _moment())
    with launcher_held(platform), reissued(platform, "privileges", dt.timedelta(0), folder):
        yield "certificate privileges is not signed"


@contextmanager
def taken_connections(platform: RunningPlatform) -> Iterator[str]:
    """Somebody has opened so many connections that few are left."""
    with ExitStack() as opened, platform.database() as connection:
        ((most, taken),) = connection.execute(_CONNECTIONS).fetchall()
        for _ in range(int(most * BUSY) + SPARE - taken):
            opened.enter_context(platform.database())
        yield f"of {most} connections"


@contextmanager
def kept_log(platform: RunningPlatform) -> Iterator[str]:
    """A slot keeps more of the write-ahead log than any backup should leave behind: four gibibytes are written."""
    with platform.database() as connection:
        connection.execute("SELECT pg_create_physical_replication_slot(%s, true)", [SLOT])
        try:
            ((segment,),) = connection.execute(_SEGMENT).fetchall()
            for _ in range(HELD_WAL_OCTETS // segment + 1):
                connection.execute(_SWITCH)
            yield "MiB of write-ahead log are kept"
        finally:
            connection.execute("SELECT pg_drop_replication_slot(%s)", [SLOT])


@contextmanager
def lost_log(platform: RunningPlatform) -> Iterator[str]:
    """A slot kept the log for a backup until it was too much, and the server has thrown it away."""
    settings = platform.state.postgres / "postgresql.conf"
    with kept(settings), platform.database() as connection:
        settings.write_text(f"{settings.read_text()}\nmax_slot_wal_keep_size = '1MB'\n")
        connection.execute("SELECT pg_reload_conf()")
        connection.execute("SELECT pg_create_physical_replication_slot(%s, true)", [SLOT])
        try:
            wait_until(lambda: _is_lost(connection), LOST_S, "the slot's log is lost")
            yield "was thrown away"
        finally:
            connection.execute("SELECT pg_drop_replication_slot(%s)", [SLOT])


def _is_lost(connection: psycopg.Connection[Any]) -> bool:
    connection.execute(_SWITCH)
    connection.execute("CHECKPOINT")
    return not is_kept(connection)


@contextmanager
def launcher_held(platform: RunningPlatform) -> Iterator[None]:
    """The launcher neither starts what has died nor renews what is wrong, until the block ends."""
    launcher = platform.record.launcher
    assert launcher is not None
    os.kill(launcher, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(launcher, signal.SIGCONT)


@contextmanager
def reissued(platform: RunningPlatform, name: str, age: dt.timedelta, authority: Path | None = None) -> Iterator[None]:
    """A listener's certificate is of so long ago, signed by the platform's authority or the one in that folder."""
    stem = platform.state.tls / name
    order = Order(stem.with_suffix(".pem"), stem.with_suffix(".key"), hosts_of("localhost"), dt.timedelta(days=2))
    with kept(order.certificate, order.key):
        issue(load_authority(authority or platform.state.ca), order, _moment() + age)
        yield


@contextmanager
def changed(platform: RunningPlatform, make: Statement, undo: Statement) -> Iterator[None]:
    """Statements of the superuser, and others that undo them."""
    with platform.database() as connection:
        connection.execute(make)
        try:
            yield
        finally:
            connection.execute(undo)


def _listening(port: int) -> socket.socket | None:
    try:
        return socket.create_server(("127.0.0.1", port))
    except OSError:
        return None


def _moment() -> dt.datetime:
    return dt.datetime.now(dt.UTC)  # noqa: TID251 - certificates and backups are dated


BORNE: Final[Mapping[str, Plant]] = {
    "public_tunnels": public_tunnel,
    "legacy_mode": legacy_project,
    "restored_without_ledger": unconfirmed_restore,
    "intent_open": open_intent,
    "outbox_stuck": stuck_outbox,
    "migrations": unknown_migration,
    "superuser": superuser,
    "cluster_away": unknown_cluster,
    "transaction_open": idle_transaction,
    "file_open_to_others": open_file,
    "weak_secret": weak_secret,
    "keys_lost": lost_keys,
    "backup_missing": old_backup,
    "drill_missing": failed_drill,
    "part_not_ready": stopped_process,
    "listener_silent": plain_listener,
    "certificate_ends": ended_certificate,
    "audit_log": log_set_back,
    "clock_apart": fast_clock,
}
"""By the code under which each is found, in the order in which they can be planted at once."""
COSTLY: Final[Mapping[str, Plant]] = {
    "wal_kept": kept_log,
    "connections_taken": taken_connections,
    "certificate_key_differs": other_key,
    "certificate_not_chained": other_authority,
}
"""As `BORNE`, of a platform that nobody else has."""
UNSAFE: Final[Mapping[str, tuple[str, str]]] = {
    "open_sign_up": ("IRONFLOCK_AUTH_SIGN_UP", "open"),
    "loose_limit": ("IRONFLOCK_GATEWAY_FAILURES_PER_MINUTE", "2000"),
    "any_address": ("IRONFLOCK_TUNNELS_SAME_ADDRESS", "no"),
}
"""By code: the setting with which a platform is started, which the sentence names or says the value of."""
