"""A second process of a service beside a running platform, as another replica of it."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from deploy.local.readiness import ask
from deploy.local.state import REPOSITORY
from tests.harness.ports import free_ports
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

START_S: Final = 90.0
STOP_S: Final = 30.0


class Second:
    """Another process of `name`, ready when its `with` block begins and killed at its end unless it has ended."""

    def __init__(self, platform: RunningPlatform, name: str) -> None:
        """With the settings of the one that runs, but for the ports of its health and of its public listener."""
        self._platform = platform
        self._name = name
        told = Path(f"/proc/{platform.pid(name)}/environ").read_bytes().split(b"\0")
        environment = dict(os.fsdecode(each).split("=", 1) for each in told if each)
        ops, public = f"IRONFLOCK_{name.upper()}_OPS_PORT", f"IRONFLOCK_{name.upper()}_PORT"
        self._port, self.public_port = free_ports(2)
        own = {ops: str(self._port)} | ({public: str(self.public_port)} if public in environment else {})
        self._environment = environment | own

    def __enter__(self) -> Self:
        """Start it."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", f"services.{self._name}"],
            cwd=REPOSITORY,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            wait_until(self.is_ready, START_S, f"the second {self._name} is ready")
        except BaseException:
            self.kill()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it whatever it does."""
        self.kill()

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._process.kill()
        self._process.wait(STOP_S)

    def is_ready(self) -> bool:
        """Whether it says so."""
        return ask(self._port, self._platform.state.ca_certificate).ready

    def end(self) -> int:
        """Tell it to end in order, wait until it has, and return its exit status."""
        self._process.send_signal(signal.SIGTERM)
        return self._process.wait(STOP_S)
