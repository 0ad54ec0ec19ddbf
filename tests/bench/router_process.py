"""A router as a process of ours, the platform's or Crossbar's own: it ends with us, however we end."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Final, Self

from deploy.local.processes import LEASH
from deploy.local.state import REPOSITORY
from tests.bench.processes import only_child


class RouterProcess:
    """One router."""

    def __init__(self, folder: Path, command: list[str], environment: dict[str, str]) -> None:
        """Start it; `log`, in `folder`, has what it printed."""
        self.log: Final = folder / "router.log"
        leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(int(signal.SIGKILL)), "-1", "-1", "-1"]
        own = {name: value for name, value in os.environ.items() if not name.startswith("IRONFLOCK_")}
        paths = os.pathsep.join([str(REPOSITORY), str(REPOSITORY / "router-config")])
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [*leash, sys.executable, *command],
                cwd=REPOSITORY,
                env={**own, "PYTHONPATH": paths, **environment},
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    @classmethod
    def ours(cls, folder: Path, environment: dict[str, str]) -> Self:
        """The platform's."""
        return cls(folder, ["-m", "ironflock_router"], environment)

    @classmethod
    def crossbars(cls, folder: Path, config: Path) -> Self:
        """Crossbar as it comes: a controller and its one router worker."""
        home = folder / "crossbar"
        home.mkdir()
        crossbar = str(Path(sys.executable).with_name("crossbar"))
        command = [crossbar, "edge", "start", "--cbdir", str(home), "--config", str(config)]
        command += ["--loglevel", "warn", "--logformat", "standard", "--color", "false"]
        return cls(folder, command, {"HOME": str(home)})

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    def worker(self) -> int:
        """Of Crossbar's: the process that holds the listeners."""
        return only_child(self._process.pid)

    def has_ended(self) -> bool:
        """Whether it is gone."""
        return self._process.poll() is not None

    def stop(self) -> None:
        """End it and what it started: the leash made them a group."""
        if not self.has_ended():
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
