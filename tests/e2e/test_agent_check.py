"""The published agent's own check, end to end: a flashed device asks about people, and gets a real boolean."""

import asyncio
from typing import Any

import pytest

from tests.harness.accounts import Stranger, add_strangers, make_members
from tests.harness.clients import Account, join_device
from tests.harness.running import RunningPlatform
from tests.harness.waiting import eventually
from tests.integration.router_node.wire import Peer, WampError

pytestmark = pytest.mark.real

URI = "reswarm.devices.check_privilege"
WITHIN_S = 5.0


def asking(device_key: int, project: int, person: int, privilege: str) -> dict[str, Any]:
    """What the agent sends (wire-agent section 4, call 9)."""
    return {
        "privilege": privilege,
        "entity": "DEVICE",
        "entity_key": device_key,
        "requestor_account_key": person,
        "swarm_key": project,
    }


async def refused(device: Peer, asked: dict[str, Any]) -> str:
    with pytest.raises(WampError) as told:
        await device.call(URI, asked)
    return told.value.uri


def test_an_agent_is_told_whether_somebody_may_as_their_rights_are_at_that_moment(
    ironflock: RunningPlatform, owner: Account
) -> None:
    flock = owner.flashed()
    key, project = flock["device_key"], flock["swarm_key"]
    other = owner.flashed(project)["device_key"]
    member, outsider = add_strangers(ironflock, 2)
    make_members(ironflock, project, [member], [("device", key, "READ")])

    asyncio.run(_ask(ironflock, owner, flock, member, (outsider, other)))


async def _ask(
    platform: RunningPlatform, owner: Account, flock: Any, member: Stranger, elsewhere: tuple[Stranger, int]
) -> None:
    key, project, person = flock["device_key"], flock["swarm_key"], member.account_key
    outsider, other = elsewhere
    me = owner.call("ironflock.auth.account.me")["account_key"]
    async with await join_device(platform, flock) as device:

        async def answer(whom: int, privilege: str) -> Any:
            return await device.call(URI, asking(key, project, whom, privilege))

        async def change(what: str, **more: Any) -> None:
            about = {"account": person, "kind": "device", "key": key, "flags": ["MAINTAIN"], **more}
            await asyncio.to_thread(owner.call, f"ironflock.privileges.grant.{what}", **about)

        async def is_now(wanted: bool) -> bool:
            return (await answer(person, "MAINTAIN")) is wanted

        assert (await answer(person, "READ")) is True
        assert (await answer(person, "MAINTAIN")) is False
        assert [await answer(me, flag) for flag in ("READ", "MAINTAIN", "DEVELOP")] == [True] * 3
        assert (await answer(outsider.account_key, "READ")) is False
        assert (await answer(2**50, "READ")) is False
        assert await refused(device, asking(other, project, person, "READ")) == "wamp.error.not_authorized"

        await change("give")
        await eventually(lambda: is_now(True), WITHIN_S, "the agent is told yes")
        await change("take")
        await eventually(lambda: is_now(False), WITHIN_S, "the agent is told no")
