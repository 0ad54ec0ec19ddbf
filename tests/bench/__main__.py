"""`python -m tests.bench [--quick | --full] [--sweep] [--only NAME]...`: measures the platform against its references.

Every figure is a ratio to a reference in the same run on the same machine, the middle of interleaved rounds. It is
printed as one table, met or missed, and written to `.bench/`; a missed bar fails nothing, only a part that could not be
measured does. All clients run on this
machine and are part of every figure: they are lean (`wamp_socket`), in this process, the same for both sides; only the
storm's devices are `flockctl simulate`, in a process of their own.

`--sweep` says how costs grow instead, and `--table` measures nothing: it writes README's table of bars, and that of
slopes in `deploy/README.md`, anew from what lies in `.bench/`. Each part ends within five minutes, or is given up;
`--full` may take longer.
"""

import argparse
import os
import shutil
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from rich.console import Console

from deploy.local.state import REPOSITORY
from tests.bench import (
    audited_change,
    clone,
    collected,
    cuts,
    data_bus,
    joins,
    log,
    messages,
    readers,
    reads,
    realm_starts,
    rights,
    session_memory,
    sign_in,
    storm,
    sweep,
    tunnels,
    whole_platform,
    writes,
)
from tests.bench.figures import Row
from tests.bench.fleet import flash
from tests.bench.growth import Curve
from tests.bench.machine import allow_many_files, describe
from tests.bench.rounds import say
from tests.bench.scale import FULL, QUICK, USUAL, Scale
from tests.bench.table import WIDTH, print_curves, print_table, write_json
from tests.harness.running import RunningPlatform

ALONE: Final[dict[str, Callable[[Scale, Path], list[Row]]]] = {
    messages.NAME: messages.run,
    session_memory.NAME: session_memory.run,
    realm_starts.NAME: realm_starts.run,
    reads.NAME: reads.run,
    writes.NAME: writes.run,
    tunnels.NAME: tunnels.run,
    readers.NAME: readers.run,
    clone.NAME: clone.run,
}
WITH_DEVICES: Final = (audited_change.NAME, joins.NAME, storm.NAME, log.NAME)
ON_PLATFORM: Final = (whole_platform.NAME, sign_in.NAME, rights.NAME, cuts.NAME, data_bus.NAME, *WITH_DEVICES)
BENCHES: Final = (*ALONE, *ON_PLATFORM)
BUSY: Final = 0.5
"""Load a core above which the figures say little."""
FIGURES: Final = REPOSITORY / ".bench"
Measured = TypeVar("Measured", Row, Curve)


def main() -> int:
    """Measure, print, write."""
    chosen = _chosen()
    if chosen.table:
        collected.write_tables(REPOSITORY, collected.read(FIGURES))
        return 0
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(1))  # what was started is ended on the way out
    allow_many_files()
    machine = describe() | {"scale": chosen.scale.name}
    if os.getloadavg()[0] > BUSY * (os.cpu_count() or 1):
        say(f"the machine is not quiet (load {os.getloadavg()[0]:.1f}): the figures say little")
    run = Run(chosen.scale, chosen.only or (sweep.NAMES if chosen.sweep else BENCHES))
    with tempfile.TemporaryDirectory(prefix="ironflock-bench-") as folder:
        (run.sweep if chosen.sweep else run.measure)(Path(folder))
    console = Console(width=WIDTH)
    print_table(run.rows, console)
    print_curves(run.curves, console)
    say(f"written to {write_json(run.rows, run.curves, machine, FIGURES)}")
    return 1 if run.broken else 0


def _chosen() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_const", const=QUICK, dest="scale", help="a smoke run of small sizes")
    size.add_argument("--full", action="store_const", const=FULL, dest="scale", help="all sizes; hours")
    parser.add_argument("--sweep", action="store_true", help=f"how costs grow: {', '.join(sweep.NAMES)}")
    parser.add_argument(
        "--only", action="append", metavar="NAME", help=f"one part: {', '.join(BENCHES)}; may be repeated"
    )
    parser.add_argument("--table", action="store_true", help="write the tables of both READMEs from .bench/, and end")
    parser.set_defaults(scale=USUAL)
    chosen = parser.parse_args()
    unknown = set(chosen.only or ()).difference(sweep.NAMES if chosen.sweep else BENCHES)
    if unknown:
        parser.error(f"there is no part {', '.join(sorted(unknown))}")
    return chosen


class Run:
    """One run: `rows` and `curves` are what was measured, `broken` the parts that could not be."""

    def __init__(self, scale: Scale, names: Sequence[str]) -> None:
        """Measure the parts in `names`."""
        self.rows: list[Row] = []
        self.curves: list[Curve] = []
        self.broken: list[str] = []
        self._scale = scale
        self._names = names

    def measure(self, folder: Path) -> None:
        """Every part; `folder` is for what they need."""
        for name, part in ALONE.items():
            self._try(name, partial(part, self._scale, folder / name), self.rows)
        if not set(ON_PLATFORM).isdisjoint(self._names):
            (folder / "platform").mkdir()
            with _platform() as platform:
                self._measure_platform(platform, folder / "platform")
                self._keep_logs(platform)

    def sweep(self, folder: Path) -> None:
        """Every curve."""
        for name, part in sweep.ALONE.items():
            self._try(name, partial(part, self._scale, folder / name), self.curves)
        if not set(sweep.ON_PLATFORM).isdisjoint(self._names):
            with _platform() as platform:
                platform.start()
                for name, of_platform in sweep.ON_PLATFORM.items():
                    self._try(name, partial(of_platform, self._scale, platform), self.curves)
                self._keep_logs(platform)

    def _measure_platform(self, platform: RunningPlatform, folder: Path) -> None:
        """The parts that need all processes."""
        self._try(whole_platform.NAME, partial(whole_platform.run, self._scale, platform), self.rows)
        if not platform.record.launcher:
            platform.start()
        self._try(sign_in.NAME, partial(sign_in.run, self._scale, platform), self.rows)
        self._try(rights.NAME, partial(rights.run, self._scale, platform, folder), self.rows)
        self._try(cuts.NAME, partial(cuts.run, self._scale, platform, folder), self.rows)
        self._try(data_bus.NAME, partial(data_bus.run, self._scale, platform), self.rows)
        if set(WITH_DEVICES).isdisjoint(self._names):
            return
        devices = flash(platform, self._scale.devices, folder / "flocks")
        self._try(audited_change.NAME, partial(audited_change.run, self._scale, platform, devices), self.rows)
        # A storm is measured by the joins of the same run.
        name = joins.NAME if joins.NAME in self._names or storm.NAME not in self._names else storm.NAME
        joined = self._try(name, partial(joins.run, self._scale, folder, platform, devices), self.rows)
        if joined:
            rate = joins.joins_a_second(joined)
            self._try(storm.NAME, partial(storm.run, self._scale, folder, platform, devices, rate), self.rows)
        self._try(log.NAME, partial(log.run, self._scale, platform), self.rows)  # last: it leaves many entries

    def _keep_logs(self, platform: RunningPlatform) -> None:
        """What its processes said, where a part broke: the platform goes, and with it why."""
        if self.broken:
            kept = FIGURES / "logs"
            shutil.rmtree(kept, ignore_errors=True)
            shutil.copytree(platform.state.log, kept)
            say(f"what the platform's processes said is in {kept}")

    def _try(self, name: str, part: Callable[[], list[Measured]], kept: list[Measured]) -> list[Measured]:
        """What one part found, if it is wanted. One that breaks is told, and the others go on."""
        if name not in self._names:
            return []
        say(name)
        try:
            with _limited(self._scale.limit_s):
                found = part()
        except Exception:  # noqa: BLE001 - whatever it is, an hour of figures must not be lost for it
            say(f"{name} could not be measured")
            traceback.print_exc()
            self.broken.append(name)
            return []
        kept += found
        return found


@contextmanager
def _platform() -> Iterator[RunningPlatform]:
    """One that is to be started, and is ended whatever happens."""
    with ExitStack() as ending:
        platform = RunningPlatform()
        ending.callback(platform.stop)
        yield platform


@contextmanager
def _limited(seconds: float) -> Iterator[None]:
    """Give up what takes longer."""

    def give_up(*_: Any) -> None:
        raise TimeoutError(f"it took longer than {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


if __name__ == "__main__":
    sys.exit(main())
