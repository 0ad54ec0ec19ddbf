"""The whole platform as it lies idle: how long a warm start takes, and what it holds in memory."""

import time
from typing import Final

from tests.bench.figures import Row, at_most, plain_row
from tests.bench.processes import pss_octets, sum_over_tree
from tests.bench.rounds import pause, say
from tests.bench.scale import Scale
from tests.harness.running import RunningPlatform

NAME: Final = "platform"
WARM_START: Final = at_most(10.0)
MEMORY_MIB: Final = at_most(900.0)
MIB: Final = 1024 * 1024


def run(scale: Scale, platform: RunningPlatform) -> list[Row]:
    """Start the platform, and again; it runs afterwards. The start is `make up` without make's look at its stamps."""
    cold = _start(platform)
    warm, memory, parts = [], [], {}
    for _ in range(scale.restarts):
        platform.local("down")
        warm.append(_start(platform))
        pause(scale.rest_s)
        memory.append(sum_over_tree(platform.record.launcher, pss_octets) / MIB)
        parts = _parts(platform)
        say(f"warm start {warm[-1]:.1f} s, {memory[-1]:.0f} MiB")
    detail = ", ".join(f"{name} {octets / MIB:.0f}" for name, octets in parts.items())
    return [
        plain_row(NAME, "make up, warm", "s", warm, WARM_START),
        plain_row(NAME, "memory (PSS) of the idle platform", "MiB", memory, MEMORY_MIB, note=detail),
        plain_row(NAME, "first start, environment installed", "s", [cold]),
    ]


def _start(platform: RunningPlatform) -> float:
    began = time.perf_counter()
    platform.start()
    return time.perf_counter() - began


def _parts(platform: RunningPlatform) -> dict[str, float]:
    """The memory of the launcher alone, and of each of its processes with their descendants."""
    record = platform.record
    parts = {each.name: sum_over_tree(each.pid, pss_octets) for each in record.processes if each.pid is not None}
    return {"launcher": float(pss_octets(record.launcher)), **parts}
