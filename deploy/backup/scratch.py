"""A server over a restored cluster, for us alone: no port, one socket in a folder that nobody else may enter."""

import contextlib
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import psycopg
from attrs import evolve, frozen

from deploy.backup.errors import BackupError
from deploy.backup.materialising import WAL_FOLDER
from deploy.backup.tools import program_environment, said
from deploy.local.bootstrap import SUPERUSER
from deploy.local.files import PRIVATE_FILE, READABLE_FILE, Account, ensure_folder, write_atomically
from deploy.local.postgres import quoted
from deploy.local.processes import Process

RECOVERY_S: Final = 6 * 3_600.0
STOP_S: Final = 120.0
LOOK_S: Final = 0.1
SOCKET: Final = "socket"
LOG: Final = "log"
NEVER_REACHED: Final = b"recovery ended before configured recovery target was reached"
"""Source: PostgreSQL, src/backend/access/transam/xlogrecovery.c; as of the next."""
REPLAYED: Final = re.compile(rb"redo done at ([0-9A-F]+)/([0-9A-F]+)")
"""Where the last record begins that was replayed."""
# As large as the primary's, or recovery refuses; everything that reaches out is off.
_FIXED: Final = {
    "listen_addresses": "",
    "max_connections": "200",
    "max_locks_per_transaction": "256",
    "max_worker_processes": "4",
    "shared_buffers": "64MB",
    "ssl": "off",
    "hot_standby": "off",
    "archive_mode": "off",
    "autovacuum": "off",
    "jit": "off",
    "log_timezone": "GMT",
    "timezone": "GMT",
    "lc_messages": "C",
    "log_min_messages": "log",
    "log_error_verbosity": "terse",
    "log_min_error_statement": "panic",
    "recovery_target_timeline": "current",
    "recovery_target_action": "promote",
}


@frozen
class Scratch:
    """A cluster in `folder`/data, the log beside it, who runs it, and the moment it is brought to (None: the end).

    An end of the log before the octet `through` of it is not the one that is meant.
    """

    folder: Path
    program: Path
    account: Account | None
    point: str | None
    through: int = 0


@contextlib.contextmanager
def recovered(scratch: Scratch) -> Iterator["Server"]:
    """A server that has replayed the log; it is ended, in order, with the block.

    Raises:
        BackupError: It does not come up, the text has the end of what it said; or the log ended before the moment.
    """
    process = _begun(scratch)
    try:
        if not _is_up(process, scratch):
            # Nothing was written between the moment and the end of the log: the end is the moment.
            if scratch.point is None or NEVER_REACHED not in (scratch.folder / LOG).read_bytes():
                raise _failed(scratch)
            scratch = evolve(scratch, point=None)
            process = _begun(scratch)
            if not _is_up(process, scratch):
                raise _failed(scratch)
        if scratch.point is None:
            _refuse_early_end(scratch)
        yield Server(scratch.folder / SOCKET)
    finally:
        _stop(process)


def _refuse_early_end(scratch: Scratch) -> None:
    """Let pass a log that was replayed to its end, not to a piece that does not go on from the one before."""
    found = REPLAYED.search((scratch.folder / LOG).read_bytes())
    end = 0 if found is None else int(found[1], 16) << 32 | int(found[2], 16)
    if end < scratch.through:
        raise BackupError(
            "the log of the backups breaks off before that moment: what was written then is not in them; choose an"
            " earlier one"
        )


def _begun(scratch: Scratch) -> "subprocess.Popen[bytes]":
    data = scratch.folder / "data"
    _configure(scratch)
    write_atomically(data / "recovery.signal", b"", owner=scratch.account)
    with (scratch.folder / LOG).open("wb") as log:
        return subprocess.Popen(  # noqa: S603 - our own program, no shell
            _process(scratch, data).leashed(os.getpid()),
            env=program_environment(scratch.program), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
        )  # fmt: skip


@frozen
class Server:
    """Where it is reached."""

    socket: Path

    def connect(self, database: str) -> psycopg.Connection[Any]:
        """The superuser, in `database`; each statement commits."""
        return psycopg.connect(host=str(self.socket), user=SUPERUSER, dbname=database, autocommit=True)


def _configure(scratch: Scratch) -> None:
    socket = scratch.folder / SOCKET
    ensure_folder(socket, owner=scratch.account)
    mode = PRIVATE_FILE if scratch.account is None else READABLE_FILE
    rules = scratch.folder / "pg_hba.conf"
    write_atomically(rules, f"local all {SUPERUSER} trust\n".encode(), mode=mode)
    values = {
        **_FIXED,
        "unix_socket_directories": str(socket),
        "hba_file": str(rules),
        "restore_command": f'cp "{scratch.folder / WAL_FOLDER}/%f" "%p"',
    }
    if scratch.point is not None:
        values["recovery_target_time"] = scratch.point
    text = "".join(f"{name} = {quoted(value)}\n" for name, value in values.items())
    write_atomically(scratch.folder / "postgresql.conf", text.encode(), mode=mode)


def _process(scratch: Scratch, data: Path) -> Process:
    configured = f"config_file={scratch.folder / 'postgresql.conf'}"
    command = (str(scratch.program / "bin" / "postgres"), "-D", str(data), "-c", configured)
    environment = program_environment(scratch.program)
    return Process("scratch", command, environment, scratch.folder, scratch.account, orphan_signal=signal.SIGQUIT)


def _is_up(process: "subprocess.Popen[bytes]", scratch: Scratch) -> bool:
    """Whether it has come up: it has ended, or it was too slow, otherwise."""
    server, end, pause = Server(scratch.folder / SOCKET), time.monotonic() + RECOVERY_S, threading.Event()
    while time.monotonic() < end:
        try:
            server.connect("postgres").close()
        except psycopg.OperationalError:
            if process.poll() is not None:
                return False
            pause.wait(LOOK_S)
        else:
            return True
    return False


def _failed(scratch: Scratch) -> BackupError:
    return BackupError(f"the restored cluster does not start: {said((scratch.folder / LOG).read_bytes())}")


def _stop(process: "subprocess.Popen[bytes]") -> None:
    process.send_signal(signal.SIGINT)
    try:
        process.wait(STOP_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
