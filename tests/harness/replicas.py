"""A second process of a service of a running platform, beside the launcher's own."""

import subprocess
from types import TracebackType
from typing import Final, Self

from deploy.local.processes import service_process
from deploy.local.readiness import ask
from deploy.local.settings import local_settings
from tests.harness.ports import free_ports
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

READY_WITHIN_S: Final = 60.0


class Replica:
    """One of service `name`, ready inside a `with` block; it ends with it, if it was not killed before."""

    def __init__(self, platform: RunningPlatform, name: str) -> None:
        """As the launcher would start it, but on an operations port of its own."""
        (self._port,) = free_ports(1)
        self._ca = platform.state.ca_certificate
        made = service_process(name, local_settings(platform.environment), platform.environment)
        environment = {**made.environment, f"IRONFLOCK_{name.upper()}_OPS_PORT": str(self._port)}
        self.process = subprocess.Popen(
            made.command,
            cwd=made.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    def __enter__(self) -> Self:
        """Wait until it is ready."""
        wait_until(lambda: ask(self._port, self._ca).ready, READY_WITHIN_S, "the second process is ready")
        return self

    def kill(self) -> None:
        """End it by SIGKILL."""
        self.process.kill()
        self.process.wait()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it."""
        self.kill()
