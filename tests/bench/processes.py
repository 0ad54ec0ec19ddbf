"""What the kernel knows of processes: their time, their memory, their descendants."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

KIB: Final = 1024
_TICKS_A_SECOND: Final = os.sysconf("SC_CLK_TCK")


def cpu_s(process: int) -> float:
    """Seconds of processor that `process` has used."""
    fields = _stat(process)
    return (int(fields[11]) + int(fields[12])) / _TICKS_A_SECOND


def cpu_with_ended_s(process: int) -> float:
    """The same, with what those of its children used that have ended."""
    return sum(int(ticks) for ticks in _stat(process)[11:15]) / _TICKS_A_SECOND


def pss_octets(process: int) -> int:
    """The memory of `process`, pages that others hold as well counted in proportion (proc(5), `smaps_rollup`)."""
    for line in Path(f"/proc/{process}/smaps_rollup").read_text(encoding="ascii").splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * KIB
    return 0


def age_s(process: int) -> float:
    """Seconds since `process` began."""
    up = float(Path("/proc/uptime").read_text(encoding="ascii").split()[0])
    return up - int(_stat(process)[19]) / _TICKS_A_SECOND


def tree(root: int) -> Iterator[int]:
    """`root` and all its descendants."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                children.setdefault(int(_stat(int(entry.name))[1]), []).append(int(entry.name))
            except OSError:  # it ended while we looked
                continue
    found = [root]
    for process in found:
        found += children.get(process, [])
    yield from found


def sum_over_tree(root: int, figure: Callable[[int], float]) -> float:
    """`figure` of `root` and all its descendants together."""
    total = 0.0
    for process in tree(root):
        try:
            total += figure(process)
        except OSError:  # it ended while we looked
            continue
    return total


def only_child(process: int) -> int:
    """The one child of `process`."""
    (child,) = Path(f"/proc/{process}/task/{process}/children").read_text(encoding="ascii").split()
    return int(child)


def _stat(process: int) -> list[str]:
    """The fields of /proc/<process>/stat from the third on: state, parent, ..."""
    return Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
