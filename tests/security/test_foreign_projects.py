"""What belongs to others looks exactly like what does not exist."""

from typing import Any

import pytest

from tests.harness.accounts import Stranger
from tests.harness.clients import Account, Flock, join_person
from tests.harness.running import RunningPlatform
from tests.integration.router_node.wire import Peer, WampError

pytestmark = [pytest.mark.real, pytest.mark.asyncio]

UNKNOWN = 2**53 - 2


async def error_of(peer: Peer, procedure: str, **arguments: Any) -> tuple[Any, ...]:
    """All that the answer to a refused call says."""
    with pytest.raises(WampError) as caught:
        await peer.call(procedure, options={"receive_progress": True}, **arguments)
    return caught.value.args


@pytest.fixture
def foreign(owner: Account) -> Flock:
    return owner.flashed()


@pytest.mark.parametrize("verb", ["show", "flash", "rename", "delete"])
async def test_a_foreign_device_is_answered_like_an_unknown_one_and_nothing_changes(
    ironflock: RunningPlatform, owner: Account, stranger: Stranger, foreign: Flock, verb: str
) -> None:
    more = {"name": "mine"} if verb == "rename" else {}
    procedure = f"ironflock.devices.device.{verb}"
    before = owner.call("ironflock.devices.device.show", device=foreign["device_key"])
    async with await join_person(ironflock, stranger.account.api_key) as person:
        asked = await error_of(person, procedure, device=foreign["device_key"], **more)
        asked_with_project = await error_of(
            person, procedure, device=foreign["device_key"], project=foreign["swarm_key"], **more
        )
        asked_by_name = await error_of(person, procedure, device=foreign["name"], **more)

        unknown = await error_of(person, procedure, device=UNKNOWN, **more)
        unknown_with_project = await error_of(person, procedure, device=UNKNOWN, project=UNKNOWN, **more)
        unknown_by_name = await error_of(person, procedure, device="no-such-device", **more)

    assert asked == unknown
    assert asked_with_project == unknown_with_project
    assert asked_by_name == unknown_by_name
    assert unknown[0] == "ironflock.error.not_found"
    assert owner.call("ironflock.devices.device.show", device=foreign["device_key"]) == before


@pytest.mark.parametrize(
    "procedure", ["realms.project.show", "devices.device.list", "devices.device.watch", "devices.device.create"]
)
async def test_a_foreign_project_is_answered_like_an_unknown_one(
    ironflock: RunningPlatform, owner: Account, stranger: Stranger, foreign: Flock, procedure: str
) -> None:
    async with await join_person(ironflock, stranger.account.api_key) as person:

        async def asked_for(project: int | str) -> tuple[Any, ...]:
            more = {"name": "mine"} if procedure.endswith("create") else {}
            return await error_of(person, f"ironflock.{procedure}", project=project, **more)

        asked, asked_by_name = await asked_for(foreign["swarm_key"]), await asked_for(foreign["swarm_name"])
        unknown, unknown_by_name = await asked_for(UNKNOWN), await asked_for("no-such-project")

    assert asked == unknown == asked_by_name == unknown_by_name
    assert unknown[0] == "ironflock.error.not_found"
    listed = owner.call("ironflock.devices.device.list", project=foreign["swarm_key"])["devices"]
    assert [device["device_key"] for device in listed] == [foreign["device_key"]]


async def test_lists_hold_what_is_ones_own_only(ironflock: RunningPlatform, stranger: Stranger, foreign: Flock) -> None:
    async with await join_person(ironflock, stranger.account.api_key) as person:
        assert await person.call("ironflock.realms.project.list") == {"projects": [], "next": None}
        assert await person.call("ironflock.devices.device.list") == {"devices": [], "next": None}
    assert foreign["device_key"]


async def test_two_accounts_may_have_projects_of_one_name_and_each_finds_its_own(
    owner: Account, stranger: Stranger, foreign: Flock
) -> None:
    theirs = stranger.account.call("ironflock.realms.project.create", name=foreign["swarm_name"])

    mine = owner.call("ironflock.realms.project.show", project=foreign["swarm_name"])

    assert mine["project_key"] == foreign["swarm_key"] != theirs["project_key"]
    assert stranger.account.call("ironflock.realms.project.show", project=foreign["swarm_name"]) == theirs


async def test_a_cursor_of_another_account_gives_nothing_of_theirs(
    owner: Account, stranger: Stranger, foreign: Flock
) -> None:
    owner.project()
    cursor = owner.call("ironflock.realms.project.list", limit=1)["next"]
    assert cursor
    assert foreign["swarm_key"]

    assert stranger.account.call("ironflock.realms.project.list", cursor=cursor)["projects"] == []


@pytest.mark.parametrize("cursor", ["x", "", "AAAA", "' OR 1=1", "9" * 150, "\u0000", "=" * 200])
async def test_a_forged_cursor_is_refused(owner: Account, cursor: str) -> None:
    with pytest.raises(WampError, match="invalid_argument"):
        owner.call("ironflock.realms.project.list", cursor=cursor)
