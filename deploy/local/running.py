"""A platform that runs, to whoever changes something about it from beside its launcher."""

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from deploy.local.background import POLL_S, Sleep
from deploy.local.bootstrap import SUPERUSER, Server
from deploy.local.errors import PlatformError
from deploy.local.files import tail
from deploy.local.health import unready
from deploy.local.processes import SECOND, SECOND_POSTGRES
from deploy.local.records import read_record
from deploy.local.settings import Ports
from deploy.local.state import StateFolder
from shared.clusters import FIRST

RESTART_TIMEOUT_S: Final = 90.0


@frozen
class Surroundings:
    """What reaches out of a rotation."""

    sleep: Sleep
    say: Callable[[str], None]


@frozen
class RunningPlatform:
    """The one on `state`, its ports, and the terminal."""

    state: StateFolder
    ports: Ports
    around: Surroundings

    def restart(self, *names: str) -> None:
        """End these processes in order, and wait until they are back and all is well.

        Raises:
            PlatformError: One is not, in time; the text has the end of its log.
        """
        before = {name: self.pid(name) for name in names}
        for pid in before.values():
            if pid is not None:
                os.kill(pid, signal.SIGTERM)
        if self.comes_about(lambda: not self._old(before) and not unready(self.ports, self.state)):
            return
        reasons = "; ".join(f"{part}: {reason}" for part, reason in unready(self.ports, self.state).items())
        logs = [self.state.log / f"{name}.log" for name in names]
        ends = "\n".join(f"the end of {log}:\n{tail(log)}" for log in logs)
        raise PlatformError(f"{' or '.join(names)} is not back ({reasons}); mend that and repeat; {ends}")

    def _old(self, before: Mapping[str, int | None]) -> list[str]:
        """Which of these processes have not been started again."""
        return [name for name, pid in before.items() if self.pid(name) in (None, pid)]

    def reread(self, name: str) -> None:
        """Have the process `name` read its files again."""
        pid = self.pid(name)
        if pid is not None:
            os.kill(pid, signal.SIGHUP)

    def comes_about(self, condition: Callable[[], bool]) -> bool:
        """Whether `condition` holds, now or within the time that a restart may take."""
        for _ in range(int(RESTART_TIMEOUT_S / POLL_S)):
            self.around.sleep(POLL_S)
            if condition():
                return True
        return False

    def pid(self, name: str) -> int | None:
        """The number of the process `name`, while it runs."""
        processes = read_record(self.state.processes).processes
        return next((each.pid for each in processes if each.name == name), None)

    def server(self, ca: Path | None = None) -> Server:
        """The database, to its superuser, who trusts `ca`, or what everybody does."""
        password = (self.state.database_secrets / SUPERUSER).read_text(encoding="utf-8").strip()
        return Server(self.ports.postgres, ca or self.state.ca_certificate, password)

    def servers(self, ca: Path | None = None) -> dict[str, Server]:
        """Every database server by the name of its process, as `server` the first of them."""
        processes = {FIRST: "postgres", SECOND: SECOND_POSTGRES}
        return {processes[name]: server for name, server in self.servers_by_name(ca).items()}

    def servers_by_name(self, ca: Path | None = None) -> dict[str, Server]:
        """Every database server by the name that `realms` knows it by."""
        found = {FIRST: self.server(ca)}
        if (self.state.clusters / f"{SECOND}.json").exists():
            password = (self.state.second_secrets / SUPERUSER).read_text(encoding="utf-8").strip()
            found[SECOND] = Server(self.ports.second, ca or self.state.ca_certificate, password)
        return found
