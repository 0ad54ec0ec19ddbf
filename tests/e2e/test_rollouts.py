"""A rollout over many stand-in devices of a running platform: it stops at its budget, resumes, and survives a kill."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import pytest
from attrs import define, field

from deploy.flockctl.simulator.agent import Agent
from deploy.flockctl.simulator.apps import Apps, Said, Wish
from deploy.flockctl.simulator.fleet import Fleet
from deploy.flockctl.simulator.flock import Flock, flock_from_content
from deploy.flockctl.simulator.surroundings import Surroundings, surroundings
from tests.e2e.test_app_states import released
from tests.harness.clients import Account, join_person, new_name, run_aside
from tests.harness.commands import Flockctl
from tests.harness.running import RunningPlatform
from tests.harness.waiting import wait_until
from tests.integration.flockctl import reactor_thread
from tests.integration.flockctl.reactor_thread import reactor, wait

pytestmark = pytest.mark.real
ROLLOUT: Final = "ironflock.devices.rollout"
FAILING_ONE_IN: Final = 33
WITHIN_S: Final = 60.0
MADE_AT_ONCE: Final = 16


@define
class CountingApps(Apps):
    """Counts how often the agent said what of its apps."""

    said: Counter[str] = field(factory=Counter)

    def say(self, wish: Wish, said: Said) -> dict[str, Any]:
        """As the agent says it."""
        self.said[said.state] += 1
        return super().say(wish, said)


async def flashed(platform: RunningPlatform, project: int, number: int) -> list[Flock]:
    """So many new devices of the project, some made at once."""
    places = asyncio.Semaphore(MADE_AT_ONCE)
    async with await join_person(platform) as person:

        async def provide() -> Flock:
            async with places:
                made = await person.call("ironflock.devices.device.create", project=project, name=new_name("press"))
                answer = await person.call("ironflock.devices.device.flash", device=made["device_key"])
                return flock_from_content(answer["flock"])

        return list(await asyncio.gather(*(provide() for _ in range(number))))


class Site:
    """A project of many devices, its app, and what its owner does."""

    def __init__(self, platform: RunningPlatform, owner: Account, devices: int) -> None:
        """Make all of it; nobody is connected yet."""
        self.platform, self.owner, self.number = platform, owner, devices
        self.project = owner.project()
        self.flocks: list[Flock] = run_aside(flashed(platform, self.project, devices))
        self.flocks.sort(key=lambda flock: flock.device_key)
        self.app = released(owner, self.project)
        self.around: Surroundings = surroundings(reactor, platform.state.ca_certificate)
        self.apps = {flock.device_key: CountingApps() for flock in self.flocks}

    @contextmanager
    def connected(self) -> Iterator[Fleet]:
        """All devices are online, while the block runs."""
        reactor_thread.start()
        fleet = Fleet(self.flocks, self.around)
        for agent in fleet.agents:
            agent.memory.placed = self.apps[agent.memory.flock.device_key]
        wait(fleet.start(), WITHIN_S + self.number)
        try:
            wait_until(lambda: fleet.all_online.called, WITHIN_S + self.number, "all devices are online")
            yield fleet
        finally:
            wait(fleet.stop(), WITHIN_S)

    def start(self, action: str, **more: Any) -> int:
        """The key of a rollout that was started, for all devices."""
        of_the_app = {} if action == "update_agent" else {"app": self.app, "stage": "PROD"}
        what = {"project": self.project, "action": action, **of_the_app, **more}
        wait_until(
            lambda: sum(self.owner.call(f"{ROLLOUT}.plan", **what)["waves"]) == self.number, WITHIN_S, "all are in it"
        )
        return int(self.owner.call(f"{ROLLOUT}.start", **what)["rollout_key"])

    def shown(self, rollout: int) -> dict[str, Any]:
        """How the rollout is."""
        found: dict[str, Any] = self.owner.call(f"{ROLLOUT}.show", rollout=rollout, limit=1)["rollout"]
        return found

    def count(self, rollout: int, state: str) -> int:
        """How many devices stand so."""
        return sum(wave[state] for wave in self.shown(rollout)["waves"])

    def becomes(self, rollout: int, state: str) -> dict[str, Any]:
        """The rollout as it is in that state."""
        within_s = WITHIN_S + self.number / 4
        wait_until(lambda: self.shown(rollout)["state"] == state, within_s, f"the rollout is {state}")
        return self.shown(rollout)

    def revisions(self) -> set[int]:
        """How often something was wanted of the app, on each device."""
        with self.platform.database() as connection:
            rows = connection.execute("SELECT revision FROM devices.device_app WHERE app_key = %s", [self.app])
            return {int(row[0]) for row in rows}

    def comes_back(self, agent: Agent) -> Agent:
        """The device of an agent that has left, connected anew."""
        again = Agent(agent.memory.flock, self.around)
        again.memory.placed = agent.memory.placed
        again.start()
        return again


def roll_out(platform: RunningPlatform, owner: Account, devices: int) -> Site:
    """Installed everywhere, then upgraded with 3 % failing, stopped, resumed, and killed in the middle."""
    site = Site(platform, owner, devices)
    with site.connected() as fleet:
        installed = site.becomes(site.start("install"), "done")
        assert installed["waves"][0]["done"] == devices
        (before,) = site.revisions()
        late = next(agent for agent in fleet.agents if agent.memory.flock is site.flocks[-1])
        wait(late.stop())
        wait_until(lambda: owner.status(site.flocks[-1].device_key) == "DISCONNECTED", WITHIN_S, "one is away")
        failing = [flock.device_key for flock in site.flocks[3::FAILING_ONE_IN]]
        rollout = stopped_at_its_budget(site, failing)
        owner.call(f"{ROLLOUT}.resume", rollout=rollout)
        killed = platform.kill("devices")
        wait_until(lambda: platform.is_back("devices", killed), WITHIN_S, "devices is back")
        assert site.shown(rollout)["state"] == "running"  # one device is away
        back = site.comes_back(late)
        try:
            done = site.becomes(rollout, "done")
        finally:
            wait(back.stop())
    assert done["wave"] == 3
    assert (site.count(rollout, "done"), site.count(rollout, "failed")) == (devices - len(failing), len(failing))
    assert site.revisions() == {before + 1}  # each was to be told one thing, once
    well = [apps for key, apps in site.apps.items() if key not in failing]
    assert [apps.said["UPDATING"] for apps in well] == [1] * len(well)  # who has failed tries again when it reconnects
    assert [apps.states[site.app, "PROD"][0] for apps in well] == ["PRESENT"] * len(well)
    return site


def stopped_at_its_budget(site: Site, failing: list[int]) -> int:
    """The key of an upgrade that these devices stop: half of them may fail, and one more did."""
    for key in failing:
        site.apps[key].failing.add(site.app)
    pace = {"waves": ["10%", "30%"], "budget": len(failing) // 2, "at_once": 20}
    rollout = site.start("upgrade", version="1.1.0", pace=pace)
    assert site.becomes(rollout, "stopped")["failures"] == len(failing) // 2 + 1
    assert site.count(rollout, "done") < site.number - len(failing) - 1
    return rollout


def test_a_rollout_stops_at_its_budget_resumes_and_survives_a_kill(
    ironflock: RunningPlatform, owner: Account, flockctl: Flockctl
) -> None:
    site = roll_out(ironflock, owner, 60)

    found = flockctl.json("rollout", "list", "--project", str(site.project))["rollouts"]
    assert [each["state"] for each in found] == ["done", "done"]
    failed = flockctl.json("rollout", "show", str(found[0]["rollout_key"]), "--only", "failed")["devices"]
    assert len(failed) == len(site.flocks[3::FAILING_ONE_IN])


@pytest.mark.soak
def test_a_rollout_over_500_devices(ironflock: RunningPlatform, owner: Account) -> None:
    roll_out(ironflock, owner, 500)
