"""What an agent may say of itself, and that it may say nothing of others (decision 8)."""

from typing import Any

import pytest

from tests.harness.clients import Account, join_device
from tests.harness.recorded import RECORDED
from tests.harness.running import RunningPlatform
from tests.harness.waiting import eventually
from tests.integration.router_node.wire import Peer, WampError

pytestmark = [pytest.mark.real, pytest.mark.asyncio]


async def refused(attempt: Any, uri: str = "wamp.error.not_authorized") -> None:
    with pytest.raises(WampError) as caught:
        await attempt
    assert caught.value.uri == uri


def impersonations(platform: RunningPlatform, device_key: int) -> int:
    with platform.database() as connection:
        row = connection.execute(
            f"SELECT count(*) FROM {RECORDED} WHERE action = 'device.impersonated' AND outcome = 'refused'"  # noqa: S608
            " AND actor ->> 'key' = %s",
            [str(device_key)],
        ).fetchone()
    assert row is not None
    return int(row[0])


async def test_a_payload_that_names_another_device_is_refused_and_recorded(
    ironflock: RunningPlatform, owner: Account
) -> None:
    project = owner.project()
    mine, theirs = owner.flashed(project), owner.flashed(project)
    named = {"swarm_key": theirs["swarm_key"], "device_key": theirs["device_key"]}
    calls: list[tuple[str, dict[str, Any]]] = [
        ("read_device_metadata", {"device_key": theirs["device_key"]}),
        ("update_device_status", {**named, "status": "CONNECTED", "wamp_session_id": 1}),
        ("update_device_architecture", {**named, "architecture": "amd64"}),
        ("check_privilege", privilege_of(theirs)),
        (
            "update_device_status",
            {**named, "device_key": mine["device_key"], "swarm_key": mine["swarm_key"] + 1, "status": "CONNECTED"},
        ),
    ]
    async with await join_device(ironflock, mine) as device:
        for name, payload in calls:
            await refused(device.call(f"reswarm.devices.{name}", payload))

    assert impersonations(ironflock, mine["device_key"]) == 1  # once a minute, with the count in the next one
    assert impersonations(ironflock, theirs["device_key"]) == 0
    assert owner.status(theirs["device_key"]) == "DISCONNECTED"


def privilege_of(flock: Any) -> dict[str, Any]:
    entity = {"entity": "DEVICE", "entity_key": flock["device_key"], "swarm_key": flock["swarm_key"]}
    return {"privilege": "READ", "requestor_account_key": 1, **entity}


async def online(peer: Peer, flock: Any) -> None:
    named = {"swarm_key": flock["swarm_key"], "device_key": flock["device_key"]}
    status = {**named, "status": "CONNECTED", "wamp_session_id": peer.session}
    await peer.call("reswarm.devices.update_device_status", status)


async def test_a_testament_that_names_another_device_leaves_that_one_online(
    ironflock: RunningPlatform, owner: Account
) -> None:
    mine, theirs = owner.flashed(), owner.flashed()
    async with await join_device(ironflock, theirs) as victim:
        await online(victim, theirs)
        async with await join_device(ironflock, mine) as device:
            await online(device, mine)
            lie = {key: theirs[key] for key in ("swarm_key", "device_key", "serial_number")}
            lie["wamp_session_id"] = victim.session
            await device.call("wamp.session.add_testament", "reswarm.api.testament_device", [lie], {})

        async def has_left() -> bool:
            return owner.status(mine["device_key"]) == "DISCONNECTED"

        await eventually(has_left, 10, "the one that left is offline")
        assert owner.status(theirs["device_key"]) == "CONNECTED"


async def test_a_status_that_names_another_session_counts_for_the_own_one(
    ironflock: RunningPlatform, owner: Account
) -> None:
    flock = owner.flashed()
    async with await join_device(ironflock, flock) as device:
        named = {"swarm_key": flock["swarm_key"], "device_key": flock["device_key"]}
        await device.call(
            "reswarm.devices.update_device_status", {**named, "status": "CONNECTED", "wamp_session_id": 1}
        )
        assert owner.status(flock["device_key"]) == "CONNECTED"

    async def is_offline() -> bool:
        return owner.status(flock["device_key"]) == "DISCONNECTED"

    await eventually(is_offline, 10, "the device is offline")


@pytest.mark.parametrize(
    "payload",
    [
        {},
        {"status": "DISCONNECTED"},
        {"status": "X"},
        {"status": 1},
        {"device_key": "1"},
        {"device_key": 1.5},
        None,
        [],
        "x",
    ],
    ids=str,
)
async def test_a_malformed_status_is_refused_and_the_device_stays_joined(
    ironflock: RunningPlatform, owner: Account, payload: Any
) -> None:
    flock = owner.flashed()
    named = {"swarm_key": flock["swarm_key"], "device_key": flock["device_key"]}
    async with await join_device(ironflock, flock) as device:
        sent = {**named, **payload} if isinstance(payload, dict) else payload
        await refused(device.call("reswarm.devices.update_device_status", sent), "wamp.error.invalid_argument")
        assert await device.call("reswarm.devices.get_app_cred_key")


async def test_an_app_list_is_never_empty_because_agents_would_delete_everything(
    ironflock: RunningPlatform, owner: Account
) -> None:
    flock = owner.flashed()
    payload = {"device_key": flock["device_key"]}
    async with await join_device(ironflock, flock) as device:
        uri = "ironflock.error.conflict"
        await refused(device.call("reswarm.containers.get_requested_app_states", payload), uri)
