"""kill -9 of each process in turn, with a fleet online: everything is right again within 30 s with no hand."""

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.harness.clients import Account, authid_of, new_name, refusal, run_aside
from tests.harness.commands import Flockctl
from tests.harness.fleet import RunningFleet
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until
from tests.integration.router_node.wire import ClosedError, WampError

pytestmark = pytest.mark.real

RIGHT_AGAIN_S = 30.0
SERVICES = ["auth", "realms", "devices", "privileges", "audit", "gateway", "fleetdb", "tunnels"]
PROCESSES = ["router", "postgres", "provisioner", *SERVICES]


@pytest.fixture(scope="module", params=[40, pytest.param(200, marks=pytest.mark.soak)])
def fleet(
    request: pytest.FixtureRequest, ironflock: RunningPlatform, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningFleet]:
    owner = Account(ironflock, ironflock.owner_key)
    flockctl = Flockctl(ironflock, tmp_path_factory.mktemp("fleet"))
    size, project = request.param, new_name("fleet")
    with flockctl.running("simulate", "--devices", str(size), "--project", project) as simulation:
        running = RunningFleet(simulation, owner, project, size)
        wait_until(running.is_right, 60.0, "the fleet is online")
        yield running
        simulation.interrupt(30)
        wait_until(lambda: running.connected() == set(), 10.0, "the fleet is offline once it has left")


def is_whole(platform: RunningPlatform, fleet: RunningFleet, name: str, killed: int) -> bool:
    """Whether the process runs again, every part is healthy, and the registry is right."""
    return platform.is_back(name, killed) and fleet.is_right()


@pytest.mark.parametrize("name", PROCESSES)
def test_everything_is_right_again_within_30_s_after_one_process_was_killed(
    ironflock: RunningPlatform, fleet: RunningFleet, owner: Account, name: str
) -> None:
    lines = len(fleet.simulation.lines)
    killed = ironflock.kill(name)

    if name == "router":
        wait_until(lambda: fleet.have_left(lines), RIGHT_AGAIN_S, "every device has lost its session")
    wait_until(
        lambda: is_whole(ironflock, fleet, name, killed),
        RIGHT_AGAIN_S,
        lambda: f"all is right after {name} was killed; unready: {ironflock.unready()}; {fleet.astray()}",
    )
    assert owner.flashed()["secret"]


def test_everything_is_right_again_after_all_services_were_killed_at_once(
    ironflock: RunningPlatform, fleet: RunningFleet
) -> None:
    killed = {name: ironflock.kill(name) for name in SERVICES}

    wait_until(
        lambda: ironflock.are_back(killed) and fleet.is_right(),
        RIGHT_AGAIN_S,
        "all is right",
    )


@pytest.mark.parametrize("name", ["devices", "realms", "auth", "postgres", "router"])
def test_a_command_given_while_a_part_is_away_is_carried_out_once_when_it_is_back(
    ironflock: RunningPlatform, flockctl: Flockctl, owner: Account, name: str
) -> None:
    project, device = owner.project(), new_name("press")
    killed = ironflock.kill(name)

    outcome = flockctl.run("device", "create", "--project", str(project), device, "--wait", "30")

    assert outcome.status == 0, outcome.err
    wait_until(lambda: ironflock.is_back(name, killed), RIGHT_AGAIN_S, f"{name} is back")
    listed = owner.call("ironflock.devices.device.list", project=project)["devices"]
    assert [each["name"] for each in listed] == [device]


@pytest.mark.parametrize("name", ["devices", "router"])
def test_a_device_that_leaves_while_nobody_can_take_note_is_offline_all_the_same(
    ironflock: RunningPlatform, flockctl: Flockctl, owner: Account, name: str
) -> None:
    project = new_name("leaving")
    with flockctl.running("simulate", "--devices", "3", "--project", project) as simulation:
        leaving = RunningFleet(simulation, owner, project, 3)
        wait_until(leaving.is_right, 20.0, "the devices are online")
        killed = ironflock.kill(name)
        simulation.send(signal.SIGKILL)

        wait_until(lambda: ironflock.is_back(name, killed), RIGHT_AGAIN_S, f"{name} is back")
        wait_until(lambda: leaving.connected() == set(), RIGHT_AGAIN_S, "the devices are offline")


def test_the_parts_that_miss_the_router_say_so_until_it_is_back(ironflock: RunningPlatform) -> None:
    router = ironflock.pid("router")
    os.kill(router, signal.SIGSTOP)
    try:
        expected = {"router", "auth", "realms", "devices"}
        wait_until(lambda: expected <= ironflock.unready().keys(), 20.0, "the services say that the bus is away")
    finally:
        os.kill(router, signal.SIGCONT)

    wait_until(lambda: not ironflock.unready(), RIGHT_AGAIN_S, "all is well again")


@pytest.mark.parametrize(
    ("verb", "transit", "name"), [("flash", "flashing", "devices"), ("delete", "deleting", "auth")]
)
def test_what_a_crash_interrupts_between_two_services_is_brought_to_its_end_by_itself(
    ironflock: RunningPlatform, owner: Account, verb: str, transit: str, name: str
) -> None:
    old = owner.flashed()
    key = old["device_key"]
    with ironflock.database() as connection, ThreadPoolExecutor(1) as aside:
        with connection.transaction():
            connection.execute("LOCK TABLE auth.device_credential IN ACCESS EXCLUSIVE MODE")  # auth stops here
            calling = aside.submit(owner.call, f"ironflock.devices.device.{verb}", device=key)
            wait_until(lambda: state_of(ironflock, key) == transit, 5.0, "it has begun")
            killed = ironflock.kill(name)
        with pytest.raises((WampError, ClosedError)):
            calling.result(20)
        wait_until(lambda: ironflock.is_back(name, killed), RIGHT_AGAIN_S, f"{name} is back")
        # Others are given half a minute to finish it themselves; that has passed now.
        connection.execute("UPDATE devices.device SET state_since = state_since - interval '1 minute'")

    wait_until(lambda: state_of(ironflock, key) in (None, "flashed"), 20.0, "it is finished")
    assert state_of(ironflock, key) == ("flashed" if verb == "flash" else None)
    found = run_aside(refusal(ironflock, "/ws-re-dev", "realm1", authid_of(old), old["secret"]))
    assert found[0].startswith("wamp.error.")
    assert verb == "delete" or owner.flash(key)["secret"]


def state_of(platform: RunningPlatform, device_key: int) -> str | None:
    """The device's state as its row has it; None when it is gone."""
    with platform.database() as connection:
        row = connection.execute("SELECT state FROM devices.device WHERE device_key = %s", [device_key]).fetchone()
    return None if row is None else str(row[0])
