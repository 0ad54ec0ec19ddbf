"""A platform to be tested: its folder, its ports, its commands."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psycopg
from attrs import frozen

from deploy.local.health import unready
from deploy.local.records import PlatformRecord, read_record
from deploy.local.settings import Ports
from deploy.local.state import StateFolder

REPOSITORY = Path(__file__).resolve().parents[3]
STUBS = Path(__file__).with_name("stub_platform.py")
DATABASE = ("-m", "deploy.local", "database")
TWO_CELLS = {"IRONFLOCK_LOCAL_CELLS": "2"}
PATIENCE_S = 40.0
POLL_S = 0.05


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until `condition` holds."""
    pause = threading.Event()
    for _ in range(int(PATIENCE_S / POLL_S)):
        if condition():
            return
        pause.wait(POLL_S)
    raise AssertionError("it did not come true in time")


@frozen
class Site:
    """A state folder and the ports of the platform on it."""

    state: StateFolder
    base: int

    def environment(self, **more: str) -> dict[str, str]:
        """What the launcher is told."""
        own = {"IRONFLOCK_LOCAL_STATE": str(self.state.root), "IRONFLOCK_LOCAL_PORT_BASE": str(self.base)}
        return {"PATH": os.environ["PATH"], "PYTHONPATH": str(REPOSITORY), **own, **more}

    def start(self, *command: str, **more: str) -> subprocess.Popen[str]:
        """Start a launcher; its lines can be read."""
        return subprocess.Popen(
            [sys.executable, *command], cwd=REPOSITORY, env=self.environment(**more), text=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip

    def run(self, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the launcher to its end."""
        command = [sys.executable, "-m", "deploy.local", *arguments]
        environment = self.environment(**more)
        return subprocess.run(
            command, cwd=REPOSITORY, env=environment, text=True, capture_output=True, timeout=60, check=False
        )

    def record(self) -> PlatformRecord:
        """What the launcher says it runs."""
        return read_record(self.state.processes)

    def pid(self, name: str) -> int | None:
        """The process number of `name`."""
        return next((each.pid for each in self.record().processes if each.name == name), None)

    def runs(self, launcher: subprocess.Popen[str]) -> bool:
        """Whether everything was healthy since `launcher` started."""
        assert launcher.poll() is None, launcher.communicate()[0]
        return self.record().state == "running" and self.record().launcher == launcher.pid

    def unready(self) -> dict[str, str]:
        """The parts that are not ready, as `status` finds them, without a process that is started to find them."""
        return unready(Ports(self.base), self.state)

    def connect(self, login: str, **changes: Any) -> psycopg.Connection[Any]:
        """A connection of `login` as a service makes it, with `changes`."""
        password = (self.state.database_secrets / login).read_text()
        arguments: dict[str, Any] = {
            "host": "localhost", "port": self.base + 6, "dbname": "ironflock", "user": login, "password": password,
            "sslmode": "verify-full", "sslrootcert": str(self.state.ca_certificate), "connect_timeout": 5,
        }  # fmt: skip
        return psycopg.connect(**{**arguments, **changes}, autocommit=True)


def end(launcher: subprocess.Popen[str]) -> str:
    """Stop a launcher in order and return what it said."""
    launcher.send_signal(signal.SIGTERM)
    return launcher.communicate(timeout=60)[0]


def endpoints(site: Site) -> dict[str, Any]:
    """The content of `endpoints.json`."""
    content: dict[str, Any] = json.loads(site.state.endpoints.read_bytes())
    return content
