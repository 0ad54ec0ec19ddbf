"""Privileges is told of every device and group: in order, once the change is there, whatever happens in between."""

import asyncio
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError

from services.devices.records.devices import NameDevice, NameGroup, NameMember, RenameDevice
from services.devices.store import outbox
from services.devices.telling import Outbox
from shared.errors import UnavailableError
from shared.flags import AssetKind
from tests.harness.waiting import eventually
from tests.integration.database import ROOT, Postgres
from tests.integration.devices.world import ANNA, Crash, World, refusal

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


def rows(world: World) -> int:
    return int(world.postgres.rows("SELECT count(*) FROM devices.outbox")[0][0])


async def tell(world: World) -> None:
    """As the loop does, at once."""
    world.telling.wake()
    await world.telling.keep_up()


async def test_a_new_device_is_known_to_privileges_when_the_call_returns(world: World) -> None:
    key = (await world.create()).device_key

    assert world.privileges.told == [
        {
            "verb": "put",
            "kind": "device",
            "key": key,
            "project_key": 3,
            "revision": 0,
            "creator_account_key": 5,
            "groups": [],
        }
    ]
    assert rows(world) == 0


async def test_what_concerns_no_rights_is_not_told(world: World) -> None:
    key = (await world.create()).device_key

    await world.people.device_rename(ANNA, RenameDevice(key, "other"))
    await world.people.device_flash(ANNA, NameDevice(key))

    assert len(world.privileges.told) == 1
    assert rows(world) == 0


async def test_given_privileges_away_when_a_device_is_created_then_it_is_there_and_told_later(world: World) -> None:
    world.privileges.is_away = True

    key = (await world.create()).device_key

    assert (await world.show(key)).device_key == key
    with pytest.raises(UnavailableError):
        await tell(world)
    assert rows(world) == 1
    world.privileges.is_away = False
    await tell(world)
    assert [said["key"] for said in world.privileges.told] == [key]
    assert rows(world) == 0


async def test_given_a_crash_between_the_commit_and_the_telling_then_another_process_tells(world: World) -> None:
    def crash(_: Any) -> None:
        raise Crash

    world.privileges.before = crash
    with pytest.raises(Crash):
        await world.create()
    world.privileges.before = lambda _: None
    assert world.privileges.told == []

    after = Outbox(world.bus, world.database, lambda: 0.0)
    after.wake()
    await after.keep_up()

    key = world.postgres.rows("SELECT device_key FROM devices.device")[0][0]
    assert [(said["key"], said["creator_account_key"]) for said in world.privileges.told] == [(key, 5)]
    assert rows(world) == 0


async def test_given_a_crash_after_it_was_taken_then_it_is_told_again_and_nothing_is_lost(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def crash(*_: Any) -> None:
        raise Crash

    with monkeypatch.context() as patched:
        patched.setattr(outbox, "delete", crash)
        with pytest.raises(Crash):
            await world.create()
    await tell(world)

    first, second = world.privileges.told
    assert first == second


async def test_given_a_refused_row_when_all_are_told_then_the_others_do_not_wait_for_it(world: World) -> None:
    world.privileges.is_away = True
    first, second = [(await world.create(name)).device_key for name in ("a", "b")]
    world.privileges.is_away = False

    def refuse(said: dict[str, Any]) -> None:
        if said["key"] == first:
            raise refusal("not_found")

    world.privileges.before = refuse
    await tell(world)

    assert [said["key"] for said in world.privileges.told] == [second]
    left = world.postgres.rows("SELECT asset_key, attempts, due_at > now() FROM devices.outbox")
    assert left == [(first, 1, True)]

    world.privileges.before = lambda _: None
    world.postgres.run("UPDATE devices.outbox SET due_at = now()")
    await tell(world)
    assert [said["key"] for said in world.privileges.told] == [second, first]


async def test_a_fault_of_privileges_is_waited_out_too(world: World) -> None:
    def fail(_: Any) -> None:
        raise ApplicationError("wamp.error.runtime_error", "broken")

    world.privileges.before = fail
    key = (await world.create()).device_key
    world.privileges.before = lambda _: None

    await world.telling.hurry(AssetKind.DEVICE, key)

    assert [said["key"] for said in world.privileges.told] == [key]


async def test_waits_grow_and_stay_within_bounds(world: World) -> None:
    world.privileges.is_away = True
    await world.create()
    key = world.postgres.rows("SELECT outbox_key FROM devices.outbox")[0][0]
    waits = []
    for _ in range(40):
        await world.database.run(lambda connection: outbox.postpone(connection, key, most_s=30.0))
        waits.append(
            float(world.postgres.rows("SELECT extract(epoch FROM due_at - now())::float8 FROM devices.outbox")[0][0])
        )

    assert 0.1 < waits[0] <= 0.5
    assert all(14.0 < wait <= 30.0 for wait in waits[8:])
    assert len({round(wait, 3) for wait in waits[8:]}) > 5


async def test_one_asset_s_changes_are_told_in_their_order_even_if_the_first_was_refused(world: World) -> None:
    world.privileges.is_away = True
    key, group = (await world.create()).device_key, (await world.create_group()).group_key
    world.privileges.is_away = False
    refusals = iter([True, False])

    def refuse_once(said: dict[str, Any]) -> None:
        if said["kind"] == "device" and next(refusals, False):
            raise refusal("unavailable")

    world.privileges.before = refuse_once
    await world.groups.group_add_device(ANNA, NameMember(group, key))
    await eventually(lambda: told(world, "device", key, 2), 5, "both were told")

    assert [(said["revision"], said["groups"]) for said in world.privileges.told_of("device", key)] == [
        (0, []),
        (1, [group]),
    ]


async def told(world: World, kind: str, key: int, count: int) -> bool:
    await tell(world)
    return len(world.privileges.told_of(kind, key)) == count


async def test_a_device_that_is_gone_is_forgotten(world: World) -> None:
    key = (await world.create()).device_key

    await world.people.device_delete(ANNA, NameDevice(key))
    await tell(world)

    assert world.privileges.told[1:] == [{"verb": "forget", "kind": "device", "key": key}]


async def test_groups_are_told_with_who_created_them_and_their_devices_with_what_they_are_in(world: World) -> None:
    first, second = [(await world.create(name)).device_key for name in ("a", "b")]
    one, two = [(await world.create_group(name)).group_key for name in ("g1", "g2")]
    for group, device in ((one, first), (two, first), (one, second)):
        await world.groups.group_add_device(ANNA, NameMember(group, device))

    await world.groups.group_delete(ANNA, NameGroup(one))
    await tell(world)

    assert world.privileges.told_of("group", one) == [
        {
            "verb": "put",
            "kind": "group",
            "key": one,
            "project_key": 3,
            "revision": 0,
            "creator_account_key": 5,
            "groups": [],
        },
        {"verb": "forget", "kind": "group", "key": one},
    ]
    said = {
        key: [(s["revision"], s["groups"]) for s in world.privileges.told_of("device", key)] for key in (first, second)
    }
    assert said == {first: [(0, []), (1, [one]), (2, [one, two]), (3, [two])], second: [(0, []), (1, [one]), (2, [])]}


async def test_the_loop_tells_what_was_written_at_once(world: World) -> None:
    world.privileges.is_away = True
    await world.create()
    world.privileges.is_away = False
    loop = asyncio.ensure_future(world.telling.keep_up())

    await loop

    assert rows(world) == 0


async def test_the_devices_from_before_are_told_by_the_migration(world: World, postgres: Postgres) -> None:
    key = (await world.create()).device_key
    text = (ROOT / "services/devices/migrations/0002_add_revision_and_outbox.sql").read_text(encoding="utf-8")

    with postgres.connect("migrate") as connection, connection.transaction():
        connection.execute("SET LOCAL ROLE devices_owner")
        connection.execute(text.encode())

    assert world.postgres.rows(
        "SELECT kind, asset_key, project_key, revision, creator_account_key, is_gone FROM devices.outbox"
    ) == [("device", key, 3, 0, None, False)]
