"""What the kernel tells of processes: who belongs to the platform, where they listen, what anybody can read of them.

Source: proc(5).
"""

import contextlib
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

PROC = Path("/proc")
LISTENING = "0A"


def descendants(ancestor: int) -> set[int]:
    """`ancestor` and every process below it."""
    parents = dict(_parents())
    found, size = {ancestor}, 0
    while len(found) > size:
        size = len(found)
        found |= {pid for pid, parent in parents.items() if parent in found}
    return found


def listening_ports(pids: Iterable[int]) -> dict[int, str]:
    """The TCP ports on which the processes listen, each with the local address as the kernel writes it."""
    sockets = {inode for pid in pids for inode in _sockets(pid)}
    found = {}
    for table in ("tcp", "tcp6"):
        for line in (PROC / "net" / table).read_text(encoding="ascii").splitlines()[1:]:
            fields = line.split()
            address, port = fields[1].rsplit(":", 1)
            if fields[3] == LISTENING and fields[9] in sockets:
                found[int(port, 16)] = address
    return found


def command_lines() -> Iterator[tuple[int, bytes]]:
    """The arguments of every process of the machine, which every user can read."""
    for entry in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            yield int(entry.name), (entry / "cmdline").read_bytes()


def resident_octets(pid: int) -> int:
    """The memory of a process that is not swapped out."""
    status = (PROC / str(pid) / "status").read_text(encoding="utf-8", errors="replace")
    matched = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    assert matched is not None
    return int(matched[1]) * 1024


def _parents() -> Iterator[tuple[int, int]]:
    for entry in PROC.glob("[0-9]*"):
        with contextlib.suppress(OSError):
            text = (entry / "stat").read_text(encoding="utf-8", errors="replace")
            yield int(entry.name), int(text.rpartition(")")[2].split()[1])


def _sockets(pid: int) -> Iterator[str]:
    with contextlib.suppress(OSError):  # a process that has just ended
        descriptors = list((PROC / str(pid) / "fd").iterdir())
        yield from _inodes(descriptors)


def _inodes(descriptors: list[Path]) -> Iterator[str]:
    for descriptor in descriptors:
        with contextlib.suppress(OSError):
            matched = re.fullmatch(r"socket:\[(\d+)\]", str(descriptor.readlink()))
            if matched is not None:
                yield matched[1]
