"""The platform in the background: start it and wait for health, stop it and wait for the end, say how it is."""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from datetime import UTC, datetime
from typing import IO, Final

from deploy.local.errors import PlatformError
from deploy.local.files import tail
from deploy.local.health import are_all_ready, unready
from deploy.local.records import RUNNING, PlatformRecord, read_record
from deploy.local.settings import LocalSettings
from deploy.local.state import StateFolder, launcher_pid

UP_TIMEOUT_S: Final = 120.0
# Longer than all steps of an orderly stop together.
DOWN_TIMEOUT_S: Final = 90.0
POLL_S: Final = 0.1

Sleep = Callable[[float], None]


def up(settings: LocalSettings, sleep: Sleep) -> str:
    """Start the platform unless it runs, wait until all is ready, and return a sentence.

    Raises:
        PlatformError: It ended, or something is not ready in time; the text has the end of the log.
    """
    state = StateFolder(settings.state)
    with tempfile.TemporaryFile() as complaints:
        launcher = None if launcher_pid(state.lock) else _spawn(settings, complaints)
        for _ in range(int(UP_TIMEOUT_S / POLL_S)):
            if _is_up(state):
                return f"the platform runs; everything about it is in {state.endpoints}"
            if launcher is not None and launcher.poll() is not None:
                complaints.seek(0)
                said = complaints.read().decode(errors="replace").strip().removeprefix("ironflock: ")
                raise PlatformError(f"the launcher ended: {said or tail(state.log / 'launcher.log')}")
            sleep(POLL_S)
    raise PlatformError(_not_ready(state))


def _is_up(state: StateFolder) -> bool:
    record = read_record(state.processes)
    current = record.state == RUNNING and record.launcher == launcher_pid(state.lock)
    return current and are_all_ready(record.ports, state)


def down(settings: LocalSettings, sleep: Sleep) -> str:
    """Stop the platform if it runs, wait for its end, and return a sentence.

    Raises:
        PlatformError: It did not stop by itself and was killed.
    """
    lock = StateFolder(settings.state).lock
    pid = launcher_pid(lock)
    if pid is None:
        return "the platform does not run"
    os.kill(pid, signal.SIGTERM)
    for _ in range(int(DOWN_TIMEOUT_S / POLL_S)):
        if launcher_pid(lock) != pid:
            return "the platform is stopped"
        sleep(POLL_S)
    os.kill(pid, signal.SIGKILL)  # its processes end with it
    raise PlatformError(f"the launcher (process {pid}) did not stop within {DOWN_TIMEOUT_S:.0f} s and was killed")


def status(settings: LocalSettings) -> tuple[list[str], bool]:
    """A line for each process, and whether all is well."""
    state = StateFolder(settings.state)
    pid = launcher_pid(state.lock)
    if pid is None:
        return [f"the platform does not run (state folder {state.root})"], False
    record = read_record(state.processes)
    reasons = unready(record.ports, state)
    lines = [f"launcher  process {pid}, {record.state}", *_lines(record, reasons)]
    if record.renewal_problem:
        lines.append(f"certificates could not be renewed, tried again each minute: {record.renewal_problem}")
    is_whole = record.state == RUNNING and reasons.keys().isdisjoint(each.name for each in record.processes)
    return lines, is_whole and not record.renewal_problem


def _spawn(settings: LocalSettings, complaints: IO[bytes]) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "deploy.local", "run"]
    quiet = subprocess.DEVNULL
    return subprocess.Popen(  # noqa: S603 - ourselves
        command, cwd=settings.repository, stdin=quiet, stdout=quiet, stderr=complaints, start_new_session=True
    )


def _lines(record: PlatformRecord, reasons: dict[str, str]) -> list[str]:
    lines = []
    for process in record.processes:
        since = datetime.fromtimestamp(process.since, tz=UTC).astimezone().isoformat(timespec="seconds")
        health = f"not ready: {reasons[process.name]}" if process.name in reasons else "healthy"
        number = "waiting to start" if process.pid is None else f"process {process.pid}"
        again = f", restarts: {process.restarts}" if process.restarts else ""
        lines.append(f"{process.name:9} {number}, since {since}{again}, {health}")
    return lines


def _not_ready(state: StateFolder) -> str:
    reasons = unready(read_record(state.processes).ports, state)
    parts = [f"{name}: {reason}\n{tail(state.log / f'{name}.log')}" for name, reason in reasons.items()]
    advice = "it goes on trying: `make status` looks again, `make down` stops it"
    return "\n".join([f"not everything is ready after {UP_TIMEOUT_S:.0f} s; {advice}", *parts])
