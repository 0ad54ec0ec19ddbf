"""What a launcher that was killed may have left running, found and ended by the next one.

The kernel ends the processes themselves with their launcher; a child of theirs, such as a backend of PostgreSQL, it
does not. Each process led a session of its own, and its number is not given away while anybody is left in that session.
"""

import contextlib
import os
import select
import signal
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from attrs import frozen

from deploy.local.records import ProcessRecord

PROC: Final = Path("/proc")
SHUTDOWN_S: Final = 30


@frozen
class Alive:
    """A process as the kernel tells of it; `born` in ticks since boot."""

    pid: int
    session: int
    born: int


def birth(pid: int | None) -> int | None:
    """When process `pid` was born, in ticks since boot; `None` when it is not there."""
    alive = None if pid is None else look_at(pid)
    return None if alive is None else alive.born


def look_at(pid: int) -> Alive | None:
    """Process `pid`, unless it is gone. Source: proc(5), stat, fields 3, 6 and 22."""
    try:
        text = (PROC / str(pid) / "stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return None
    fields = text.rpartition(")")[2].split()  # from field 3 on: the name before it may hold anything
    return None if fields[0] == "Z" else Alive(pid, session=int(fields[3]), born=int(fields[19]))


def left_of(record: ProcessRecord, everybody: Iterable[Alive]) -> list[int]:
    """The processes of `everybody` that `record`'s process was, or left in its session."""
    if record.pid is None or record.born is None:
        return []
    present = [alive for alive in everybody if alive.session == record.pid]
    if any(alive.pid == record.pid and alive.born != record.born for alive in present):
        return []  # the number is somebody else's by now
    return [alive.pid for alive in present if alive.born >= record.born]


def end_survivors(records: Iterable[ProcessRecord]) -> list[str]:
    """End what outlived a launcher that was killed, wait for it, and return the names.

    PostgreSQL gets a fast shutdown and time for it (its workers end with it); the others may be killed at any time.
    """
    everybody = [alive for entry in PROC.glob("[0-9]*") if (alive := look_at(int(entry.name))) is not None]
    found = {record.name: left_of(record, everybody) for record in records}
    for name, pids in found.items():
        for pid in pids:
            _end(pid, signal.SIGINT if name == "postgres" else signal.SIGKILL)
    return [name for name, pids in found.items() if pids]


def _end(pid: int, first: int) -> None:
    with contextlib.suppress(ProcessLookupError), _watched(pid) as gone:
        for number in (first, signal.SIGKILL):
            os.kill(pid, number)
            if gone.poll(SHUTDOWN_S * 1000):
                return


@contextlib.contextmanager
def _watched(pid: int) -> Iterator[select.poll]:
    """Something to poll for the end of process `pid`. Source: pidfd_open(2)."""
    descriptor = os.pidfd_open(pid)
    try:
        poll = select.poll()
        poll.register(descriptor, select.POLLIN)
        yield poll
    finally:
        os.close(descriptor)
