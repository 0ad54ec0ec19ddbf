"""A platform of two cells: each project is served in its own, and notices nothing of another one's end."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from threading import Event
from typing import Any, Final

import pytest
from attrs import evolve, frozen

from deploy.flockctl.simulator.agent import Agent
from deploy.flockctl.simulator.flock import flock_from_content
from deploy.flockctl.simulator.lifecycle import Outcome, State
from deploy.flockctl.simulator.surroundings import surroundings
from deploy.flockctl.simulator.wire import SIGNATURE_IS_INVALID
from deploy.local.settings import SECOND_ROUTER
from tests.e2e.test_device_operations import a_terminal_is_typed_into, an_update_is_followed
from tests.e2e.test_tunnels import Site, dropped, echoed
from tests.harness.app_load import TABLE, WritingApp, assert_every_answered_row_is_there_once
from tests.harness.clients import Account, authid_of, join_device, refusal
from tests.harness.commands import Flockctl
from tests.harness.placed_apps import place_apps
from tests.harness.relay import Relay
from tests.harness.rest import RestClient
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until
from tests.integration.flockctl import reactor_thread
from tests.integration.flockctl.reactor_thread import reactor, wait

# Soak: a platform of its own, with two routers, started for it alone.
pytestmark = [pytest.mark.real, pytest.mark.soak, pytest.mark.timeout(600)]
WITHIN_S: Final = 60.0
CELLS: Final = ("first", "second")


@frozen
class Cells:
    """The platform, and what is in each of its cells."""

    platform: RunningPlatform
    owner: Account
    flockctl: Flockctl

    def port(self, cell: str) -> int:
        """What devices, apps and people dial there."""
        ports = self.platform.ports
        return ports.router_public if cell == "first" else ports.second_router_public

    def place_in(self, cell: str) -> None:
        """From now on projects come to `cell`."""
        for each in CELLS:
            self.flockctl.json("placement", "cell", "open" if each == cell else "close", each)

    def flashed(self, cell: str) -> dict[str, Any]:
        """A new device of a new project in `cell`."""
        self.place_in(cell)
        flock = dict(self.owner.flashed())
        assert flock["device_endpoint_url"] == f"wss://localhost:{self.port(cell)}/ws-re-dev"
        return flock

    def becomes(self, flock: dict[str, Any], status: str) -> None:
        """The registry says so of the device."""
        wait_until(lambda: self.owner.status(flock["device_key"]) == status, WITHIN_S, f"the device is {status}")

    @asynccontextmanager
    async def writing_in(self, *cells: str) -> AsyncIterator[list[WritingApp]]:
        """An app in each of `cells` that writes while the block runs."""
        apps: list[WritingApp] = []
        for cell in cells:
            await asyncio.to_thread(self.place_in, cell)
            apps += [WritingApp(app) for app in await place_apps(self.platform, self.owner, 1, [TABLE])]
        assert [each.app.port for each in apps] == [self.port(cell) for cell in cells]
        for each in apps:
            await each.stored()
        ended = Event()
        writing = [asyncio.create_task(each.write(ended)) for each in apps]
        try:
            yield apps
        finally:
            ended.set()
            await asyncio.gather(*writing)


@pytest.fixture(scope="module", name="two")
def fixture_two(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cells]:
    """A platform with a second cell, which placement knows."""
    platform = RunningPlatform()
    platform.environment["IRONFLOCK_LOCAL_CELLS"] = "2"
    platform.ports = evolve(platform.ports, has_second_cell=True)
    reactor_thread.start()
    try:
        platform.start()
        cells = Cells(
            platform, Account(platform, platform.owner_key), Flockctl(platform, tmp_path_factory.mktemp("operator"))
        )
        [first] = cells.flockctl.json("placement", "cell", "list")["cells"]
        endpoint = ("--endpoint", f"wss://localhost:{cells.port('second')}")
        cells.flockctl.json(
            "placement", "cell", "add", "second", "--region", first["region"], *endpoint, "--capacity", "99"
        )
        yield cells
    finally:
        platform.stop()


def findings(two: Cells) -> list[dict[str, Any]]:
    """What doctor finds of cells, processes, ports and certificates."""
    chosen = [word for code in ("cell", "part", "listener", "certificate") for word in ("--only", code)]
    found: list[dict[str, Any]] = json.loads(two.flockctl.run("doctor", *chosen).out)["findings"]
    return found


def test_doctor_and_status_find_two_well_cells(two: Cells) -> None:
    assert findings(two) == []
    assert SECOND_ROUTER in two.platform.local("status")
    assert two.flockctl.json("status")["parts"].keys() >= {"router", SECOND_ROUTER}


def test_an_agent_is_refused_in_another_cell_as_a_stranger_is_and_goes_on_when_led_to_its_own(two: Cells) -> None:
    flock = two.flashed("second")
    right = (authid_of(flock), flock["secret"])
    refused, stranger, at_home = (
        asyncio.run(refusal(two.platform, "/ws-re-dev", "realm1", authid, secret, port=two.port(cell)))
        for authid, secret, cell in (
            (*right, "first"),
            (right[0], "wrong", "first"),
            (right[0], "wrong", "second"),
        )
    )
    assert refused[:2] == stranger[:2] == at_home[:2]
    assert SIGNATURE_IS_INVALID not in str(refused)
    with Relay(two.port("first")) as relay:
        led = {**flock, "device_endpoint_url": f"wss://localhost:{relay.port}/ws-re-dev"}
        told: list[Any] = []
        agent = Agent(flock_from_content(led), surroundings(reactor, two.platform.state.ca_certificate), told.append)
        reactor.callFromThread(agent.start)
        wait_until(lambda: sum(each.state is State.OFFLINE for each in told) > 1, WITHIN_S, "it was refused twice")
        assert agent.outcome is not Outcome.SIGNATURE_REFUSED
        assert not agent.ended.called

        relay.lead_to(two.port("second"))

        try:
            two.becomes(flock, "CONNECTED")
        finally:
            wait(agent.stop())
    log = (two.platform.state.log / "router.log").read_text()
    assert any('"second"' in line and "other_cell" in line for line in log.splitlines())


def test_people_reach_a_device_of_the_second_cell_as_any_other(two: Cells) -> None:
    flocks = {cell: two.flashed(cell) for cell in CELLS}
    rest = RestClient(two.platform, two.owner.api_key)
    for cell, flock in flocks.items():
        (two.flockctl.folder / f"{cell}.flock").write_text(json.dumps(flock), encoding="utf-8")
    with (
        two.flockctl.running("simulate", "--flock", "first.flock"),
        two.flockctl.running("simulate", "--flock", "second.flock"),
    ):
        for flock in flocks.values():
            two.becomes(flock, "CONNECTED")
            answered = rest.ask("POST", f"/devices/{flock['device_key']}/exec", {"command": "ls"})
            assert answered.json["answer"] == "simulated\n"
            assert rest.ask("GET", f"/devices/{flock['device_key']}/logs").json["answer"]["lines"] == []
        device = str(flocks["second"]["device_key"])
        an_update_is_followed(two.flockctl, device)
        a_terminal_is_typed_into(two.flockctl, device)


@pytest.mark.asyncio
async def test_a_tunnel_of_a_device_of_the_second_cell_is_visited(two: Cells) -> None:
    await asyncio.to_thread(two.place_in, "second")
    site = await asyncio.to_thread(Site, two.platform, two.owner)
    async with await join_device(two.platform, site.flock, port=two.port("second")) as agent:
        said = {"swarm_key": site.project, "device_key": site.device, "status": "CONNECTED"}
        await agent.call("reswarm.devices.update_device_status", said)
        client, _ = await site.client(agent)
        with site.opened(site.key_of_owner) as visit:
            assert echoed(visit, b"y" * 300_000) == b"y" * 300_000
        reactor_thread.wait(dropped(client))


@pytest.mark.asyncio
async def test_the_death_of_the_second_router_is_noticed_in_the_second_cell_alone(two: Cells) -> None:
    flocks = {cell: await asyncio.to_thread(two.flashed, cell) for cell in CELLS}
    around = surroundings(reactor, two.platform.state.ca_certificate)
    agents = {cell: Agent(flock_from_content(flock), around) for cell, flock in flocks.items()}
    for agent in agents.values():
        reactor.callFromThread(agent.start)
    for flock in flocks.values():
        await asyncio.to_thread(two.becomes, flock, "CONNECTED")
    session = agents["first"].session_id
    async with two.writing_in(*CELLS) as (first, second):
        before = len(first.answered), len(second.answered)
        killed = two.platform.kill(SECOND_ROUTER)

        def signed_in() -> None:
            assert Account(two.platform, two.owner.api_key).call("ironflock.auth.account.me")
            assert two.owner.status(flocks["first"]["device_key"]) == "CONNECTED"

        await asyncio.to_thread(signed_in)
        await asyncio.to_thread(wait_until, lambda: two.platform.is_back(SECOND_ROUTER, killed), WITHIN_S, "it is back")
        await asyncio.to_thread(two.becomes, flocks["second"], "CONNECTED")
        back = len(second.answered)
        await asyncio.to_thread(
            wait_until,
            lambda: len(second.answered) > back + 9 and len(first.answered) > before[0] + 9,
            WITHIN_S,
            "rows",
        )
        assert (first.lost, dict(first.refusals)) == ([], {})
        assert second.lost
        assert agents["first"].session_id == session
        assert agents["second"].state is State.ONLINE
    for agent in agents.values():
        await asyncio.to_thread(wait, agent.stop())
    assert await assert_every_answered_row_is_there_once([first, second]) > sum(before)


def test_new_secrets_of_services_reach_both_cells_and_another_authority_cuts_nobody_in_them(two: Cells) -> None:
    flocks = [two.flashed(cell) for cell in CELLS]
    around = surroundings(reactor, two.platform.state.ca_certificate)
    agents = [Agent(flock_from_content(flock), around) for flock in flocks]
    for agent in agents:
        reactor.callFromThread(agent.start)
    for flock in flocks:
        two.becomes(flock, "CONNECTED")

    two.platform.local("rotate", "bus-secrets")

    # Who had connected within 30 s before a process that agents call was away was told to come again.
    wait_until(lambda: all(agent.state is State.ONLINE for agent in agents), WITHIN_S, "the agents are there")
    before = [agent.session_id for agent in agents]
    two.platform.local("rotate", "ca")

    assert [agent.session_id for agent in agents] == before
    assert None not in before
    assert findings(two) == []
    for agent in agents:
        wait(agent.stop())
