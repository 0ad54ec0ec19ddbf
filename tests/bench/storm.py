"""The reconnect storm: flashed devices, simulated by a second process, return after the router was killed.

`flockctl simulate` dials as the agent does (1.25 s, again after 1 s, at most 48 at once between dialling and being
online). Over is the storm when the registry says CONNECTED of every device, since after the kill.
"""

import os
import signal
import socket
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from tests.bench.consumption import consumption
from tests.bench.figures import Pair, Row, at_most, plain_row, ratio_row
from tests.bench.fleet import Device
from tests.bench.processes import age_s
from tests.bench.rounds import pause, say
from tests.bench.scale import Scale
from tests.harness.commands import Flockctl
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until

NAME: Final = "storm"
BAR: Final = at_most(1.3)
NONE_MISSING: Final = at_most(0)
MEASURED_DEVICES: Final = 5000
ENDS_BY_ITSELF_S: Final = 1800
ONLINE_A_SECOND: Final = 10
"""Less than any machine brings about: how long is waited for a fleet."""
ROUTER_LIVES_S: Final = 11.0
"""A process that lived this long is started again at once by its supervisor."""


@frozen
class Storm:
    """Seconds from the kill until the public listener was open again, and until all were online by the registry.

    `missing` are those that the registry did not show any more a little later; `note` says who did the work.
    """

    open_s: float
    online_s: float
    missing: int
    note: str


def run(
    scale: Scale, folder: Path, platform: RunningPlatform, devices: Sequence[Device], joins_a_second: float
) -> list[Row]:
    """The rows of each size."""
    rows: list[Row] = []
    for size, rounds in scale.storms:
        rows += _rows(size, _storms(scale, folder, platform, devices[:size], rounds), joins_a_second)
    return rows


def _rows(size: int, storms: Sequence[Storm], joins_a_second: float) -> list[Row]:
    what = f"reconnect storm, {size} devices"
    bar = BAR if size == MEASURED_DEVICES else None
    ideal = size / joins_a_second
    note = f"against {size} devices / {joins_a_second:.0f} joins a second"
    returned = [Pair(storm.online_s, ideal) for storm in storms]
    after_opening = [Pair(storm.online_s - storm.open_s, ideal) for storm in storms]
    return [
        ratio_row(NAME, f"{what}: all online", "s", returned, bar, note=note),
        ratio_row(NAME, f"{what}: online, after the opening", "s", after_opening, note=storms[-1].note),
        plain_row(NAME, f"{what}: listener open", "s", [storm.open_s for storm in storms]),
        plain_row(
            NAME, f"{what}: missing in the registry", "", [float(storm.missing) for storm in storms], NONE_MISSING
        ),
    ]


def _storms(
    scale: Scale, folder: Path, platform: RunningPlatform, devices: Sequence[Device], rounds: int
) -> list[Storm]:
    patience_s = 60.0 + len(devices) / ONLINE_A_SECOND
    with ExitStack() as ending:
        flocks = [word for device in devices for word in ("--flock", str(device.file))]
        flockctl = Flockctl(platform, folder)
        _ = ending.enter_context(flockctl.running("simulate", *flocks, "--for", str(ENDS_BY_ITSELF_S)))
        connection = ending.enter_context(platform.database())
        keys = [device.key for device in devices]
        (long_ago,) = _row(connection, "SELECT now() - interval '1 day'")
        wait_until(lambda: _online(connection, keys, long_ago) == len(keys), patience_s, "the fleet is online")
        storms = []
        for number in range(rounds):
            wait_until(lambda: age_s(platform.pid("router")) > ROUTER_LIVES_S, patience_s, "the router is settled")
            storms.append(_storm(platform, connection, keys, patience_s, scale.rest_s))
            say(f"storm {number + 1} of {rounds} with {len(keys)} devices: {storms[-1].online_s:.1f} s")
    return storms


def _storm(platform: RunningPlatform, connection: Any, keys: list[int], patience_s: float, rest_s: float) -> Storm:
    (killed_at,) = _row(connection, "SELECT clock_timestamp()")
    killed = platform.pid("router")
    began = time.perf_counter()
    os.kill(killed, signal.SIGKILL)
    wait_until(lambda: not Path(f"/proc/{killed}").exists(), patience_s, "the router is gone")
    wait_until(lambda: _listens(platform.ports.router_public), patience_s, "the public listener is open")
    opened, before = time.perf_counter() - began, consumption(platform)
    wait_until(lambda: _online(connection, keys, killed_at) == len(keys), patience_s, "all devices are back")
    online = time.perf_counter() - began
    note = consumption(platform).note(before, "a device that comes back", len(keys))
    pause(rest_s)
    return Storm(opened, online, len(keys) - _online(connection, keys, killed_at), note)


def _online(connection: Any, keys: list[int], since: Any) -> int:
    query = (
        "SELECT count(*) FROM devices.device WHERE device_key = ANY (%s) AND status = 'CONNECTED' AND status_since > %s"
    )
    (number,) = _row(connection, query, [keys, since])
    return int(number)


def _row(connection: Any, query: str, values: list[Any] | None = None) -> Any:
    return connection.execute(query, values).fetchone()


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
