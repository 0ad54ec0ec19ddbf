"""What the launcher tells about its processes, in `processes.json`."""

import json
from pathlib import Path
from typing import Final

from attrs import asdict, frozen

from deploy.local.files import write_atomically
from deploy.local.settings import FIRST_PORT, SECOND_ROUTER, Ports

# States of a platform.
STARTING: Final = "starting"
RUNNING: Final = "running"
STOPPING: Final = "stopping"
STOPPED: Final = "stopped"


@frozen
class ProcessRecord:
    """A process; `born`, its start in ticks since boot, tells it from a later one of its number."""

    name: str
    pid: int | None
    born: int | None
    since: float
    restarts: int


@frozen
class PlatformRecord:
    """A platform: one of the states above, its launcher's process, where its ports begin, and its processes.

    `renewal_problem` says which certificates could not be renewed and why; empty when all is well.
    """

    state: str
    launcher: int
    port_base: int
    processes: tuple[ProcessRecord, ...]
    renewal_problem: str = ""

    @property
    def ports(self) -> Ports:
        """Its ports, but for the edge of tunnels, which may have been moved."""
        return Ports(self.port_base, has_second_cell=any(each.name == SECOND_ROUTER for each in self.processes))


def write_record(path: Path, record: PlatformRecord) -> None:
    """Put `record` at `path`."""
    write_atomically(path, json.dumps(asdict(record), indent=1).encode())


def read_record(path: Path) -> PlatformRecord:
    """The record at `path`; a stopped platform without processes when there is none."""
    try:
        content = json.loads(path.read_bytes())
        processes = tuple(ProcessRecord(**each) for each in content["processes"])
        problem = content.get("renewal_problem", "")  # a record of an earlier release has none
        return PlatformRecord(content["state"], content["launcher"], content["port_base"], processes, problem)
    except (FileNotFoundError, ValueError, TypeError, KeyError):
        return PlatformRecord(STOPPED, 0, FIRST_PORT, ())
