"""flockctl as an operator runs it: to its end, or in the background with what it has said so far."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from attrs import frozen

from tests.harness.running import RunningPlatform

TIMEOUT_S = 60
FLOCKCTL = str(Path(sys.executable).with_name("flockctl"))


@frozen
class Outcome:
    """How a command ended, and what it wrote."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Standard output of a command that succeeded."""
        assert self.status == 0, self.err
        return json.loads(self.out)

    @property
    def error(self) -> dict[str, Any]:
        """The error of a command that was refused and wrote nothing else."""
        assert self.status != 0
        assert not self.out
        error: dict[str, Any] = json.loads(self.err)["error"]
        return error


class Flockctl:
    """Runs flockctl against one platform, from a working folder of its own."""

    def __init__(self, platform: RunningPlatform, folder: Path) -> None:
        """Run in `folder`."""
        self._environment = platform.environment
        self.folder = folder

    def run(self, *words: str, timeout_s: float = TIMEOUT_S) -> Outcome:
        """`flockctl <words> --json` to its end."""
        done = subprocess.run(
            [FLOCKCTL, *words, "--json"],
            cwd=self.folder,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
        return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())

    def json(self, *words: str) -> Any:
        """What a command that must succeed answers."""
        return self.run(*words).json

    @contextmanager
    def running(self, *words: str) -> Iterator["Background"]:
        """The command in the background while the block runs; killed at its end unless it has ended by then."""
        started = Background([FLOCKCTL, *words, "--json"], self.folder, self._environment)
        try:
            yield started
        finally:
            started.close()


class Background:
    """A command that goes on; `lines` has every object that it wrote so far."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str]) -> None:
        """Start `command`."""
        self.lines: list[dict[str, Any]] = []
        self._process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True
        )
        self._reading = Thread(target=self._read, daemon=True)
        self._reading.start()

    def states(self) -> dict[int, str]:
        """Of a simulation: the last state of each device, by device key."""
        return {line["device_key"]: line["event"] for line in list(self.lines) if "device_key" in line}

    def send(self, number: signal.Signals) -> None:
        """A signal to the command."""
        os.kill(self._process.pid, number)

    def interrupt(self, timeout_s: float = 20.0) -> int:
        """Ctrl-C; returns the exit status."""
        self.send(signal.SIGINT)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float) -> int:
        """The exit status of a command that ends by itself."""
        status = self._process.wait(timeout_s)
        self._reading.join(timeout_s)
        return status

    def close(self) -> None:
        """Kill it, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        self._reading.join()
        assert self._process.stdout is not None
        self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.lines.append(json.loads(line))
