"""A fleet of project 3 for rollouts: devices with `press` (26) at PROD, their agents as strict as real ones."""

from typing import Any
from uuid import uuid4

from attrs import fields

from deploy.flockctl.simulator.apps import Apps, Said, Wish
from services.devices.procedures.rollouts import RolloutProcedures
from services.devices.records.agents import UpdateAppOnDevice
from services.devices.records.rollouts import Pace, RolloutDetails, ShownRollout, ShowRollout, StartRollout
from shared.identities import DeviceIdentity, Person
from tests.integration.devices.world import ANNA, World

APP, STAGE = 26, "PROD"


class Agent:
    """The agent of one device; one that is silent takes wishes and says nothing."""

    def __init__(self, world: World, key: int, uri: str) -> None:
        """Connected, with release 1.0.0 running."""
        self.world, self.key, self.uri = world, key, uri
        self.apps = Apps(states={(APP, STAGE): ("RUNNING", 260)})
        self.is_silent = False
        world.router.answers[uri] = self._wished

    @property
    def wishes(self) -> list[Wish]:
        """What it was told, in order."""
        return self.apps.wishes

    async def says(self, state: str, release_key: int) -> None:
        """It says of its own accord how the app is."""
        said = UpdateAppOnDevice(APP, self.key, "PROD", state, release_key)  # type: ignore[arg-type]
        await self.world.agents.update_app_on_device(DeviceIdentity(3, self.key, self.key + 1000), said)

    async def _wished(self, **kwargs: Any) -> None:
        wish, says = self.apps.request(kwargs)
        if not self.is_silent:
            await self._say(wish, says)

    async def _say(self, wish: Wish, says: list[Said]) -> None:
        for said in says:
            words = {"device_key": self.key, "swarm_key": 3, **self.apps.say(wish, said)}
            known = {each.name: words[each.name] for each in fields(UpdateAppOnDevice) if each.name in words}
            identity = DeviceIdentity(3, self.key, self.key + 1000)
            await self.world.agents.update_app_on_device(identity, UpdateAppOnDevice(**known))


class RolloutFleet:
    """Many of them, and what Anna does with them."""

    def __init__(self, world: World) -> None:
        """Nobody is there yet."""
        self.world = world
        self.procedures = RolloutProcedures(world.parts)
        self.agents: dict[int, Agent] = {}

    async def add(self, number: int, prefix: str = "unit") -> list[Agent]:
        """So many devices more, online, with release 1.0.0 of the app running."""
        await self.world.create(f"{prefix}-first")  # which makes the project known
        self.world.postgres.run("DELETE FROM devices.device WHERE name = %s", f"{prefix}-first")
        added = []
        for at in range(number):
            serial, name = uuid4(), f"{prefix}-{at:03}"
            rows = self.world.postgres.rows(
                "INSERT INTO devices.device (project_key, name, name_canonical, serial_number, state, status, session,"
                " architecture) VALUES (3, %s, %s, %s, 'flashed', 'CONNECTED', 1, 'amd64') RETURNING device_key",
                name,
                name,
                serial,
            )
            key = rows[0][0]
            self.agents[key] = Agent(self.world, key, f"re.mgmt.{serial}.request_app_state")
            added.append(self.agents[key])
        keys = [agent.key for agent in added]
        self.world.postgres.run(
            "INSERT INTO devices.device_app (device_key, project_key, app_key, stage, app_name, target, state,"
            " state_since, release_key, version, present_release_key, present_version, requestor_account_key,"
            " told_revision, is_offered) SELECT unnest(%s::bigint[]), 3, 26, 'PROD', 'Press', 'RUNNING', 'RUNNING',"
            " clock_timestamp(), 260, '1.0.0', 260, '1.0.0', 5, 1, true",
            keys,
        )
        return added

    def set_online(self, agent: Agent, *, is_online: bool) -> None:
        """The device is there or not, as the registry has it."""
        status, session = ("CONNECTED", 1) if is_online else ("DISCONNECTED", None)
        self.world.postgres.run(
            "UPDATE devices.device SET status = %s, session = %s WHERE device_key = %s", status, session, agent.key
        )

    async def start(self, version: str = "1.1.0", person: Person = ANNA, **pace: Any) -> ShownRollout:
        """Anna starts an upgrade of all that there is."""
        request = StartRollout(3, "upgrade", APP, "PROD", version, pace=Pace(**pace))
        started: ShownRollout = await self.procedures.rollout_start(person, request)
        return started

    async def go_on(self, times: int = 1) -> None:
        """Rollouts go on, and agents are told."""
        for _ in range(times):
            self.world.parts.rollouts.driving.wake()
            await self.world.parts.rollouts.driving.keep_up()
            self.world.delivery.wake()
            await self.world.delivery.keep_up()

    async def details(self, rollout_key: int, **query: Any) -> RolloutDetails:
        """What Anna sees."""
        found: RolloutDetails = await self.procedures.rollout_show(ANNA, ShowRollout(rollout_key, limit=1000, **query))
        return found

    async def states(self, rollout_key: int) -> dict[str, int]:
        """How many devices stand how."""
        counts: dict[str, int] = {}
        for turn in (await self.details(rollout_key)).devices:
            counts[turn.state] = counts.get(turn.state, 0) + 1
        return counts

    async def until(self, rollout_key: int, state: str, most: int = 60) -> ShownRollout:
        """Let it go on until it is in that state."""
        for _ in range(most):
            await self.go_on()
            shown = (await self.details(rollout_key)).rollout
            if shown.state == state:
                return shown
        raise AssertionError(f"it never was {state}")


def tags(fleet: RolloutFleet) -> list[str]:
    """What the log says of rollouts."""
    rows = fleet.world.postgres.rows("SELECT action FROM audit.queue WHERE asset ->> 'kind' = 'rollout' ORDER BY id")
    return [row[0] for row in rows]


def turn_parts(world: World) -> tuple[Any, ...]:
    """What turns are given with."""
    parts = world.parts
    places = (parts.apps.installs, parts.apps.releases, parts.credentials, parts.apps.states)
    return (parts.bus, parts.database, parts.rights, *places, parts.operations.agents, parts.operations.intents)
