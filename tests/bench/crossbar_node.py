"""A Crossbar node as a process of ours: it ends with us, however we end."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final

from deploy.local.processes import LEASH
from deploy.local.state import REPOSITORY
from tests.bench.processes import only_child


class CrossbarNode:
    """One node: a controller and its one router worker."""

    def __init__(self, folder: Path, config: Path, environment: dict[str, str]) -> None:
        """Start it with its files in `folder`; `log` has what it printed."""
        home = folder / "crossbar"
        home.mkdir(parents=True)
        self.log: Final = folder / "router.log"
        crossbar = Path(sys.executable).with_name("crossbar")
        leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(int(signal.SIGKILL)), "-1", "-1", "-1"]
        command = [
            *leash,
            sys.executable,
            str(crossbar),
            "edge",
            "start",
            "--cbdir",
            str(home),
            "--config",
            str(config),
        ]
        command += ["--loglevel", "warn", "--logformat", "standard", "--color", "false"]
        own = {name: value for name, value in os.environ.items() if not name.startswith("IRONFLOCK_")}
        paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "router-config")])
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                cwd=REPOSITORY,
                env={**own, "PYTHONPATH": paths, "HOME": str(home), **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def worker(self) -> int:
        """The process that holds the listeners."""
        return only_child(self._process.pid)

    def has_ended(self) -> bool:
        """Whether it is gone."""
        return self._process.poll() is not None

    def stop(self) -> None:
        """End both processes: the leash made them a group."""
        if not self.has_ended():
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
