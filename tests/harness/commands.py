"""flockctl as an operator runs it: to its end, or in the background with what it has said so far."""

import json
import os
import select
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import Any

from attrs import frozen

from tests.harness.forking import Run
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

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
        """`flockctl <words> --json` to its end, in a process that is forked from one that has loaded it."""
        run = Run([*words, "--json"], self._environment, self.folder)
        try:
            out, err = run.communicate("", timeout_s)
        finally:
            run.kill()
        assert run.returncode is not None
        return Outcome(run.returncode, out, err)

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

    @contextmanager
    def at_terminal(self, *words: str, columns: int, rows: int) -> Iterator["AtTerminal"]:
        """The command in a terminal of that size while the block runs; killed at its end if it still runs."""
        started = AtTerminal([FLOCKCTL, *words], self.folder, self._environment, (columns, rows))
        try:
            yield started
        finally:
            started.close()


class AtTerminal:
    """A command with a terminal in front of it; every sign that it wrote is kept."""

    def __init__(self, command: list[str], folder: Path, environment: dict[str, str], size: tuple[int, int]) -> None:
        """Start `command` in a terminal of `size` (columns, rows)."""
        self._ours, theirs = os.openpty()
        termios.tcsetwinsize(theirs, (size[1], size[0]))
        self._process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        self._written = b""

    def type(self, keys: str) -> None:
        """Type once it listens: until then the terminal itself would echo."""
        wait_until(lambda: not termios.tcgetattr(self._ours)[3] & termios.ECHO, TIMEOUT_S, "the terminal is raw")
        os.write(self._ours, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        """The window has another size."""
        termios.tcsetwinsize(self._ours, (rows, columns))
        os.kill(self._process.pid, signal.SIGWINCH)

    def reads(self, text: str, timeout_s: float) -> None:
        """Wait until it has written `text`, and forget all up to there."""

        def has_come() -> bool:
            self._read()
            return text.encode() in self._written

        wait_until(has_come, timeout_s, f"it writes {text!r}")
        self._written = self._written.partition(text.encode())[2]

    def ended(self, timeout_s: float) -> int:
        """The exit status of a command that ends by itself."""

        def is_over() -> bool:
            self._read()
            return self._process.poll() is not None

        wait_until(is_over, timeout_s, "it ends")
        return self._process.wait(timeout_s)

    def close(self) -> None:
        """Kill it, if it still runs."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        os.close(self._ours)

    def _read(self) -> None:
        while select.select([self._ours], [], [], 0.0)[0]:
            try:
                self._written += os.read(self._ours, 65_536)
            except OSError:  # nobody writes any more
                return


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
