"""With which settings processes were started, as the kernel tells it."""

import os
import subprocess
import sys

from deploy.local.records import RUNNING, PlatformRecord, ProcessRecord
from deploy.local.told import settings_told


def test_what_a_process_was_told_is_seen_and_nothing_else_of_its_environment() -> None:
    environment = {**os.environ, "IRONFLOCK_AUTH_SIGN_UP": "open", "PASSWORD": "no"}
    words = [sys.executable, "-c", "import sys; print(flush=True); sys.stdin.read()"]
    with subprocess.Popen(words, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        records = (ProcessRecord("auth", process.pid, 1, 0.0, 0), ProcessRecord("gone", None, None, 0.0, 0))

        told = settings_told(PlatformRecord(RUNNING, 1, 8440, records))

        process.communicate()
    assert told["IRONFLOCK_AUTH_SIGN_UP"] == "open"
    assert all(name.startswith("IRONFLOCK_") for name in told)
