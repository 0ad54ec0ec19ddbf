"""Devices of a running platform that go away, are moved, and go out of service: what people and agents see of it."""

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from attrs import define, field

from deploy.flockctl.simulator.agent import Agent, Happening
from deploy.flockctl.simulator.flock import flock_from_content
from deploy.flockctl.simulator.lifecycle import Outcome, State
from deploy.flockctl.simulator.surroundings import surroundings
from deploy.flockctl.simulator.wire import SIGNATURE_IS_INVALID
from tests.harness.clients import Account
from tests.harness.commands import Flockctl
from tests.harness.running import RunningPlatform
from tests.harness.site import letters_to
from tests.harness.waiting import wait_until
from tests.harness.webhooks import WebhookReceiver
from tests.integration.flockctl import reactor_thread
from tests.integration.flockctl.reactor_thread import reactor, wait

pytestmark = pytest.mark.real
WITHIN_S: Final = 30.0
OWNER: Final = "owner@localhost"


@define
class Unit:
    """A device of a project, its agent connected."""

    owner: Account
    project: int
    flock: dict[str, Any]
    agent: Agent
    told: list[Happening] = field(factory=list)

    @property
    def key(self) -> int:
        """Of the device."""
        return int(self.flock["device_key"])

    def becomes(self, status: str) -> None:
        """The registry says so."""
        wait_until(lambda: self.owner.status(self.key) == status, WITHIN_S, f"the device is {status}")


@pytest.fixture(name="unit")
def fixture_unit(ironflock: RunningPlatform, owner: Account) -> Iterator[Unit]:
    reactor_thread.start()
    project = owner.project()
    flock = dict(owner.flashed(project))
    told: list[Happening] = []
    around = surroundings(reactor, ironflock.state.ca_certificate)
    agent = Agent(flock_from_content(flock), around, told.append)
    unit = Unit(owner, project, flock, agent, told)

    async def begin() -> None:
        agent.start()
        await agent.wait_online(WITHIN_S)

    wait(begin(), WITHIN_S)
    try:
        unit.becomes("CONNECTED")
        yield unit
    finally:
        wait(agent.stop())


def long_ago(platform: RunningPlatform, device_key: int) -> None:
    """The device went ten minutes before, as far as anybody knows: nobody waits for that here."""
    with platform.database() as connection:
        connection.execute(
            "UPDATE devices.device SET status_since = status_since - interval '10 minutes' WHERE device_key = %s",
            [device_key],
        )


def test_an_alert_of_a_device_that_goes_reaches_a_webhook_and_a_person(
    ironflock: RunningPlatform, unit: Unit, flockctl: Flockctl
) -> None:
    where = ("--project", str(unit.project))

    def letters() -> list[str]:
        return [letter.get_content() for letter in letters_to(ironflock, OWNER) if unit.flock["name"] in str(letter)]

    with WebhookReceiver(ironflock.receivers) as receiver:
        create = ("alert", "channel", "create")
        made = flockctl.json(*create, "hook", *where, "--webhook", receiver.url)
        flockctl.json(*create, "mail", *where, "--mail", "me")
        wait(unit.agent.stop())
        unit.becomes("DISCONNECTED")
        assert (receiver.messages, letters()) == ([], [])

        long_ago(ironflock, unit.key)

        wait_until(lambda: receiver.messages, WITHIN_S, "the webhook is told")
        wait_until(letters, WITHIN_S, "the person is written to")
    (message,), (alert,) = receiver.messages, receiver.alerts()
    assert message.is_signed_with(made["secret"])
    assert (alert["kind"], alert["state"]) == ("device_offline", "open")
    assert unit.flock["name"] in json.dumps(alert)
    assert len(letters()) == 1
    listed = flockctl.json("alert", "list", *where)["alerts"]
    assert [each["kind"] for each in listed] == ["device_offline"]


def test_the_agent_of_a_moved_device_comes_back_under_its_old_name_and_goes_on_in_the_new_project(
    ironflock: RunningPlatform, unit: Unit, flockctl: Flockctl
) -> None:
    depot = unit.owner.project()
    before = len(unit.told)

    moved = flockctl.json("device", "move", str(unit.key), "--to", str(depot))["device"]

    assert moved["project_key"] == depot
    wait_until(lambda: unit.agent.memory.flock.project_key == depot, WITHIN_S, "the agent knows its new project")
    wait_until(lambda: unit.agent.state is State.ONLINE, WITHIN_S, "it is online there")
    unit.becomes("CONNECTED")
    assert any(each.detail.startswith(Outcome.MOVED.value) for each in unit.told[before:])
    assert unit.agent.memory.flock.secret == unit.flock["secret"]

    def has_no_old_name() -> bool:
        with ironflock.database() as connection:
            rows = connection.execute("SELECT moved_from FROM devices.device WHERE device_key = %s", [unit.key])
            return rows.fetchall() == [(None,)]

    wait_until(has_no_old_name, WITHIN_S, "the old name opens nothing any more")
    assert flockctl.json("device", "storage", str(unit.key))


def test_a_decommissioned_agent_is_told_so_in_the_published_words_and_exits(unit: Unit, flockctl: Flockctl) -> None:
    done = flockctl.json("device", "decommission", str(unit.key), "--yes")

    wait_until(lambda: unit.agent.ended.called, WITHIN_S, "the agent has exited")
    assert (unit.agent.state, unit.agent.outcome) == (State.ENDED, Outcome.SIGNATURE_REFUSED)
    assert SIGNATURE_IS_INVALID in unit.told[-1].detail
    listed = flockctl.json("device", "decommissioned", "--project", str(unit.project))["devices"]
    assert [json.dumps(each["certificate"]) for each in listed] == [json.dumps(done["certificate"])]
