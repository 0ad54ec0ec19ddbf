"""Supervision of the processes, with Twisted's own process monitor.

Added to it: each process is leashed (its own session, ended with the launcher), what it prints goes to a bounded file,
it is stopped in steps that somebody can wait for, and what is left of its group when it ends is ended too.
"""

import contextlib
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Final

from attrs import frozen
from twisted.internet.defer import Deferred
from twisted.internet.defer import TimeoutError as DeferredTimeoutError
from twisted.internet.error import ProcessDone, ProcessExitedAlready, ProcessTerminated
from twisted.internet.interfaces import IReactorProcess
from twisted.python.failure import Failure
from twisted.python.logfile import LogFile
from twisted.runner.procmon import LoggingProtocol, ProcessMonitor
from typing_extensions import override

from deploy.local.processes import Process, StopStep

LOG_LENGTH: Final = 10 * 1024 * 1024
LOGS_KEPT: Final = 3


@frozen
class Running:
    """A process as it is now; `since` in Unix seconds; `pid` is `None` while it waits for its next start."""

    name: str
    pid: int | None
    since: float
    restarts: int


class RecordedOutput(LoggingProtocol):
    """Writes what a process prints into its file, unread: it may be anything."""

    def __init__(self, log: LogFile, ended: Callable[[Failure], None]) -> None:
        """Write to `log`; call `ended` with the reason when the process is gone."""
        self._log = log
        self._ended = ended

        self.pid: int | None = None

    @override
    def connectionMade(self) -> None:
        """Remember the process id: the transport forgets it at the end."""
        self.pid = None if self.transport is None else self.transport.pid

    @override
    def outReceived(self, data: bytes) -> None:
        """Standard output."""
        # A full disk costs the log, not the process: an error here would close its output.
        with contextlib.suppress(OSError):
            self._log.write(data)

    @override
    def errReceived(self, data: bytes) -> None:
        """Standard error."""
        self.outReceived(data)

    @override
    def processExited(self, reason: Failure) -> None:
        """The process is gone; what it started may still hold its pipes and its ports."""
        end_group(self.pid)

    @override
    def processEnded(self, reason: Failure) -> None:
        """The process is gone and all that it printed is written."""
        self._log.close()
        self._ended(reason)


class Supervisor(ProcessMonitor):
    """Keeps processes running. A process that lived for `threshold` seconds is started again at once."""

    threshold = 10
    minRestartDelay = 1  # noqa: N815 - Twisted's name
    maxRestartDelay = 4  # noqa: N815 - Twisted's name

    def __init__(self, reactor: IReactorProcess, logs: Path, changed: Callable[[str], None]) -> None:
        """Write logs below `logs`; `changed` is told in a sentence about each start and end."""
        super().__init__(reactor)
        self._logs = logs
        self._changed = changed
        self._known: dict[str, Process] = {}
        self._starts: dict[str, int] = {}
        self._waiting: dict[str, list[Deferred[None]]] = {}
        self.startService()

    def add(self, process: Process) -> None:
        """Start `process` and keep it running."""
        self._known[process.name] = process
        self._starts[process.name] = 0
        self.addProcess(
            process.name, process.leashed(os.getpid()), env=dict(process.environment), cwd=str(process.folder)
        )

    async def run_once(self, process: Process) -> int:
        """Run `process` to its end and return its exit status; a signal's number is negative."""
        ended: Deferred[int] = Deferred()
        protocol = RecordedOutput(self._log_of(process.name), lambda reason: ended.callback(exit_status(reason)))
        self._spawn(protocol, process)
        return await ended

    async def stop(self, name: str) -> None:
        """End the process `name` for good, step by step."""
        if name not in self._known:
            return
        self._processes.pop(name, None)  # from here on it is not started again
        restart = self.restart.pop(name, None)
        if restart is not None and restart.active():
            restart.cancel()
        for step in self._known[name].stop_steps:
            if name not in self.protocols or await self._ended_by(name, step):
                return

    def hang_up(self, name: str) -> None:
        """Have the process `name` read its files again (SIGHUP)."""
        self._signal(name, signal.SIGHUP)

    def _signal(self, name: str, signal_number: int) -> None:
        """Send a signal to the process `name`, if it runs."""
        transport = self.protocols[name].transport if name in self.protocols else None
        if transport is not None:
            with contextlib.suppress(ProcessExitedAlready):
                transport.signalProcess(signal_number)

    def report(self) -> list[Running]:
        """Every process that was added, in that order."""
        return [
            Running(name, self._pid(name), self.timeStarted[name], restarts=max(0, self._starts[name] - 1))
            for name in self._known
        ]

    @override
    def startProcess(self, name: str) -> None:
        """Start `name` unless it runs."""
        if name in self.protocols:
            return
        self._starts[name] += 1
        self.timeStarted[name] = self._clock.seconds()
        try:
            protocol = RecordedOutput(self._log_of(name), lambda reason: self._monitoredProcessExited(name, reason))
            self._spawn(protocol, self._known[name])
        except OSError as error:  # no process, no descriptor, no space left, for now
            self.restart[name] = self._clock.callLater(self.maxRestartDelay, self.startProcess, name)
            self._changed(f"{name} could not be started: {error}")
            return
        self.protocols[name] = protocol
        self._changed(f"{name} started (process {self._pid(name)})")

    @override
    def _monitoredProcessExited(self, name: str, reason: Failure | None = None) -> None:
        super()._monitoredProcessExited(name, reason)
        again = self.restart.get(name)
        follows = ", to be started again" if again is not None and again.active() else ""
        # Told to stop, a process ends with whatever status it likes (Crossbar with 1): only a kill is worth a word.
        stopped = f"{name} stopped" if exit_status(reason) != -signal.SIGKILL else f"{name} had to be killed"
        self._changed(f"{name} ended ({describe_end(reason)}){follows}" if name in self._processes else stopped)
        for waiter in self._waiting.pop(name, []):
            waiter.callback(None)

    async def _ended_by(self, name: str, step: StopStep) -> bool:
        waiter: Deferred[None] = Deferred()
        self._waiting.setdefault(name, []).append(waiter)
        self._signal(name, step.signal_number)
        try:
            await waiter.addTimeout(step.seconds, self._clock)
        except DeferredTimeoutError:
            self._waiting[name].remove(waiter)
            return False
        return True

    def _spawn(self, protocol: RecordedOutput, process: Process) -> None:
        command = process.leashed(os.getpid())
        environment = dict(process.environment)
        self._reactor.spawnProcess(protocol, command[0], command, env=environment, path=str(process.folder))

    def _log_of(self, name: str) -> LogFile:
        return LogFile(f"{name}.log", str(self._logs), LOG_LENGTH, defaultMode=0o600, maxRotatedFiles=LOGS_KEPT)

    def _pid(self, name: str) -> int | None:
        protocol = self.protocols.get(name)
        return protocol.pid if isinstance(protocol, RecordedOutput) else None


def end_group(leader: int | None) -> None:
    """Kill what is left of the process group that `leader`, which has ended, led."""
    if leader is not None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(leader, signal.SIGKILL)


def exit_status(reason: Failure | None) -> int:
    """The exit status in `reason`, negative for a signal, as `subprocess` has it."""
    if reason is None or reason.check(ProcessDone):
        return 0
    value = reason.value
    if not isinstance(value, ProcessTerminated):
        return 1
    return -value.signal if value.signal is not None else int(value.exitCode or 1)


def describe_end(reason: Failure | None) -> str:
    """How a process ended, in words."""
    status = exit_status(reason)
    return f"signal {signal.Signals(-status).name}" if status < 0 else f"status {status}"
