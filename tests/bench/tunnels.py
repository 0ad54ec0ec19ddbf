"""Tunnels: octets a second each way, new visitors a second, and how much later an answer comes.

The reference is a bare TLS relay of the same library, in a process of its own as the edge is: the device dials it too,
one TLS connection a visitor, and it passes octets on. Visitors (plain TCP) and the device are this process, for both.
"""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from threading import Thread
from typing import Final

from attrs import evolve, frozen

from deploy.local.state import REPOSITORY
from tests.bench.figures import Pair, Row, at_least, at_most, percentile, plain_row, ratio_row
from tests.bench.processes import cpu_s
from tests.bench.rounds import interleave, pairs, say
from tests.bench.scale import Scale
from tests.bench.tunnel_devices import CHUNK, ECHO, LOCAL, SINK, SOURCE, RelayDevice, TunnelDevice
from tests.harness.frpc import built_frps
from tests.harness.go_programs import NoProgramError
from tests.harness.ports import free_ports
from tests.harness.waiting import wait_until
from tests.integration.flockctl.certificates import make_certificates

NAME: Final = "tunnels"
BYTES: Final = at_least(0.85)
CONNECTIONS: Final = at_least(0.75)
LATENCY_MS: Final = at_most(1.0)
MIB: Final = 1_048_576
AT_ONCE: Final = (1, 16)
ANSWERS: Final = 500
WARM_UP_S: Final = 0.2

Work = Callable[[int, socket.socket, float], None]
"""What visitor number n does with its connection, until when."""


@frozen
class Side:
    """The edge or the relay, with its device."""

    process: int
    visitors: int
    swallowed: Callable[[], int]

    def connect(self, kind: bytes) -> socket.socket:
        """A visitor that wants `kind`."""
        visitor = socket.create_connection((LOCAL, self.visitors), timeout=30)
        visitor.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        visitor.sendall(kind)
        return visitor


@frozen
class Moved:
    """What a measurement moved: MiB a second, and seconds of the side's processor for each GiB."""

    rate: float
    cpu: float


def run(scale: Scale, folder: Path) -> list[Row]:
    """The rows."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as ending:
        ours = ending.enter_context(_side("edge", folder))
        reference = ending.enter_context(_side("relay", folder))
        rows = [*_octets(scale, ours, reference), *_visits(scale, ours, reference), _latency(scale, ours, reference)]
        try:
            stock = ending.enter_context(_stock(folder))
        except NoProgramError as error:
            say(str(error))
            return rows
        return [*rows, *_by_stock(scale, ours, stock)]


def _by_stock(scale: Scale, ours: Side, stock: Side) -> list[Row]:
    """The same against frps 0.70.0; what it is written in is not what the bar is about."""
    rows = [*_octets(scale, ours, stock), *_visits(scale, ours, stock)]
    return [evolve(row, what=f"{row.what}, by frps", bar=None) for row in rows]


def _octets(scale: Scale, ours: Side, reference: Side) -> Iterator[Row]:
    yield from _one_way(scale, ours, reference, "to visitors", _downloaded)
    yield from _one_way(scale, ours, reference, "to the device", _uploaded)


def _one_way(
    scale: Scale, ours: Side, reference: Side, title: str, measure: Callable[[Side, int, float], Moved]
) -> Iterator[Row]:
    for side in (ours, reference):
        measure(side, 1, WARM_UP_S)
    found = interleave(
        scale.at_once,
        scale.rounds,
        lambda count: measure(ours, count, scale.seconds),
        lambda count: measure(reference, count, scale.seconds),
    )
    for count, results in found.items():
        what = f"octets {title}, {count} at once"
        yield ratio_row(NAME, what, "MiB/s", pairs(results, lambda each: each.rate), BYTES)
        yield ratio_row(NAME, f"{what}: CPU of a GiB", "s", pairs(results, lambda each: each.cpu))


def _visits(scale: Scale, ours: Side, reference: Side) -> Iterator[Row]:
    found = interleave(
        AT_ONCE,
        scale.rounds,
        lambda count: _visited(ours, count, scale.seconds),
        lambda count: _visited(reference, count, scale.seconds),
    )
    for count, results in found.items():
        yield ratio_row(NAME, f"new visitors, {count} at once", "/s", pairs(results, float), CONNECTIONS)


def _latency(scale: Scale, ours: Side, reference: Side) -> Row:
    found = interleave([1], scale.rounds, lambda _: _answered_ms(ours), lambda _: _answered_ms(reference))[1]
    measured = [Pair(*each) for each in found]
    note = ", ".join(f"{pair.ours:.3f} by {pair.reference:.3f}" for pair in measured)
    added = [pair.ours - pair.reference for pair in measured]
    return plain_row(NAME, "added latency of an answer, p50", "ms", added, LATENCY_MS, note=f"ms: {note}")


def _downloaded(side: Side, count: int, seconds: float) -> Moved:
    taken = [0] * count

    def take(number: int, visitor: socket.socket, until: float) -> None:
        room = bytearray(262_144)
        while time.perf_counter() < until:
            taken[number] += visitor.recv_into(room)

    return _moved(side, [side.connect(SOURCE) for _ in taken], seconds, take, lambda: sum(taken))


def _uploaded(side: Side, count: int, seconds: float) -> Moved:
    def give(_number: int, visitor: socket.socket, until: float) -> None:
        while time.perf_counter() < until:
            visitor.sendall(CHUNK)

    return _moved(side, [side.connect(SINK) for _ in range(count)], seconds, give, side.swallowed)


def _moved(side: Side, visitors: list[socket.socket], seconds: float, work: Work, moved: Callable[[], int]) -> Moved:
    """What `visitors` move, each doing its `work` in a thread."""
    began, used, before = time.perf_counter(), cpu_s(side.process), moved()
    threads = [Thread(target=work, args=[at, each, began + seconds]) for at, each in enumerate(visitors)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    octets, elapsed = moved() - before, time.perf_counter() - began
    cpu = cpu_s(side.process) - used
    for visitor in visitors:
        visitor.close()
    return Moved(octets / MIB / elapsed, cpu / (octets / MIB / 1024))


def _visited(side: Side, count: int, seconds: float) -> float:
    """Visitors a second who come, get one answer and go, `count` at once."""
    done = [0] * count

    def come(number: int, until: float) -> None:
        while time.perf_counter() < until:
            with side.connect(ECHO) as visitor:
                done[number] += bool(visitor.recv(1))

    began = time.perf_counter()
    threads = [Thread(target=come, args=[number, began + seconds]) for number in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(done) / (time.perf_counter() - began)


def _answered_ms(side: Side) -> float:
    """How long an answer takes, in the middle."""
    with side.connect(ECHO) as visitor:
        visitor.recv(1)
        return percentile([_asked(visitor) for _ in range(ANSWERS)], 0.5) * 1000


def _asked(visitor: socket.socket) -> float:
    began = time.perf_counter()
    visitor.sendall(bytes(64))
    visitor.recv(64, socket.MSG_WAITALL)
    return time.perf_counter() - began


@contextmanager
def _stock(folder: Path) -> Iterator[Side]:
    """Stock frps, if it can be built here."""
    port, visitors = free_ports(2)
    file = folder / "frps.json"
    file.write_text(json.dumps({"bindAddr": LOCAL, "bindPort": port, "log": {"level": "error"}}), encoding="utf-8")
    process = subprocess.Popen([built_frps(), "-c", file], stdout=subprocess.DEVNULL)
    try:
        wait_until(lambda: _answers(port), 10, "frps listens")
        with TunnelDevice(port, visitors) as device:
            yield Side(process.pid, visitors, lambda: device.swallowed)
    finally:
        process.kill()
        process.wait()


def _answers(port: int) -> bool:
    try:
        socket.create_connection((LOCAL, port), timeout=5).close()
    except OSError:
        return False
    return True


@contextmanager
def _side(which: str, folder: Path) -> Iterator[Side]:
    certificates = make_certificates(folder)
    files = [str(certificates.certificate), str(certificates.key)]
    command = [sys.executable, "-m", "tests.bench.tunnel_sides", which, *files]
    process = subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        devices, visitors = map(int, process.stdout.readline().split())
        with (TunnelDevice if which == "edge" else RelayDevice)(devices) as device:
            yield Side(process.pid, visitors, lambda: device.swallowed)
    finally:
        process.kill()
        process.wait()
