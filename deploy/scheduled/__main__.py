"""`python -m deploy.scheduled TASK`: what `deploy/kubernetes/components/backups` runs; settings are in its README part.

nightly  what changed since the backup before, all of it on Sundays (UTC); then what only older moments need is deleted
log      the write-ahead log since, with the ledger and the log's head; a whole backup where that goes on from none
drill    the newest backup is restored beside everything, looked through, and thrown away
doctor   `flockctl doctor` from within: problems are a failure, warnings are told and are none
"""

import datetime as dt
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import IO, Final

from deploy.backup.ending import ended_in_order
from deploy.backup.errors import BackupError
from deploy.flockctl.doctor.records import Severity
from deploy.local.archive import wheel_program
from deploy.local.errors import PlatformError
from deploy.local.state import SETTING
from deploy.scheduled.installed import ABSENT, Installed, lay_out, read_installed
from shared.errors import PublicError
from shared.settings import SettingsError

SUNDAY: Final = 7
EXIT_USAGE: Final = 2
DOCTOR: Final = "doctor"
Calls = list[list[str]]


def nightly(installed: Installed, today: dt.date) -> Calls:
    """A backup, and old ones gone."""
    full = ["--full"] if today.isoweekday() == SUNDAY else []
    return [
        ["backup", "create", *_where(installed), *full],
        ["backup", "prune", "--from", str(installed.to), "--keep", installed.keep, "--yes"],
    ]


def log(installed: Installed, _today: dt.date) -> Calls:
    """The log since."""
    return [["backup", "wal", *_where(installed), "--or-create"]]


def drill(installed: Installed, _today: dt.date) -> Calls:
    """A restore that nobody sees.

    Raises:
        SettingsError: There is no identity to open a backup with.
    """
    if installed.identity == ABSENT:
        raise SettingsError("IRONFLOCK_BACKUP_IDENTITY_FILE is missing: a drill opens a backup")
    return [["backup", "drill", "--from", str(installed.to), "--identity-file", str(installed.identity)]]


TASKS: Final[dict[str, Callable[[Installed, dt.date], Calls]]] = {"nightly": nightly, "log": log, "drill": drill}


def main(words: Sequence[str]) -> int:
    """Do the task and return the exit status: that of the first command which did not end well."""
    if len(words) != 1 or words[0] not in (*TASKS, DOCTOR):
        sys.stderr.write(f"usage: python -m deploy.scheduled {{{','.join((*TASKS, DOCTOR))}}}\n")
        return EXIT_USAGE
    with ended_in_order():  # a pod's first process, which no signal ends that it does not handle
        return _look() if words[0] == DOCTOR else _do(TASKS[words[0]])


def _look() -> int:
    with tempfile.TemporaryFile() as said:
        status = _flockctl([DOCTOR], os.environ, said)
        said.seek(0)
        findings = said.read()
    sys.stdout.write(findings.decode())
    # A doctor that failed ends as one with warnings does; it has written nothing.
    return 0 if status == Severity.WARNING and findings else status


def _do(task: Callable[[Installed, dt.date], Calls]) -> int:
    now = time.time()
    try:
        installed = read_installed(os.environ)
        calls = task(installed, dt.datetime.fromtimestamp(now, dt.UTC).date())
        lay_out(installed, wheel_program(), now)
    except (SettingsError, BackupError, PlatformError, PublicError, OSError) as error:
        sys.stderr.write(f"scheduled: {error}\n")
        return 1
    environment = {**os.environ, SETTING: str(installed.state.root)}
    return next((status for call in calls if (status := _flockctl(call, environment))), 0)


def _flockctl(call: Sequence[str], environment: Mapping[str, str], out: IO[bytes] | None = None) -> int:
    command = [sys.executable, "-m", "deploy.flockctl", *call, "--json"]
    with subprocess.Popen(command, env=environment, stdout=out) as child:  # noqa: S603 - ours, no shell
        try:
            return child.wait()
        except SystemExit:  # told to end: so is the command, which puts away what it made
            child.terminate()
            child.wait()
            raise


def _where(installed: Installed) -> list[str]:
    recipients = [word for each in installed.recipients for word in ("--recipient", each)]
    return ["--to", str(installed.to), *recipients, *(["--partial"] if installed.is_partial else [])]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
