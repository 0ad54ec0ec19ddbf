"""The whole platform, once a test run: started by the launcher on free ports, in a state folder of its own."""

import os
import shutil
import signal
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Self

import psycopg

from deploy.local.bootstrap import SUPERUSER, Server, connect
from deploy.local.health import unready
from deploy.local.processes import DATABASE_NAME, LEASH
from deploy.local.readiness import ask
from deploy.local.records import PlatformRecord, read_record
from deploy.local.settings import Ports
from deploy.local.state import REPOSITORY, StateFolder
from tests.harness.ports import free_port_base
from tests.harness.scratch import new_folder
from tests.harness.waiting import wait_until
from tests.integration.flockctl.certificates import make_certificates

START_TIMEOUT_S: Final = 150  # longer than `up` itself waits, so that its own explanation is seen
FAILURES_PER_MINUTE: Final = 300


class RunningPlatform:
    """One platform: what it is made of, and what is done to it."""

    def __init__(self, sources: Path = REPOSITORY) -> None:
        """Choose a folder and ports; nothing is started yet, of what lies in `sources`."""
        self.folder = new_folder()
        self.state = StateFolder(self.folder / "state")
        self.ports = Ports(free_port_base())
        (self.folder / "receivers").mkdir()
        self.receivers = make_certificates(self.folder / "receivers")
        """Of webhooks of tests: an authority that is not the platform's, which devices trusts for that alone."""
        own = {name: value for name, value in os.environ.items() if not name.startswith("IRONFLOCK_")}
        self.environment = own | {
            "IRONFLOCK_LOCAL_STATE": str(self.state.root),
            "IRONFLOCK_LOCAL_PORT_BASE": str(self.ports.base),
            # Tests ask more often than anybody should.
            "IRONFLOCK_GATEWAY_REQUESTS_PER_MINUTE": "1000000",
            "IRONFLOCK_GATEWAY_FAILURES_PER_MINUTE": str(FAILURES_PER_MINUTE),
            "IRONFLOCK_DEVICES_ALERT_PRIVATE_ADDRESSES": "allow",
            "IRONFLOCK_DEVICES_ALERT_CA_FILE": str(self.receivers.ca),
            "IRONFLOCK_CONFIG_HOME": str(self.folder / "config"),
        }
        self._launcher: subprocess.Popen[bytes] | None = None
        self._sources = REPOSITORY
        if sources != REPOSITORY:
            self.use(sources)

    def use(self, sources: Path) -> None:
        """Start and ask by the code in `sources` from now on."""
        self._sources = sources
        self.environment["PYTHONPATH"] = f"{sources}:{sources / 'router-config'}"

    def start(self) -> Self:
        """Start everything and wait until it is healthy; it ends with this process, however that ends."""
        leash = [sys.executable, "-I", "-S", str(LEASH), str(os.getpid()), str(int(signal.SIGTERM)), "-1", "-1", "-1"]
        self._launcher = subprocess.Popen(
            [*leash, sys.executable, "-m", "deploy.local", "run"],
            cwd=self._sources,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        wait_until(self.launcher_runs, 30.0, "the launcher runs")
        self.local("up")
        return self

    def stop(self) -> None:
        """End everything and remove what it left."""
        self.end()
        shutil.rmtree(self.folder)

    def end(self) -> None:
        """End everything; what it left stays."""
        self.local("down")
        if self._launcher is not None:
            self._launcher.wait(10)

    def die(self) -> None:
        """End the launcher by SIGKILL, and with it all that runs."""
        assert self._launcher is not None
        self._launcher.kill()
        self._launcher.wait(10)

    def local(self, *command: str) -> str:
        """What `python -m deploy.local COMMAND` prints; it must succeed."""
        words = [sys.executable, "-m", "deploy.local", *command]
        done = subprocess.run(
            words, cwd=self._sources, env=self.environment, capture_output=True, timeout=START_TIMEOUT_S, check=False
        )
        assert done.returncode == 0, f"{command[0]}: {done.stdout.decode()} {done.stderr.decode()}"
        return done.stdout.decode()

    def launcher_runs(self) -> bool:
        """Whether the launcher has begun, or has ended with an error that `up` will tell."""
        assert self._launcher is not None
        return self.record.launcher == self._launcher.pid or self._launcher.poll() is not None

    @property
    def record(self) -> PlatformRecord:
        """What the launcher says of its processes."""
        return read_record(self.state.processes)

    @property
    def tls(self) -> ssl.SSLContext:
        """For clients: trusts the platform's CA."""
        return ssl.create_default_context(cafile=str(self.state.ca_certificate))

    def unready(self) -> dict[str, str]:
        """The parts that are not ready, each with its reason."""
        return unready(self.ports, self.state)

    def pid(self, name: str) -> int:
        """The process `name`."""
        pid = self._pids()[name]
        assert pid is not None, f"{name} does not run"
        return pid

    def kill(self, name: str) -> int:
        """End the process `name` by SIGKILL and return its number."""
        pid = self.pid(name)
        os.kill(pid, signal.SIGKILL)
        return pid

    def is_back(self, name: str, killed: int) -> bool:
        """Whether `name` runs again, as another process than `killed`, and all are ready."""
        return self.are_back({name: killed})

    def are_back(self, killed: Mapping[str, int]) -> bool:
        """As `is_back`, of several; those that were killed are asked before all others are."""
        pids = self._pids()
        runs_again = all(pids[name] not in (None, pid) for name, pid in killed.items())
        return runs_again and all(map(self._answers, killed)) and not self.unready()

    def database(self, login: str = SUPERUSER) -> psycopg.Connection[Any]:
        """A connection of `login` to the platform's database, over verified TLS; each statement commits."""
        password = self.secret(f"database/{login}")
        if login == SUPERUSER:
            return connect(Server(self.ports.postgres, self.state.ca_certificate, password), DATABASE_NAME)
        return psycopg.connect(
            host="localhost",
            hostaddr="127.0.0.1",
            port=self.ports.postgres,
            dbname=DATABASE_NAME,
            user=login,
            password=password,
            sslmode="verify-full",
            sslrootcert=str(self.state.ca_certificate),
            autocommit=True,
        )

    def secret(self, name: str) -> str:
        """The secret in the file `name` of the folder of secrets."""
        return (self.state.secrets / name).read_text(encoding="utf-8").strip()

    @property
    def owner_key(self) -> str:
        """The first owner's API key."""
        return self.state.owner_api_key.read_text(encoding="utf-8").strip()

    def _answers(self, name: str) -> bool:
        """Whether `name` says that it is ready, as far as it says anything."""
        port = self.ports.operations.get(name)
        return port is None or ask(port, self.state.ca_certificate).ready

    def _pids(self) -> dict[str, int | None]:
        return {process.name: process.pid for process in self.record.processes}
