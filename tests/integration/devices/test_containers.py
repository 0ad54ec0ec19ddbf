"""Terminals in containers: opened as their person, and ended whoever may still call the agent by then."""

import asyncio
import base64
from typing import Any, cast
from uuid import UUID

import pytest
import pytest_asyncio
from attrs import define, field
from autobahn.wamp.exception import ApplicationError
from twisted.internet.defer import Deferred, fail, succeed

from deploy.flockctl.simulator.answers import AnswerError
from deploy.flockctl.simulator.shells import Shells
from deploy.flockctl.simulator.strictness import misread
from services.devices.records.terminals import OpenTerminal, ResizeTerminal, WriteTerminal
from services.devices.terminals import containers, shells, terminals
from shared.bus import Apart
from shared.errors import ConflictError, InvalidArgumentError, NotFoundError
from shared.flags import AssetKind
from shared.identities import Person
from tests.harness.rights import MEMBER, project
from tests.harness.waiting import eventually
from tests.integration.devices.test_terminals import Agents, Desk
from tests.integration.devices.test_watching import ended
from tests.integration.devices.world import ANNA, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
CONTAINER = "prod_26_press"
OPEN = OpenTerminal("press-1", 100, 30, app=26, stage="PROD")


@define(eq=False)
class _Registration:
    session: "_Session"
    id: int
    active: bool = True

    def unregister(self) -> "Deferred[Any]":
        self.session.alive.discard(self.id)
        if self.session.agent.hears_ends:
            self.session.agent.lose(self.id)
        return succeed(None)


@define(eq=False)
class _Session:
    agent: "ContainerAgent"
    caller: str
    heard: dict[str, Any] = field(factory=dict)
    alive: set[int] = field(factory=set)

    def call(self, uri: str, *args: Any, **_: Any) -> "Deferred[Any]":
        name = uri.removeprefix(f"{self.agent.base}.")
        try:
            return succeed(self.agent.called(self, name, args))
        except AnswerError as error:
            return fail(ApplicationError("wamp.error.canceled", {"error": str(error)}))
        except ApplicationError as error:
            return fail(error)

    def register(self, _: Any, uri: str) -> "Deferred[Any]":
        assert uri.startswith(f"ironflock.devices.terminal_alive.{self.agent.base.removeprefix('re.mgmt.')}.")
        self.agent.registrations += 1
        self.alive.add(self.agent.registrations)
        return succeed(_Registration(self, self.agent.registrations))

    def subscribe(self, heard: Any, topic: str) -> "Deferred[Any]":
        self.heard[topic] = heard
        return succeed(None)

    def publish(self, topic: str, keys: str, **_: Any) -> "Deferred[Any]":
        which = topic.removeprefix(f"{self.agent.base}.term_write.")
        self.agent.typed.append(keys)
        shell = self.agent.shells.named(which)
        if shell is not None and shell.alive is not None and not self.agent.is_stubborn:
            for printed in shell.typed(keys):
                self.prints(which, printed)
        return succeed(None)

    def prints(self, which: str, text: str) -> None:
        self.heard[f"{self.agent.base}.term_data.{which}"](base64.b64encode(text.encode()).decode())

    def leave(self) -> None:
        self.agent.left += 1
        for each in list(self.alive):
            _ = _Registration(self, each).unregister()


class ContainerAgent(Agents):
    """The shells in containers of one device; `developers` may call for them."""

    def __init__(self, serial_number: UUID) -> None:
        """Nobody has one."""
        super().__init__(serial_number)
        self.shells = Shells()
        self.registrations = 0
        self.hears_ends = True
        """Whether it is told that what a shell lives from is gone: not after it has connected anew."""
        self.refused: set[str] = set()
        self.stopped: list[str] = []
        self.sessions: list[_Session] = []

    async def join(self, _: str, authid: str) -> Apart:
        """A session for `authid`."""
        self.joined.append(authid)
        self.sessions.append(_Session(self, authid.removeprefix("terminal-")))
        made = Apart(cast("Any", self.sessions[-1]), asyncio.Event())
        self.apart.append(made)
        return made

    def called(self, session: _Session, name: str, args: tuple[Any, ...]) -> Any:
        """As the published agent answers."""
        if self.is_away:
            raise ApplicationError("wamp.error.no_such_procedure", "no")
        if name.startswith("term_resize."):
            shell = self.shells.named(name.removeprefix("term_resize."))
            if shell is None or shell.is_over or shell.alive is None:
                raise ApplicationError("wamp.error.no_such_procedure", "no")
            shell.size = (args[0]["width"], args[0]["height"])
            return None
        if (wrong := misread(name, args)) is not None:
            raise AnswerError(f"failed to parse {wrong}")
        if session.caller in self.refused:
            raise AnswerError(f"insufficient privileges to call {name}")
        if name == "request_terminal_session":
            made = self.shells.in_container(session.caller, args[0]["containerName"])
            words = {"writeTopic": "term_write", "dataTopic": "term_data", "resizeTopic": "term_resize"}
            topics = {key: f"{self.base}.{word}.{made.which}" for key, word in words.items()}
            return {"sessionID": made.name, **topics, **self.says}
        return self._of_session(session, name, args[0])

    def _of_session(self, session: _Session, name: str, first: dict[str, Any]) -> None:
        shell = self.shells.session(first["sessionID"])
        if shell is None or shell.is_over:
            raise AnswerError("no such session")
        if name == "start_terminal_session":
            assert first["registrationID"] in session.alive
            shell.alive = first["registrationID"]
        else:
            self.stopped.append(shell.name)
            shell.is_over = True

    def lose(self, registration: int) -> None:
        """`wamp.registration.on_unregister`."""
        for shell in self.shells.inside:
            shell.is_over = shell.is_over or shell.alive == registration


class Room(Desk):
    """A device with an app's container."""

    agents: ContainerAgent  # type: ignore[mutable-override]  # it is asked for what agents are


@pytest_asyncio.fixture
async def room(world: World, monkeypatch: pytest.MonkeyPatch) -> Room:
    monkeypatch.setattr(shells, "CUT_S", 0.2)
    monkeypatch.setattr(containers, "CUT_S", 0.2)
    monkeypatch.setattr(containers, "LOOK_AGAIN_S", 0.01)
    device = await world.create()
    await world.install(device.device_key, 26, "PROD")
    agents = ContainerAgent(device.serial_number)
    world.parts.terminals.join = agents.join
    return Room(world, device.device_key, agents)


async def test_a_shell_in_an_apps_container_is_typed_to_resized_and_ends(room: Room) -> None:
    async with room.at(request=OPEN) as seen:
        terminal = await room.type(seen, "size\r")
        await room.printed(seen, "100x30\r\n")
        await room.procedures.device_terminal_resize(ANNA, ResizeTerminal(terminal, 132, 43))
        await room.procedures.device_terminal_write(ANNA, WriteTerminal(terminal, "echo süß\rexit\r"))
        assert "süß" in await room.printed(seen, "süß\r\n")
        assert (await seen.task).because == "exit"

    (shell,) = room.agents.shells.inside
    assert (shell.container, shell.size, shell.caller, shell.is_over) == (CONTAINER, (132, 43), "5", True)
    told = room.recorded()
    assert told[0] == ("intended", {"container": CONTAINER})
    assert (told[1][1]["container"], told[1][1]["shell_ended"]) == (CONTAINER, True)
    assert room.world.postgres.rows("SELECT FROM devices.terminal") == []


async def test_given_the_flag_is_taken_when_the_agent_refuses_its_person_then_the_shell_ends_all_the_same(
    room: Room,
) -> None:
    person = room.world.member(3, AssetKind.DEVICE, room.key, "DEVELOP", "READ")
    async with room.at(person, OPEN) as seen:
        await room.type(seen, "sleep 1000\r", person)
        await room.printed(seen, "sleep")
        room.agents.refused.add(str(person.account_key))
        room.agents.is_stubborn = True  # nothing that is typed does anything
        room.world.rights.hold(person.account_key, project(3), MEMBER)

        assert isinstance(await ended(seen), NotFoundError)

    (shell,) = room.agents.shells.inside
    assert shell.is_over
    assert room.agents.stopped == []
    assert room.recorded()[1][1]["shell_ended"] is True


async def test_given_an_agent_that_hears_of_no_ends_when_it_is_cut_then_it_is_stopped_by_name(room: Room) -> None:
    room.agents.hears_ends = False
    room.agents.is_stubborn = True
    async with room.at(request=OPEN) as seen:
        await room.type(seen, "x")

    (shell,) = room.agents.shells.inside
    assert room.agents.stopped == [shell.name]
    assert room.recorded()[1][1]["shell_ended"] is True


async def test_given_the_agent_connects_anew_when_it_has_lost_the_shell_then_the_terminal_ends(
    room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminals, "EXTEND_EVERY_S", 0.1)
    async with room.at(request=OPEN) as seen:
        await seen.next()
        room.agents.shells.inside[0].alive = None  # it registers root's shells anew, and no others
        assert (await seen.task).because == "device_left"


async def test_one_that_lives_keeps_its_size(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminals, "EXTEND_EVERY_S", 0.1)
    async with room.at(request=OPEN) as seen:
        await seen.next()
        room.world.postgres.run("UPDATE devices.terminal SET alive_until = now()")
        (shell,) = room.agents.shells.inside
        shell.size = (0, 0)

        async def is_looked_at() -> bool:
            return shell.size != (0, 0)

        await eventually(is_looked_at, 30, "it is looked whether it is there")
        assert shell.size == (100, 30)


async def test_root_and_each_container_have_terminals_of_their_own(room: Room) -> None:
    async with room.at(request=OPEN) as seen:
        await seen.next()
        async with room.at(request=OpenTerminal("press-1", container="other.one")) as second:
            await room.type(second, "whoami\r")
            await room.printed(second, "root for 5")
            async with room.at(request=OPEN) as third:
                assert isinstance(await ended(third), ConflictError)

    assert [shell.container for shell in room.agents.shells.inside] == [CONTAINER, "other.one"]


async def test_a_shell_that_was_left_is_ended_by_its_name(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminals, "LEFT_FOR_S", 0.0)
    monkeypatch.setattr(containers, "CUTS", 1)
    person = room.world.member(3, AssetKind.DEVICE, room.key, "DEVELOP", "READ")
    room.agents.hears_ends, room.agents.is_stubborn = False, True
    async with room.at(person, OPEN) as seen:
        await room.type(seen, "x", person)
        room.agents.refused.add(str(person.account_key))
    assert room.recorded()[1][1]["shell_ended"] is False
    await room.world.online(room.key, 77)
    await room.world.parts.terminals.end_left()
    assert len(room.world.postgres.rows("SELECT FROM devices.terminal")) == 1  # tried again later

    room.agents.refused.clear()
    await room.world.parts.terminals.end_left()

    assert room.agents.shells.inside[0].is_over
    assert room.world.postgres.rows("SELECT FROM devices.terminal") == []


async def test_who_opens_one_where_they_left_one_ends_that_first(room: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(containers, "CUTS", 1)
    room.agents.hears_ends, room.agents.is_stubborn = False, True
    async with room.at(request=OPEN) as seen:
        await room.type(seen, "x")
        room.agents.refused.add("5")
    old = room.agents.shells.inside[0]
    assert not old.is_over
    room.agents.refused.clear()

    async with room.at(request=OPEN) as seen:
        await seen.next()
        assert (old.is_over, len(room.agents.shells.inside)) == (True, 2)


@pytest.mark.parametrize(
    "says",
    [
        {"dataTopic": "re.mgmt.00000000-0000-4000-8000-000000000099.term_data.prod_26_press.a"},
        {"writeTopic": "term_write.other.00000000-0000-4000-8000-000000000001"},
        {"sessionID": "a.b"},
        {"sessionID": None},
    ],
)
async def test_a_device_that_names_other_topics_gets_no_key(room: Room, says: dict[str, Any]) -> None:
    room.agents.says = says
    async with room.at(request=OPEN) as seen:
        assert isinstance(await ended(seen), ConflictError)

    assert room.agents.typed == []


@pytest.mark.parametrize("text", ["no base64!", 7, None, "TERMINAL"])
async def test_what_is_no_base64_is_nothing_and_the_word_for_the_end_is_one(room: Room, text: Any) -> None:
    async with room.at(request=OPEN) as seen:
        await seen.next()
        ((topic, heard),) = room.agents.sessions[-1].heard.items()
        assert topic.startswith(f"{room.agents.base}.term_data.{CONTAINER}.")
        heard(text)
        heard("TERMINAL_EOF")
        assert (await seen.task).because == "exit"


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (OpenTerminal("press-1", app=26), InvalidArgumentError),
        (OpenTerminal("press-1", stage="PROD"), InvalidArgumentError),
        (OpenTerminal("press-1", app=26, stage="PROD", container="a"), InvalidArgumentError),
        (OpenTerminal("press-1", app=77, stage="DEV"), ConflictError),
    ],
)
async def test_what_names_no_container_is_refused(room: Room, request_: OpenTerminal, error: type[Exception]) -> None:
    async with room.at(request=request_) as seen:
        assert isinstance(await ended(seen), error)

    assert room.agents.joined == []


@pytest.mark.parametrize("flag", ["READ", "OPERATE", "INSTALL", "MAINTAIN", "REMOTE_ACCESS"])
async def test_without_develop_nobody_joins(room: Room, flag: str) -> None:
    person: Person = room.world.member(3, AssetKind.DEVICE, room.key, flag)
    async with room.at(person, OPEN) as seen:
        await ended(seen)

    assert room.agents.joined == []
