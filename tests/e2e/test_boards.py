"""Boards on a running platform: one joins by ticket, reads, follows, writes, and is cut when it may not any more."""

import asyncio
from collections.abc import Awaitable
from contextlib import suppress
from typing import Any, Final

import pytest
import pytest_asyncio
from attrs import frozen

from tests.harness.accounts import Stranger, add_strangers, make_members
from tests.harness.clients import Account, connect, join_person, new_name
from tests.harness.commands import Flockctl
from tests.harness.running import RunningPlatform
from tests.harness.waiting import eventually
from tests.integration.router_node.wire import AbortedError, Peer, WampError

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
ENDS_S: Final = 1.0
IMAGE: Final = f"registry.example.com/press@sha256:{'0' * 64}"
COLUMNS: Final = [{"id": "tsp", "dataType": "timestamp"}, {"id": "speed", "dataType": "numeric"}]
TEMPLATE: Final = {"data": {"tables": [{"tablename": "readings", "columns": COLUMNS}]}}
REALMS, RIGHTS = "ironflock.realms", "ironflock.privileges"
LAST: Final = {"limit": 1}
ROW: Final = {"tsp": "2026-03-01T00:00:00Z", "speed": 3}


@frozen
class Plant:
    """A project with an app whose table is served, a board, and a member who may read both."""

    platform: RunningPlatform
    owner: Account
    member: Stranger
    project: int
    app: int
    board: int
    backend: int

    @property
    def append(self) -> str:
        """What stores a row."""
        return f"append.{self.project}.{self.app}.readings"

    async def call(self, procedure: str, *, by: str | None = None, **arguments: Any) -> Any:
        """A call of the owner, or by another key."""
        async with await join_person(self.platform, by or self.owner.api_key) as person:
            return await person.call(procedure, **arguments)

    async def give(self, kind: str, key: int, *flags: str) -> None:
        """The member has these flags there."""
        whom = self.member.account_key
        await self.call(f"{RIGHTS}.grant.give", account=whom, kind=kind, key=key, flags=list(flags))

    async def take(self, kind: str, key: int, *flags: str) -> None:
        """And has them no more."""
        whom = self.member.account_key
        await self.call(f"{RIGHTS}.grant.take", account=whom, kind=kind, key=key, flags=list(flags))

    async def open(self, by: str | None = None) -> dict[str, Any]:
        """The member's board, or another person's."""
        which = {"board": self.board, "app": self.app, "stage": "DEV"}
        key = by or self.member.account.api_key
        opened: dict[str, Any] = await self.call(f"{REALMS}.board.open", by=key, **which)
        return opened

    async def join(self, opened: dict[str, Any], realm: str | None = None) -> Peer:
        """The board, joined."""
        peer = await connect(self.platform, "/ws-ua-usr")
        try:
            return await peer.join_ticket(opened["ticket"], realm or opened["realm"])
        except BaseException:
            await peer.drop()
            raise


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(ironflock: RunningPlatform, owner: Account) -> Plant:
    (member,) = await asyncio.to_thread(add_strangers, ironflock, 1)
    async with await join_person(ironflock, owner.api_key) as person:
        project = (await person.call(f"{REALMS}.project.create", name=new_name("plant")))["project_key"]
        app = (await person.call(f"{REALMS}.app.create", name=new_name("Monitor")))["app_key"]
        release = {"app": app, "version": "1.0.0", "image": IMAGE, "data_template": TEMPLATE}
        await person.call(f"{REALMS}.release.create", **release)
        await person.call(f"{REALMS}.install.create", project=project, app=app, stage="DEV")
        board = (await person.call(f"{REALMS}.board.create", project=project, name=new_name("line")))["board_key"]

    def backend() -> int | None:
        with ironflock.database() as connection:
            row = connection.execute(
                "SELECT backend_key FROM realms.backend WHERE app_key = %s AND is_told AND state = 'ready'", [app]
            ).fetchone()
        return None if row is None else int(row[0])

    async def is_there() -> int | None:
        return await asyncio.to_thread(backend)

    key = await eventually(is_there, 30, "the backend is ready and known")
    assert key is not None
    await asyncio.to_thread(make_members, ironflock, project, [member], [])
    return Plant(ironflock, owner, member, project, app, board, key)


async def served(board: Peer) -> list[dict[str, Any]]:
    """The newest row, once somebody serves the realm."""

    async def asked() -> list[list[dict[str, Any]]] | None:
        with suppress(WampError):  # no such procedure, before that
            return [await board.call("history.transformed.readings", LAST)]
        return None

    found = await eventually(asked, 30, "the realm is served")
    assert found is not None
    return found[0]


async def is_out(peer: Peer) -> bool:
    """Whether the router ends the session now; the connection is closed a second later."""

    async def said_goodbye() -> bool:
        return peer.goodbye is not None

    return await eventually(said_goodbye, ENDS_S, "the session ends") or False


async def refusal(attempt: Awaitable[Any]) -> str:
    """How a call is refused."""
    with pytest.raises(WampError) as refused:
        await attempt
    return refused.value.uri


async def test_a_board_reads_and_follows_until_its_right_is_taken(plant: Plant) -> None:
    assert await refusal(plant.open()) == "ironflock.error.not_found"
    await plant.give("board", plant.board, "READ")
    await plant.give("data_backend", plant.backend, "READ")
    opened = await plant.open()
    assert opened["role"] == "board_reader"
    heard: list[Any] = []
    owners = await plant.join(await plant.open(plant.owner.api_key))
    async with owners, await plant.join(opened) as reader:
        assert await served(reader) == []
        await reader.subscribe("transformed.readings", heard.append)
        assert await refusal(reader.call(plant.append, ROW)) == "wamp.error.not_authorized"
        await owners.call(plant.append, ROW)

        async def told() -> bool:
            return bool(heard)

        await eventually(told, 5, "the row is followed")
        assert [row["speed"] for row in await reader.call("history.transformed.readings", LAST)] == [3]
        await plant.take("data_backend", plant.backend, "READ")
        assert await is_out(reader)
        assert not owners.closed.is_set()
    assert await refusal(plant.open()) == "ironflock.error.not_found"


async def test_a_board_writes_until_its_right_is_taken_and_comes_back_as_a_reader(plant: Plant) -> None:
    await plant.give("board", plant.board, "READ")
    await plant.give("data_backend", plant.backend, "READ")
    reading = await plant.open()
    await plant.give("data_backend", plant.backend, "WRITE")
    writing = await plant.open()
    assert writing["role"] == "board_writer"
    async with await plant.join(reading) as reader, await plant.join(writing) as writer:
        await served(writer)
        assert await writer.call(plant.append, ROW) == {"success": True}
        (read,) = await reader.call("history.transformed.readings", LAST)
        assert (read["device_key"], read["authid"]) == (-1, str(plant.member.account_key))
        await plant.take("data_backend", plant.backend, "WRITE")
        assert await is_out(writer)
        assert not reader.closed.is_set()
    assert (await plant.open())["role"] == "board_reader"


async def test_a_ticket_opens_once_and_nothing_else(plant: Plant) -> None:
    opened = await plant.open(plant.owner.api_key)
    for realm in (f"realm-{plant.project}-{plant.app}-prod", f"realm-{plant.project + 1}-{plant.app}-dev", "realm1"):
        with pytest.raises(AbortedError):
            await plant.join(opened, realm)
    async with await plant.join(opened):
        with pytest.raises(AbortedError):
            await plant.join(opened)


@pytest.mark.parametrize("what", ["board", "member", "key", "account", "app"])
async def test_a_board_is_out_when_what_it_lives_from_is(plant: Plant, what: str) -> None:
    await plant.give("board", plant.board, "READ")
    await plant.give("data_backend", plant.backend, "READ")
    async with await plant.join(await plant.open()) as board:
        await served(board)
        member = plant.member
        ends: dict[str, tuple[str, dict[str, Any]]] = {
            "board": (f"{REALMS}.board.delete", {"board": plant.board}),
            "member": (f"{RIGHTS}.member.remove", {"project": plant.project, "account": member.account_key}),
            "key": (f"{RIGHTS}.lock.create", {"kind": "api_key", "key": member.account.api_key[4:16]}),
            "account": (f"{RIGHTS}.lock.create", {"kind": "person", "key": str(member.account_key)}),
            "app": (f"{REALMS}.install.delete", {"project": plant.project, "app": plant.app, "stage": "DEV"}),
        }
        procedure, arguments = ends[what]
        await plant.call(procedure, **arguments)
        assert await is_out(board)


async def test_what_flockctl_prints_lets_a_program_in(plant: Plant, flockctl: Flockctl) -> None:
    words = ["open", str(plant.board), "--app", str(plant.app), "--stage", "dev"]
    opened = (await asyncio.to_thread(flockctl.run, "board", *words)).json["opened"]

    async with await plant.join(opened) as board:
        assert board.details["authrole"] == "board_writer"
