"""`python -m tests.bench [--quick | --full] [--only NAME]...`: measures the platform against its references.

Every figure is a ratio to a reference in the same run on the same machine, the middle of interleaved rounds. It is
printed as one table, met or missed, and written to `.bench/`; a missed bar fails nothing, only a part that could not be
measured does. All clients run on this
machine and are part of every figure: they are lean (`wamp_socket`), in this process, the same for both sides; only the
storm's devices are `flockctl simulate`, in a process of their own.
"""

import argparse
import os
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Final

from rich.console import Console

from deploy.local.state import REPOSITORY
from tests.bench import (
    audited_change,
    data_bus,
    joins,
    log,
    messages,
    reads,
    realm_starts,
    rights,
    session_memory,
    sign_in,
    storm,
    tunnels,
    whole_platform,
    writes,
)
from tests.bench.figures import Row
from tests.bench.fleet import flash
from tests.bench.machine import allow_many_files, describe
from tests.bench.rounds import say
from tests.bench.scale import FULL, QUICK, USUAL, Scale
from tests.bench.table import WIDTH, print_table, write_json
from tests.harness.running import RunningPlatform

ALONE: Final[dict[str, Callable[[Scale, Path], list[Row]]]] = {
    messages.NAME: messages.run,
    session_memory.NAME: session_memory.run,
    realm_starts.NAME: realm_starts.run,
    reads.NAME: reads.run,
    writes.NAME: writes.run,
    tunnels.NAME: tunnels.run,
}
WITH_DEVICES: Final = (audited_change.NAME, joins.NAME, storm.NAME, log.NAME)
ON_PLATFORM: Final = (whole_platform.NAME, sign_in.NAME, rights.NAME, data_bus.NAME, *WITH_DEVICES)
BUSY: Final = 0.5
"""Load a core above which the figures say little."""


def main() -> int:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_const", const=QUICK, dest="scale", help="a smoke run, within a minute")
    size.add_argument("--full", action="store_const", const=FULL, dest="scale", help="all sizes; an hour")
    names = (*ALONE, *ON_PLATFORM)
    parser.add_argument("--only", action="append", choices=names, help="one part; may be repeated")
    parser.set_defaults(scale=USUAL)
    chosen = parser.parse_args()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # what was started is ended on the way out
    allow_many_files()
    machine = describe()
    if os.getloadavg()[0] > BUSY * (os.cpu_count() or 1):
        say(f"the machine is not quiet (load {os.getloadavg()[0]:.1f}): the figures say little")
    run = Run(chosen.scale, chosen.only or names)
    with tempfile.TemporaryDirectory(prefix="ironflock-bench-") as folder:
        run.measure(Path(folder))
    print_table(run.rows, Console(width=WIDTH))
    say(f"written to {write_json(run.rows, machine, REPOSITORY / '.bench')}")
    return 1 if run.broken else 0


class Run:
    """One run: `rows` is what was measured, `broken` the parts that could not be."""

    def __init__(self, scale: Scale, names: Sequence[str]) -> None:
        """Measure the parts in `names`."""
        self.rows: list[Row] = []
        self.broken: list[str] = []
        self._scale = scale
        self._names = names

    def measure(self, folder: Path) -> None:
        """Every part; `folder` is for what they need."""
        for name, part in ALONE.items():
            self._try(name, partial(part, self._scale, folder / name))
        if not set(ON_PLATFORM).isdisjoint(self._names):
            (folder / "platform").mkdir()
            with ExitStack() as ending:
                platform = RunningPlatform()
                ending.callback(platform.stop)
                self._measure_platform(platform, folder / "platform")

    def _measure_platform(self, platform: RunningPlatform, folder: Path) -> None:
        """The parts that need all processes."""
        self._try(whole_platform.NAME, partial(whole_platform.run, self._scale, platform))
        if not platform.record.launcher:
            platform.start()
        self._try(sign_in.NAME, partial(sign_in.run, self._scale, platform))
        self._try(rights.NAME, partial(rights.run, self._scale, platform))
        self._try(data_bus.NAME, partial(data_bus.run, self._scale, platform))
        if set(WITH_DEVICES).isdisjoint(self._names):
            return
        devices = flash(platform, self._scale.devices, folder / "flocks")
        self._try(audited_change.NAME, partial(audited_change.run, self._scale, platform, devices))
        # A storm is measured by the joins of the same run.
        name = joins.NAME if joins.NAME in self._names or storm.NAME not in self._names else storm.NAME
        joined = self._try(name, partial(joins.run, self._scale, folder, platform, devices))
        if joined:
            rate = joins.joins_a_second(joined)
            self._try(storm.NAME, partial(storm.run, self._scale, folder, platform, devices, rate))
        self._try(log.NAME, partial(log.run, self._scale, platform))  # last: it leaves a million entries

    def _try(self, name: str, part: Callable[[], list[Row]]) -> list[Row]:
        """The rows of one part, if it is wanted. One that breaks is told, and the others go on."""
        if name not in self._names:
            return []
        say(name)
        try:
            found = part()
        except Exception:  # noqa: BLE001 - whatever it is, an hour of figures must not be lost for it
            say(f"{name} could not be measured")
            traceback.print_exc()
            self.broken.append(name)
            return []
        self.rows += found
        return found


if __name__ == "__main__":
    sys.exit(main())
