"""`python -m deploy.local run|up|down|status|database|rotate`: the platform on this machine."""

import argparse
import contextlib
import datetime as dt
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping

import shared.unspoken  # noqa: F401 - before what it speaks of

# isort: split
from twisted.internet import reactor as _reactor
from twisted.internet.base import ReactorBase
from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.error import ReactorNotRunning
from twisted.python.failure import Failure
from twisted.python.logfile import LogFile

from deploy.backup.leftovers import remove_left
from deploy.local.background import down, status, up
from deploy.local.errors import PlatformError
from deploy.local.kinds import ALL, CA, Kind
from deploy.local.launcher import Launcher, Plan, Shell
from deploy.local.ports import check_ports, database_listeners, listeners
from deploy.local.preparation import ensure_state, prepare
from deploy.local.processes import (
    SERVICES,
    migrate_process,
    provisioner_process,
    router_processes,
    service_process,
)
from deploy.local.records import read_record
from deploy.local.rotation import rotate
from deploy.local.running import Surroundings
from deploy.local.settings import LocalSettings, local_settings
from deploy.local.state import LauncherLock, StateFolder
from deploy.local.survivors import end_survivors
from deploy.local.welcome import welcome
from shared.settings import SettingsError

NOTHING_BUT_DATABASE = Plan(migrate=None, routers=(), services=())
LOG_LENGTH = 1024 * 1024
INTERRUPTED = 130


def main() -> int:
    """Carry out one command and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m deploy.local", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name, (explanation, _) in COMMANDS.items():
        commands.add_parser(name, help=explanation)
    rotating = commands.add_parser("rotate", help="make secrets anew, while the platform runs")
    rotating.add_argument("kinds", nargs="+", choices=[*Kind, "ca", "all"], help="which secrets")
    words = parser.parse_args()
    try:
        if words.command == "rotate":
            return rotate_secrets(local_settings(os.environ), words.kinds)
        return COMMANDS[words.command][1](local_settings(os.environ))
    except (PlatformError, SettingsError, OSError) as error:
        sys.stderr.write(f"ironflock: {error}\n")
        return 1
    except KeyboardInterrupt:  # before anything was started
        return INTERRUPTED


def run(settings: LocalSettings) -> int:
    """The whole platform in the foreground, until Ctrl-C."""
    return launch(settings, plan_of(settings, os.environ))


def database(settings: LocalSettings) -> int:
    """PostgreSQL alone with its roles and schemas, in the foreground: for work on one service."""
    return launch(settings, NOTHING_BUT_DATABASE)


def plan_of(settings: LocalSettings, environ: Mapping[str, str]) -> Plan:
    """Every process of the platform."""
    return Plan(
        migrate=migrate_process(settings, environ),
        routers=router_processes(settings, environ),
        services=(
            provisioner_process(settings, environ),
            *(service_process(name, settings, environ) for name in SERVICES),
        ),
    )


def launch(settings: LocalSettings, plan: Plan) -> int:
    """Prepare, run until told to stop, and return the exit status."""
    account = ensure_state(settings, is_root=os.geteuid() == 0)
    state = StateFolder(settings.state)
    with LauncherLock(state.lock), contextlib.closing(Terminal(state)) as terminal:
        try:
            remove_left(state.postgres)
            for name in end_survivors(read_record(state.processes).processes):
                terminal.say(f"{name} was left by an earlier launcher and is ended")
            check_ports(listeners(settings) if plan.services else database_listeners(settings))
            prepared = prepare(settings, account, now())
            launcher = Launcher(REACTOR, settings, prepared, plan, Shell(now, terminal.say))
            return supervise(launcher, terminal.say, lambda: welcome(settings, whole=bool(plan.services)))
        except (PlatformError, OSError) as error:
            terminal.note(str(error))
            raise


def supervise(launcher: Launcher, say: Callable[[str], None], greeting: Callable[[], str]) -> int:
    """Run the reactor around `launcher`; 0 when it was told to stop, 1 when something did not start."""
    status: list[int] = [0]

    def begin() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(number, lambda *_: REACTOR.callFromThread(stop))
        _begun = launcher.begin().addCallbacks(lambda _: say(greeting()), fail)

    def fail(reason: Failure) -> None:
        if reason.check(CancelledError) is None:
            status[0] = 1
            say(str(reason.value) if reason.check(PlatformError) else reason.getTraceback())
            stop()

    def stop() -> None:
        with contextlib.suppress(ReactorNotRunning):  # told twice
            REACTOR.stop()

    REACTOR.callWhenRunning(begin)
    REACTOR.addSystemEventTrigger("before", "shutdown", lambda: Deferred.fromCoroutine(launcher.stop()))
    REACTOR.run()
    return status[0]


class Terminal:
    """Tells the person at the terminal, and the launcher's log; either may be gone."""

    def __init__(self, state: StateFolder) -> None:
        """Write to standard output and to `launcher.log`."""
        self._log = LogFile("launcher.log", str(state.log), LOG_LENGTH, defaultMode=0o600, maxRotatedFiles=2)

    def say(self, text: str) -> None:
        """One or more lines for both."""
        self.note(text)
        with contextlib.suppress(OSError):
            sys.stdout.write(f"{text}\n")
            sys.stdout.flush()

    def note(self, text: str) -> None:
        """One or more lines for the log alone."""
        with contextlib.suppress(OSError):
            self._log.write(f"{now().isoformat(timespec='milliseconds')} {text}\n")

    def close(self) -> None:
        """Close the log."""
        self._log.close()


def start_in_background(settings: LocalSettings) -> int:
    """`up`."""
    sys.stdout.write(f"{up(settings, time.sleep)}\n")
    return 0


def stop_in_background(settings: LocalSettings) -> int:
    """`down`."""
    sys.stdout.write(f"{down(settings, time.sleep)}\n")
    return 0


def show_status(settings: LocalSettings) -> int:
    """`status`."""
    lines, healthy = status(settings)
    sys.stdout.write("\n".join([*lines, ""]))
    return 0 if healthy else 1


def rotate_secrets(settings: LocalSettings, kinds: list[str]) -> int:
    """`rotate`."""
    several: dict[str, frozenset[Kind]] = {"all": ALL, "ca": CA}
    wanted = frozenset[Kind]().union(*(several.get(kind) or {Kind(kind)} for kind in kinds))
    rotate(StateFolder(settings.state), wanted, Surroundings(time.sleep, _tell), now())
    return 0


def _tell(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def now() -> dt.datetime:
    """The time."""
    return dt.datetime.now(dt.UTC)


COMMANDS: dict[str, tuple[str, Callable[[LocalSettings], int]]] = {
    "run": ("start everything in the foreground; Ctrl-C stops it in order", run),
    "up": ("start everything in the background and wait until it is healthy", start_in_background),
    "down": ("stop what runs and wait for its end", stop_in_background),
    "status": ("say how each process is; exit status 0 only when all are healthy", show_status),
    "database": ("start PostgreSQL alone, with its roles and schemas", database),
}
assert isinstance(_reactor, ReactorBase)  # noqa: S101 - tells the type checker; the default reactor is one
REACTOR: ReactorBase = _reactor

if __name__ == "__main__":
    sys.exit(main())
