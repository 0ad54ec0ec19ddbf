"""What the published agent calls, with its exact shapes (wire-agent section 4)."""

from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError

from services.devices.procedures.agents import CHANGES
from services.devices.records.devices import NameMember
from shared.flags import AssetKind
from shared.identities import DeviceIdentity
from shared.procedures import NoArguments, declared, public_errors
from shared.rights.records import LockKind
from tests.harness.rights import project
from tests.integration.devices.world import ANNA, BASE_URL, KILL, World
from tests.unit.shared.memory_router import call_details

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
STATS = {"cpu_count": 4, "cpu_usage": 12.5, "docker_apps_mounted": True, "later": [1]}


async def call(world: World, uri: str, *args: Any, device: int, project: int = 3, session: int = 11) -> Any:
    found = {declaration.uri: (declaration, method) for declaration, method in declared(world.agents)}
    details = call_details("device", f"{project}-{device}", session=session)
    return await public_errors(*found[uri], None)(*args, details=details)


async def refused(world: World, uri: str, *args: Any, device: int, project: int = 3) -> str:
    with pytest.raises(ApplicationError) as error:
        await call(world, uri, *args, device=device, project=project)
    return str(error.value.error)


async def test_call_2_answers_names_and_project_in_full(world: World) -> None:
    key = (await world.create()).device_key

    answer = await call(world, "reswarm.devices.read_device_metadata", {"device_key": key}, device=key)

    assert answer == {"device_name": "press-1", "swarm_name": "plant", "ownername": "person 5", "swarm_key": 3}


async def test_call_2_goes_by_the_device_key_whatever_project_the_authid_names(world: World) -> None:
    key = (await world.create()).device_key

    answer = await call(world, "reswarm.devices.read_device_metadata", {"device_key": key}, device=key, project=77)

    assert answer["swarm_key"] == 3


async def test_call_3_takes_nothing_and_answers_a_text(world: World) -> None:
    key = (await world.create()).device_key
    await world.flash(key)

    assert await call(world, "reswarm.devices.get_app_cred_key", device=key) == "app key"


@pytest.mark.parametrize("status", ["CONFIGURING", "CONNECTED", "EMERGENCY"])
async def test_call_4_sets_the_status_and_answers_the_base_url(world: World, status: str) -> None:
    key = (await world.create()).device_key
    said = {
        "swarm_key": 3,
        "device_key": key,
        "status": status,
        "wamp_session_id": 999,
        "stats": STATS,
        "tunnel_capable": True,
    }

    answer = await call(world, "reswarm.devices.update_device_status", said, device=key)

    assert answer == {"reswarmBaseURL": BASE_URL}
    assert world.status(key) == (status, 11)
    stats = world.postgres.rows("SELECT stats FROM devices.device")
    assert stats == [({"cpu_count": 4, "cpu_usage": 12.5, "docker_apps_mounted": True},)]


async def test_call_4_keeps_the_last_stats_where_none_are_said(world: World) -> None:
    key = (await world.create()).device_key
    said = {"swarm_key": 3, "device_key": key, "status": "CONNECTED"}
    await call(world, "reswarm.devices.update_device_status", {**said, "stats": STATS}, device=key)

    await call(world, "reswarm.devices.update_device_status", said, device=key)
    await call(world, "reswarm.devices.update_device_status", {**said, "stats": None}, device=key)

    assert world.postgres.rows("SELECT stats -> 'cpu_count' FROM devices.device") == [(4,)]


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400, "x\x00", {"a": "\x00"}])
async def test_call_4_is_answered_whatever_a_device_measures(world: World, value: Any) -> None:
    key = (await world.create()).device_key
    said = {
        "swarm_key": 3,
        "device_key": key,
        "status": "CONNECTED",
        "stats": {"cpu_usage": value, value if isinstance(value, str) else "x": value},
    }

    assert await call(world, "reswarm.devices.update_device_status", said, device=key) == {"reswarmBaseURL": BASE_URL}
    assert world.status(key) == ("CONNECTED", 11)


@pytest.mark.parametrize("status", ["DISCONNECTED", "connected", "", None, 7])
async def test_call_4_refuses_another_status(world: World, status: Any) -> None:
    key = (await world.create()).device_key
    said = {"swarm_key": 3, "device_key": key, "status": status}

    assert (
        await refused(world, "reswarm.devices.update_device_status", said, device=key) == "wamp.error.invalid_argument"
    )
    assert world.status(key) == ("DISCONNECTED", None)


async def test_call_5_sets_machine_and_release(world: World) -> None:
    key = (await world.create()).device_key
    said = {
        "swarm_key": 3,
        "device_key": key,
        "architecture": "amd64",
        "os": "linux debian 12.11\x00 6.1",
        "arch": "amd64",
        "variant": "",
        "agent_version": "0.20.20",
        "later": 1,
    }

    assert await call(world, "reswarm.devices.update_device_architecture", said, device=key) is None

    device = await world.show(key)
    assert (device.architecture, device.os, device.agent_version) == ("amd64", "linux debian 12.11 6.1", "0.20.20")
    new = {"os": "linux debian 12.11 6.1", "architecture": "amd64", "agent_version": "0.20.20"}
    assert machine_entries(world, key) == [(dict.fromkeys(new), new, "device", 11)]


async def test_call_5_is_recorded_when_it_says_something_new(world: World) -> None:
    key = (await world.create()).device_key
    said = {"swarm_key": 3, "device_key": key, "architecture": "amd64", "os": "linux", "agent_version": "0.20.20"}
    for version in ("0.20.20", "0.20.20", "0.21.0"):
        await call(world, "reswarm.devices.update_device_architecture", {**said, "agent_version": version}, device=key)

    assert [entry[:2] for entry in machine_entries(world, key)[1:]] == [
        ({"agent_version": "0.20.20"}, {"agent_version": "0.21.0"})
    ]


async def test_given_a_device_that_tells_of_new_machines_without_end_when_it_does_then_the_log_is_not_filled(
    world: World,
) -> None:
    key = (await world.create()).device_key
    said = {"swarm_key": 3, "device_key": key, "architecture": "amd64"}
    for number in range(CHANGES):
        await call(world, "reswarm.devices.update_device_architecture", {**said, "os": f"{number}"}, device=key)

    again = {**said, "os": "another"}
    uri = "reswarm.devices.update_device_architecture"
    assert await refused(world, uri, again, device=key) == "ironflock.error.over_limit"

    assert len(machine_entries(world, key)) == CHANGES


def machine_entries(world: World, key: int) -> list[tuple[Any, ...]]:
    """What the log says of the device's machine: before, after, whose act, over which session."""
    return world.postgres.rows(
        "SELECT before, after, actor ->> 'kind', (source ->> 'session')::int FROM audit.queue"
        " WHERE action = 'device.architecture_changed' AND (asset ->> 'key')::int = %s ORDER BY id",
        key,
    )


async def test_call_8_answers_a_token_for_the_images_of_the_device_s_own_apps(world: World) -> None:
    key, other = (await world.create()).device_key, (await world.create("press-2")).device_key
    asked: list[dict[str, Any]] = []

    def issue(**which: Any) -> str:
        asked.append(which)
        return "token"

    world.router.answers["ironflock.auth.registry_token.issue"] = issue
    await world.install(key, 26, "PROD")
    await world.install(other, 77)
    world.postgres.run("UPDATE devices.device SET architecture = 'amd64'")

    caller = DeviceIdentity(3, key, 77)
    assert await world.agents.get_registry_token(caller, NoArguments()) == "token"
    assert asked == [{"device_key": key, "repositories": ["apps/prod_amd64_26_press"]}]


def asking(key: int, account: int, privilege: str = "READ", **more: Any) -> dict[str, Any]:
    """What an agent sends."""
    asked = {"privilege": privilege, "entity": "DEVICE", "entity_key": key, "requestor_account_key": account}
    return {**asked, "swarm_key": 3, **more}


@pytest.mark.parametrize(
    ("account", "privilege", "holds"),
    [
        *((5, privilege, True) for privilege in ("READ", "NETWORK", "MAINTAIN", "DEVELOP", "OPERATE", "INSTALL")),
        (6, "READ", False),
        (999, "READ", False),
        (0, "READ", False),
        *((5, privilege, False) for privilege in ("ROOT", "read", "", "GRANT", "DELETE", "UPDATE")),
    ],
)
async def test_call_9_answers_a_real_boolean(world: World, account: int, privilege: str, *, holds: bool) -> None:
    key = (await world.create()).device_key

    asked = asking(key, account, privilege)
    assert await call(world, "reswarm.devices.check_privilege", asked, device=key) is holds


@pytest.mark.parametrize("entity", ["SWARM", "device", "", "APP"])
async def test_call_9_knows_devices_only(world: World, entity: str) -> None:
    key = (await world.create()).device_key

    asked = asking(key, 5, entity=entity)
    assert await call(world, "reswarm.devices.check_privilege", asked, device=key) is False


async def test_call_9_says_yes_to_what_was_given_and_no_to_all_else_and_no_once_it_was_taken(world: World) -> None:
    key, other = (await world.create()).device_key, (await world.create("other")).device_key
    person = world.member(3, AssetKind.DEVICE, key, "READ").account_key

    async def answers(device: int, privilege: str) -> bool:
        asked = asking(device, person, privilege)
        answer = await call(world, "reswarm.devices.check_privilege", asked, device=device)
        assert isinstance(answer, bool)
        return answer

    assert [await answers(key, "READ"), await answers(key, "MAINTAIN"), await answers(other, "READ")] == [
        True,
        False,
        False,
    ]
    world.rights.give(person, 3, AssetKind.DEVICE, key, "MAINTAIN")
    assert await answers(key, "MAINTAIN")
    world.rights.lose(person, project(3))
    assert not await answers(key, "READ")


async def test_call_9_counts_what_a_group_confers(world: World) -> None:
    key, group = (await world.create()).device_key, (await world.create_group()).group_key
    person = world.member(3, AssetKind.GROUP, group, "DEVELOP").account_key
    uri = "reswarm.devices.check_privilege"
    assert await call(world, uri, asking(key, person, "DEVELOP"), device=key) is False

    await world.groups.group_add_device(ANNA, NameMember(group, key))

    assert await call(world, uri, asking(key, person, "DEVELOP"), device=key) is True
    assert await call(world, uri, asking(key, person, "MAINTAIN"), device=key) is False


@pytest.mark.parametrize(("kind", "locked"), [(LockKind.PERSON, 5), (LockKind.DEVICE, None), (LockKind.PROJECT, 3)])
async def test_call_9_says_no_to_what_is_locked(world: World, kind: LockKind, locked: int | None) -> None:
    key = (await world.create()).device_key
    world.rights.lock(kind, key if locked is None else locked)

    assert await call(world, "reswarm.devices.check_privilege", asking(key, 5, "DEVELOP"), device=key) is False


async def test_given_silent_rights_when_an_agent_asks_then_it_gets_an_error_and_its_other_calls_go_on(
    world: World,
) -> None:
    key = (await world.create()).device_key
    world.rights.is_silent = True

    refusal = await refused(world, "reswarm.devices.check_privilege", asking(key, 5), device=key)

    assert refusal == "ironflock.error.unavailable"
    said = {"swarm_key": 3, "device_key": key, "status": "CONNECTED"}
    assert await call(world, "reswarm.devices.update_device_status", said, device=key) == {"reswarmBaseURL": BASE_URL}


async def test_call_12_answers_a_dictionary(world: World) -> None:
    key = (await world.create()).device_key

    assert await call(world, "reswarm.registry.run_gc", device=key) == {}


FOREIGN = [
    ("reswarm.devices.read_device_metadata", {}),
    ("reswarm.devices.update_device_status", {"status": "CONNECTED"}),
    ("reswarm.devices.update_device_architecture", {"architecture": "x"}),
    ("reswarm.devices.check_privilege", {"privilege": "READ", "entity": "DEVICE", "requestor_account_key": 5}),
]


@pytest.mark.parametrize(("uri", "said"), FOREIGN)
async def test_given_another_device_in_the_payload_when_a_device_calls_then_it_is_refused_and_recorded(
    world: World, uri: str, said: dict[str, Any]
) -> None:
    own, other = (await world.create("own")).device_key, (await world.create("other")).device_key
    payload = {**said, "swarm_key": 3, "device_key": other, "entity_key": other}

    assert await refused(world, uri, payload, device=own) == "wamp.error.not_authorized"

    assert world.status(other) == world.status(own) == ("DISCONNECTED", None)
    rows = world.postgres.rows(
        "SELECT actor ->> 'kind', actor -> 'key', asset -> 'key', source -> 'session', outcome"
        " FROM audit.queue WHERE action = 'device.impersonated'"
    )
    assert rows == [("device", own, own, 11, "refused")]


@pytest.mark.parametrize("uri", ["reswarm.devices.update_device_status", "reswarm.devices.update_device_architecture"])
async def test_given_another_project_in_the_payload_when_a_device_calls_then_it_is_refused(
    world: World, uri: str
) -> None:
    key = (await world.create()).device_key
    payload = {"swarm_key": 4, "device_key": key, "status": "CONNECTED", "architecture": "x"}

    assert await refused(world, uri, payload, device=key) == "wamp.error.not_authorized"


async def test_a_device_that_is_not_registered_any_more_is_told_so(world: World) -> None:
    assert (
        await refused(world, "reswarm.devices.read_device_metadata", {"device_key": 99}, device=99)
        == "ironflock.error.not_found"
    )


async def test_given_auth_away_when_a_device_asks_once_a_connection_then_it_is_sent_to_ask_again(world: World) -> None:
    key = (await world.create()).device_key
    world.auth.is_away = True

    assert await refused(world, "reswarm.devices.get_app_cred_key", device=key) == "ironflock.error.unavailable"
    await world.presence._send_off()

    assert [args[0] for args in world.router.called(KILL)] == [11]


@pytest.mark.parametrize(
    "payload", [(), (None,), ([],), ({"device_key": "7"},), ({},), ({"device_key": 1}, {"device_key": 1})]
)
async def test_given_another_shape_when_a_device_calls_then_it_is_refused(
    world: World, payload: tuple[Any, ...]
) -> None:
    assert (
        await refused(world, "reswarm.devices.read_device_metadata", *payload, device=7)
        == "wamp.error.invalid_argument"
    )
