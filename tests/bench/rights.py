"""A check of a right: in process, over the bus, and 1,000 at once over REST, in projects of 10 to 100,000 grants.

The one reference is an RPC that does nothing: through the same router, answered at once by a bare socket. A second one,
without a bar, is a procedure of the same service that asks no database: what lies between the two is what it costs that
a service answers. Each number of grants is also paired with the smallest one in the same round, so that a ratio of one
is a cost that stays flat.
"""

import http.client
import json
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

from tests.bench.crowds import Crowd, crowd_of, decided, holdings_known, middle_us, over_the_bus
from tests.bench.figures import P99, Row, at_most, plain_row, ratio_row
from tests.bench.fleet import REALM, devices_address, flash
from tests.bench.keeper import Keeper
from tests.bench.rounds import interleave, pairs
from tests.bench.scale import Scale
from tests.bench.wamp_socket import CALL, REGISTER, Address, WampSocket
from tests.harness.running import RunningPlatform

NAME: Final = "rights"
SIZES: Final = (10, 1_000, 100_000)
BATCHES: Final = (10, 100, 1_000)
FLAT: Final = at_most(1.2)
OVER_NOTHING: Final = at_most(1.15)
IN_PROCESS_US: Final = at_most(50.0)


def run(scale: Scale, platform: RunningPlatform, folder: Path) -> list[Row]:
    """The rows, by the number of grants and by how many are asked about at once."""
    crowds = {size: crowd_of(platform, size) for size in SIZES}
    with platform.database() as connection:
        connection.execute("ANALYZE privileges.held_flag, privileges.member, privileges.asset, privileges.domain")
    return [
        *_rows(scale, "flag.check over the bus", lambda size: over_the_bus(platform, crowds[size], scale.seconds)),
        *_rows(scale, "decide at a decision point", lambda size: decided(platform, crowds[size], scale.seconds)),
        *_rows(
            scale,
            "holdings read for a decision point",
            lambda size: holdings_known(platform, crowds[size], scale.seconds),
        ),
        *(_tail(scale, platform, crowds[size]) for size in SIZES),
        *_by_nothing(scale, platform, crowds[SIZES[-1]], folder),
    ]


def _rows(scale: Scale, what: str, measure: Callable[[int], float]) -> list[Row]:
    smallest = SIZES[0]
    results = interleave(SIZES[1:], scale.rounds, measure, lambda _: measure(smallest))
    return [
        ratio_row(
            NAME,
            f"{what}, {size:,} grants against {smallest}",
            "us",
            pairs(found, float),
            FLAT if size == SIZES[-1] and "holdings" not in what else None,
        )
        for size, found in results.items()
    ]


def _tail(scale: Scale, platform: RunningPlatform, crowd: Crowd) -> Row:
    taken = [decided(platform, crowd, scale.seconds, P99) for _ in range(scale.rounds)]
    bar = IN_PROCESS_US if crowd.grants == SIZES[-1] else None
    return plain_row(NAME, f"decide at a decision point: p99, {crowd.grants:,} grants", "us", taken, bar)


def _by_nothing(scale: Scale, platform: RunningPlatform, crowd: Crowd, folder: Path) -> Iterator[Row]:
    """What a check costs above an RPC that does nothing."""
    seconds = scale.seconds
    with _nothing(platform, folder) as nothing:

        def against(measure: Callable[[Any], float], cases: tuple[Any, ...]) -> dict[Any, list[tuple[float, float]]]:
            return interleave(cases, scale.rounds, measure, lambda _: middle_us(nothing, seconds))

        checks = against(lambda _: over_the_bus(platform, crowd, seconds), (1,))[1]
        yield ratio_row(
            NAME, "flag.check over the bus, by an RPC that does nothing", "us", pairs(checks, float), OVER_NOTHING
        )
        idle = against(lambda _: _listed(platform, crowd, seconds), (1,))[1]
        what = "a procedure of the same service that asks no database, by an RPC that does nothing"
        yield ratio_row(NAME, what, "us", pairs(idle, float))
        with closing(_Rest(platform, crowd)) as rest:
            batches = against(lambda count: rest.each_us(count, seconds), BATCHES)
        for count, found in batches.items():
            what = f"one check of a REST batch of {count:,}, by an RPC that does nothing"
            note = f"the batch takes {min(ours for ours, _ in found) * count / 1000:.1f} ms at best"
            yield ratio_row(NAME, what, "us", pairs(found, float), note=note)


def _listed(platform: RunningPlatform, crowd: Crowd, seconds: float) -> float:
    address = Address(platform.ports.router_public, "/ws-usr", platform.tls)
    with WampSocket.connect(address).join_by_ticket(REALM, crowd.asker.account.api_key) as person:
        return middle_us(lambda: person.call("ironflock.privileges.flag.list"), seconds)


@contextmanager
def _nothing(platform: RunningPlatform, folder: Path) -> Iterator[Callable[[], object]]:
    """A call of a service to a device, which answers at once."""
    (device,) = flash(platform, 1, folder / "rights-flocks", "bench-rights")
    serial = json.loads(device.file.read_text(encoding="utf-8"))["serial_number"]
    uri = f"re.mgmt.{serial}.bench"
    services = Address(platform.ports.router_services, "/ws-svc", platform.tls)
    secret = platform.secret("bus/svc_devices")
    with Keeper() as keeper, WampSocket.connect(services).join(REALM, "svc_devices", secret) as caller:
        callee = WampSocket.connect(devices_address(platform)).join(REALM, device.authid, device.secret)
        callee.request(REGISTER, {}, uri)
        keeper.hold(callee, lambda _: None)
        yield lambda: caller.request(CALL, {}, uri)


class _Rest:
    """AuthZEN's `evaluations`, over one connection."""

    def __init__(self, platform: RunningPlatform, crowd: Crowd) -> None:
        self._connection = http.client.HTTPSConnection("localhost", platform.ports.gateway, context=platform.tls)
        bearer = f"Bearer {crowd.asker.account.api_key}"
        self._headers = {"Authorization": bearer, "Content-Type": "application/json"}
        self._crowd = crowd

    def close(self) -> None:
        self._connection.close()

    def each_us(self, count: int, seconds: float) -> float:
        """Microseconds of each of so many checks, asked at once."""
        each = [
            {"resource": {"type": "device", "id": str(self._crowd.device + at % self._crowd.each)}}
            for at in range(count)
        ]
        subject = {"type": "person", "id": str(self._crowd.asker.account_key)}
        asked = json.dumps({"subject": subject, "action": {"name": "READ"}, "evaluations": each}).encode()

        def ask() -> None:
            self._connection.request("POST", "/access/v1/evaluations", asked, self._headers)
            answer = self._connection.getresponse()
            said = json.loads(answer.read())
            assert answer.status == http.HTTPStatus.OK, said
            assert all(decision["decision"] for decision in said["evaluations"]), said

        ask()
        return middle_us(ask, seconds) / count
