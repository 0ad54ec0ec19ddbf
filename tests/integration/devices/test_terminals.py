"""Terminals: who may, what they type and see, that they end with the right and leave no shell behind."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from attrs import evolve
from autobahn.wamp.exception import ApplicationError
from twisted.internet.defer import Deferred, fail, succeed

from deploy.flockctl.simulator.shells import Shells
from services.devices.procedures.terminals import TerminalProcedures
from services.devices.records.terminals import (
    CloseTerminal,
    OpenTerminal,
    ResizeTerminal,
    TerminalOrder,
    WriteTerminal,
)
from services.devices.terminals import shells, terminals
from services.devices.terminals.terminals import Terminals, own_uri
from shared.bus import Apart
from shared.errors import ConflictError, NotAuthorizedError, NotFoundError, OverLimitError, UnavailableError
from shared.flags import AssetKind
from shared.identities import Person, ServiceIdentity
from tests.harness.rights import MEMBER, project
from tests.harness.waiting import eventually
from tests.integration.devices.test_watching import Seen, ended
from tests.integration.devices.world import ANNA, BERT, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
OPEN = OpenTerminal("press-1", 100, 30)


class Agents:
    """The shells of one device, behind sessions that people's terminals have."""

    def __init__(self, serial_number: UUID) -> None:
        """Nobody has one."""
        self.base = f"re.mgmt.{serial_number}"
        self.shells = Shells()
        self.joined: list[str] = []
        self.left = 0
        self.typed: list[str] = []
        self.apart: list[Apart] = []
        self.printing: list[Any] = []
        self.is_away = False
        self.is_stubborn = False
        self.says_over = False
        """Whether each `exit` prints the word for the end, whatever comes of it."""
        self.says: dict[str, Any] = {}
        """What it answers to who opens one, in the place of what it would."""

    async def join(self, _: str, authid: str) -> Apart:
        """A session for `authid`."""
        self.joined.append(authid)
        session = _Session(self, authid.removeprefix("terminal-"))
        self.printing.append(session.prints)
        made = Apart(cast("Any", session), asyncio.Event())
        self.apart.append(made)
        return made


class _Session:
    def __init__(self, agents: Agents, caller: str) -> None:
        self._agents = agents
        self._caller = caller
        self._heard: list[Any] = []

    def call(self, uri: str, *args: Any, **_: Any) -> "Deferred[Any]":
        name = uri.removeprefix(f"{self._agents.base}.")
        if self._agents.is_away or not uri.startswith(self._agents.base):
            return fail(ApplicationError("wamp.error.no_such_procedure", "no"))
        if name == "init_device_terminal":
            shell, _is_new = self._agents.shells.shell(self._caller)
            words = {"writeTopic": "term_write", "dataTopic": "data", "resizeTopic": "term_resize"}
            made = {name: f"{self._agents.base}.{word}.{shell.name}" for name, word in words.items()}
            return succeed({"sessionID": shell.name, **made, **self._agents.says})
        sized = self._agents.shells.named(name.removeprefix("term_resize."))
        if sized is None or sized.is_over:
            return fail(ApplicationError("wamp.error.no_such_procedure", "no"))
        assert {name: type(value) for name, value in args[0].items()} == {"height": int, "width": int}
        sized.size = (args[0]["width"], args[0]["height"])
        return succeed(None)

    def subscribe(self, heard: Any, _: str) -> "Deferred[Any]":
        self._heard.append(heard)
        return succeed(None)

    def publish(self, topic: str, keys: str, **_: Any) -> "Deferred[Any]":
        self._agents.typed.append(keys)
        if self._agents.says_over and keys == "exit\n":
            self.prints("TERMINAL_EOF")
        shell = self._agents.shells.named(topic.rpartition(".")[2])
        if shell is not None and not self._agents.is_stubborn:
            for printed in shell.typed(keys):
                self.prints(printed)
        return succeed(None)

    def prints(self, text: str) -> None:
        """The shell says so."""
        for heard in self._heard:
            heard(text)

    def leave(self) -> None:
        self._agents.left += 1


class Desk:
    """A device with shells, and people at terminals."""

    def __init__(self, world: World, key: int, agents: Agents) -> None:
        """Nobody sits there."""
        self.world = world
        self.key = key
        self.agents = agents
        self.procedures = TerminalProcedures(world.parts)

    @asynccontextmanager
    async def at(self, person: Person = ANNA, request: OpenTerminal = OPEN) -> AsyncIterator[Seen]:
        """A terminal that is open, or was refused."""
        seen = Seen()
        seen.task = asyncio.create_task(self.procedures.device_terminal(person, request, seen.take))
        try:
            yield seen
        finally:
            seen.task.cancel()
            await asyncio.gather(seen.task, return_exceptions=True)
            await self.world.settle()

    async def type(self, seen: Seen, keys: str, person: Person = ANNA) -> UUID:
        """Type into the terminal that `seen` is of; its name."""
        terminal = UUID((await seen.next())["terminal"])
        await self.procedures.device_terminal_write(person, WriteTerminal(terminal, keys))
        return terminal

    def recorded(self) -> list[Any]:
        """What the log has of terminals."""
        return [
            (outcome, {name: value for name, value in after.items() if name != "terminal"})
            for outcome, after in self.world.postgres.rows(
                "SELECT outcome, after FROM audit.queue WHERE action = 'device_terminal.used' ORDER BY id"
            )
        ]

    async def printed(self, seen: Seen, text: str) -> str:
        """What comes until `text` has."""
        found = ""
        while text not in found:
            found += (await seen.next())["output"]
        return found


@pytest_asyncio.fixture
async def desk(world: World, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setattr(shells, "CUT_S", 0.2)
    device = await world.create()
    agents = Agents(device.serial_number)
    world.parts.terminals.join = agents.join
    return Desk(world, device.device_key, agents)


async def test_a_shell_is_typed_to_resized_and_ends_and_the_log_has_what_it_was(desk: Desk) -> None:
    async with desk.at() as seen:
        terminal = await desk.type(seen, "size\r")
        await desk.printed(seen, "100x30\r\n")
        await desk.procedures.device_terminal_resize(ANNA, ResizeTerminal(terminal, 132, 43))
        await desk.procedures.device_terminal_write(ANNA, WriteTerminal(terminal, "size\rexit\r"))
        await desk.printed(seen, "132x43\r\n")
        assert (await seen.task).because == "exit"

    assert desk.agents.joined == ["terminal-5"]
    assert desk.agents.left == 1
    told = desk.recorded()
    assert told[0] == ("intended", {})
    assert told[1][0] == "done"
    assert {name: told[1][1][name] for name in ("because", "written_octets", "shell_ended", "seconds")} == {
        "because": "exit", "written_octets": 15, "shell_ended": True, "seconds": 0,
    }  # fmt: skip
    assert desk.world.postgres.rows("SELECT FROM devices.terminal") == []
    assert desk.world.postgres.rows("SELECT FROM devices.open_intent") == []


async def test_given_the_flag_is_taken_when_it_is_then_nothing_more_is_seen_and_the_shell_is_ended(desk: Desk) -> None:
    person = desk.world.member(3, AssetKind.DEVICE, desk.key, "DEVELOP", "READ")
    async with desk.at(person) as seen:
        await desk.type(seen, "sleep 1000\r", person)
        await desk.printed(seen, "sleep")
        desk.world.rights.hold(person.account_key, project(3), MEMBER)

        assert isinstance(await ended(seen), NotFoundError)
        desk.agents.printing[0]("secret")
        assert seen.is_empty()

    assert desk.agents.typed[1:] == ["\x03", "exit\n"]
    assert desk.agents.shells.of[str(person.account_key)].is_over
    assert (desk.recorded()[1][1]["because"], desk.recorded()[1][1]["shell_ended"]) == ("refused", True)


async def test_given_who_has_it_goes_when_they_do_then_the_shell_is_ended(desk: Desk) -> None:
    async with desk.at() as seen:
        await desk.type(seen, "sleep 1000\r")

    assert desk.agents.shells.of["5"].is_over
    assert desk.recorded()[1][1]["because"] == "left"


async def test_a_shell_that_does_not_end_is_said_so_and_ended_before_its_person_gets_another(desk: Desk) -> None:
    desk.agents.is_stubborn = True
    async with desk.at() as seen:
        await desk.type(seen, "x")
    assert desk.recorded()[1][1]["shell_ended"] is False
    old = desk.agents.shells.of["5"]
    assert [shell.is_over for shell in (old,)] == [False]

    desk.agents.is_stubborn = False
    async with desk.at() as seen:
        await desk.type(seen, "echo a\r")
        await desk.printed(seen, "a\r\n")

    assert old.is_over
    assert desk.agents.shells.of["5"] is not old


async def test_given_a_shell_that_was_left_when_no_other_is_opened_then_it_is_not_forgotten(desk: Desk) -> None:
    await leave_shell(desk)
    desk.agents.is_away = True
    async with desk.at() as seen:
        assert isinstance(await ended(seen), ConflictError)
    old = desk.agents.shells.of["5"]
    assert (desk.recorded()[-1][0], desk.recorded()[-1][1]["shell_ended"]) == ("failed", False)

    desk.agents.is_away = False
    async with desk.at() as seen:
        await desk.type(seen, "echo a\r")
        await desk.printed(seen, "a\r\n")
    assert old.is_over


async def test_a_shell_that_always_prints_the_word_for_its_end_has_not_ended(desk: Desk) -> None:
    desk.agents.says_over = True
    await leave_shell(desk)

    assert desk.recorded()[1][1]["shell_ended"] is False
    assert left(desk) == [(5,)]


async def test_a_shell_that_was_left_is_ended_though_its_person_does_not_come(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminals, "LEFT_FOR_S", 0.0)
    person = desk.world.member(3, AssetKind.DEVICE, desk.key, "DEVELOP", "READ")
    await leave_shell(desk, person)
    desk.world.rights.hold(person.account_key, project(3), MEMBER)
    mine = desk.world.parts.terminals
    await mine.end_left()
    assert left(desk) == [(person.account_key,)]  # the device is not there

    await desk.world.online(desk.key, 77)
    await mine.end_left()

    assert desk.agents.shells.of[str(person.account_key)].is_over
    assert desk.agents.joined == [f"terminal-{person.account_key}"] * 2
    assert desk.agents.left == 2
    assert left(desk) == []


async def test_a_left_shell_that_does_not_end_is_tried_again_later_and_one_that_lives_is_left_alone(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    await desk.world.online(desk.key, 77)
    await leave_shell(desk, stays_stubborn=True)
    mine = desk.world.parts.terminals
    await mine.end_left()
    assert len(desk.agents.joined) == 1  # not yet
    monkeypatch.setattr(terminals, "LEFT_FOR_S", 0.0)
    await mine.end_left()
    assert left(desk) == [(5,)]

    desk.agents.is_stubborn = False
    await mine.end_left()
    assert left(desk) == []
    async with desk.at() as seen:
        await desk.type(seen, "x")
        await mine.end_left()
        assert not desk.agents.shells.of["5"].is_over


async def test_what_a_terminal_left_on_a_device_that_is_gone_is_forgotten(desk: Desk) -> None:
    await desk.world.online(desk.key, 77)
    await leave_shell(desk, stays_stubborn=True)
    desk.world.postgres.run("DELETE FROM devices.device WHERE device_key = %s", desk.key)

    await desk.world.parts.terminals.end_left()

    assert left(desk) == []
    assert len(desk.agents.joined) == 1


async def leave_shell(desk: Desk, person: Person = ANNA, *, stays_stubborn: bool = False) -> None:
    """The person had a terminal, whose shell is still there."""
    desk.agents.is_stubborn = True
    async with desk.at(person) as seen:
        await desk.type(seen, "x", person)
    desk.agents.is_stubborn = stays_stubborn


def left(desk: Desk) -> list[Any]:
    """Whose terminals are over but for their shells."""
    return desk.world.postgres.rows("SELECT account_key FROM devices.terminal WHERE alive_until < clock_timestamp()")


async def test_who_prints_the_word_for_the_end_has_ended_nothing(desk: Desk) -> None:
    async with desk.at() as seen:
        await desk.type(seen, "x")
        desk.agents.printing[0]("TERMINAL_EOF")
        assert (await seen.task).because == "exit"

    assert desk.agents.shells.of["5"].is_over
    assert desk.agents.typed[-1] == "exit\n"


async def test_a_person_has_one_on_a_device_and_it_is_nobody_elses(desk: Desk) -> None:
    other = desk.world.member(3, AssetKind.DEVICE, desk.key, "DEVELOP", "READ")
    narrow = evolve(ANNA, credential="key-2")
    async with desk.at() as seen:
        terminal = await desk.type(seen, "x")
        async with desk.at() as second:
            assert isinstance(await ended(second), ConflictError)
        for person in (other, BERT, narrow):
            with pytest.raises(NotFoundError):
                await desk.procedures.device_terminal_write(person, WriteTerminal(terminal, "y"))
            with pytest.raises(NotFoundError):
                await desk.procedures.device_terminal_close(person, CloseTerminal(terminal))
        async with desk.at(other) as third:
            await desk.type(third, "whoami\r", other)
            assert f"root for {other.account_key}" in await desk.printed(third, "root for")
        await desk.procedures.device_terminal_close(ANNA, CloseTerminal(terminal))
        assert (await seen.task).because == "closed"

    assert desk.agents.typed.count("y") == 0
    with pytest.raises(NotFoundError):
        await desk.procedures.device_terminal_write(ANNA, WriteTerminal(terminal, "z"))


async def test_what_is_typed_at_another_process_reaches_the_one_that_has_it(desk: Desk) -> None:
    parts = desk.world.parts
    other = Terminals(
        parts.bus, parts.database, parts.rights, parts.reaching, parts.operations.intents, process=uuid4()
    )
    mine = parts.terminals

    async def passed_on(**order: Any) -> None:
        told = TerminalOrder(**{**order, "terminal": UUID(order["terminal"])})
        with pytest.raises(NotAuthorizedError):
            await mine.passed_on(ServiceIdentity("gateway", 1), told)
        await mine.passed_on(ServiceIdentity("devices", 1), told)

    desk.world.router.answers[own_uri(parts.apps.delivery.process)] = passed_on
    async with desk.at() as seen:
        terminal = UUID((await seen.next())["terminal"])
        await other.tell(TerminalOrder(terminal, 5, "key-1", keys="echo a\r"))
        await desk.printed(seen, "a\r\n")
        with pytest.raises(NotFoundError):
            await other.tell(TerminalOrder(terminal, 6, "key-1", keys="x"))
        with pytest.raises(NotFoundError):
            await other.tell(TerminalOrder(uuid4(), 5, "key-1", keys="x"))
        del desk.world.router.answers[own_uri(parts.apps.delivery.process)]
        with pytest.raises((UnavailableError, ApplicationError)):
            await other.tell(TerminalOrder(terminal, 5, "key-1", keys="x"))


@pytest.mark.parametrize(
    "says",
    [
        {"writeTopic": "re.mgmt.00000000-0000-4000-8000-000000000099.term_write.a"},
        {"sessionID": "a.b"},
        {"sessionID": None},
        {"dataTopic": 7},
    ],
)
async def test_a_device_that_names_topics_of_anothers_gets_no_key(desk: Desk, says: dict[str, Any]) -> None:
    desk.agents.says = says
    async with desk.at() as seen:
        assert isinstance(await ended(seen), ConflictError)

    assert [keys for keys in desk.agents.typed if keys not in ("\x03", "exit\n")] == []
    assert desk.world.postgres.rows("SELECT FROM devices.terminal WHERE alive_until > now()") == []


async def test_a_device_that_is_away_has_no_shell(desk: Desk) -> None:
    desk.agents.is_away = True
    async with desk.at() as seen:
        error = await ended(seen)

    assert isinstance(error, ConflictError)
    assert error.details()["reason"] == "device_offline"
    assert desk.recorded()[1][0] == "failed"
    assert desk.agents.left == 1


@pytest.mark.parametrize("flag", ["READ", "OPERATE", "INSTALL", "MAINTAIN", "NETWORK", "REMOTE_ACCESS", "UPDATE", None])
async def test_without_develop_nobody_joins(desk: Desk, flag: str | None) -> None:
    person = BERT if flag is None else desk.world.member(3, AssetKind.DEVICE, desk.key, flag)
    async with desk.at(person, OpenTerminal(desk.key)) as seen:
        assert isinstance(await ended(seen), NotAuthorizedError | NotFoundError)

    assert desk.agents.joined == []
    assert desk.recorded() == []


async def test_it_ends_by_itself_when_nobody_types_or_it_is_too_long(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    for limit, because in (("IDLE_S", "idle"), ("HARD_S", "too_long")):
        with monkeypatch.context() as patched:
            patched.setattr(terminals, limit, -1.0)
            async with desk.at() as seen:
                assert (await seen.task).because == because


async def test_who_does_not_keep_up_is_let_go(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shells, "MOST_WAITING_OCTETS", 10)
    async with desk.at() as seen:
        await seen.next()
        desk.agents.printing[0]("x" * 11)

        assert isinstance(await ended(seen), OverLimitError)


async def test_given_the_session_is_lost_when_it_is_then_the_terminal_ends(desk: Desk) -> None:
    async with desk.at() as seen:
        await seen.next()
        desk.agents.apart[0].lost.set()

        assert isinstance(await ended(seen), UnavailableError)


async def test_no_more_than_some_are_open(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(terminals, "MOST_OF_DEVICE", 1)
    other = desk.world.member(3, AssetKind.DEVICE, desk.key, "DEVELOP", "READ")
    async with desk.at() as seen:
        await seen.next()
        async with desk.at(other) as second:
            assert isinstance(await ended(second), OverLimitError)

    rows = desk.world.postgres.rows("SELECT account_key FROM devices.terminal")
    assert rows == []


async def test_a_terminal_lives_as_long_as_it_says_so_and_ends_when_its_device_stays_away(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(terminals, "EXTEND_EVERY_S", 0.1)
    await desk.world.online(desk.key, 77)
    async with desk.at() as seen:
        await seen.next()
        desk.world.postgres.run("UPDATE devices.terminal SET alive_until = now()")

        async def is_extended() -> bool:
            return bool(desk.world.postgres.rows("SELECT FROM devices.terminal WHERE alive_until > now()"))

        await eventually(is_extended, 30, "it lives")
        desk.world.tells("wamp.session.on_leave", 77)
        assert (await seen.task).because == "device_left"
