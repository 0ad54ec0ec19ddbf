"""Moving: a device goes to another project of whoever may, keeps its secret, and leaves everything else behind."""

from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError

from services.devices import moving
from services.devices.procedures.moving import MovingProcedures
from services.devices.records.agents import ReadDeviceMetadata
from services.devices.records.devices import MoveDevice, NameMember
from shared.errors import AlreadyExistsError, ConflictError, NotAuthorizedError, NotFoundError, UnavailableError
from shared.flags import AssetKind
from shared.identities import DeviceIdentity
from shared.rights.records import LockKind
from tests.integration.devices.world import ANNA, BERT, KILL_BY_AUTHID, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]

MOVE = "ironflock.auth.device_credential.move"


class Told:
    """Auth, which takes what it is told of moves; can be away."""

    def __init__(self, world: World) -> None:
        """Nothing was told."""
        self.moves: list[dict[str, Any]] = []
        self.is_away = False
        self.refused: set[int] = set()
        world.router.answers[MOVE] = self.take

    def take(self, **move: Any) -> None:
        """`ironflock.auth.device_credential.move`."""
        if self.is_away or move["device_key"] in self.refused:
            raise ApplicationError("wamp.error.no_such_procedure", "away")
        self.moves.append(move)


async def move(world: World, to: int | str = 4, *, name: str | None = None) -> Any:
    return await MovingProcedures(world.parts).device_move(ANNA, MoveDevice("press-1", to, name=name))


def row(world: World, key: int) -> tuple[Any, ...]:
    return world.postgres.rows(
        "SELECT project_key, moved_from, untold_move, state FROM devices.device WHERE device_key = %s", key
    )[0]


async def test_a_moved_device_is_in_the_other_project_with_its_secret_and_nothing_else_of_before(world: World) -> None:
    told, key = Told(world), (await world.create()).device_key
    group = (await world.create_group()).group_key
    await world.groups.group_add_device(ANNA, NameMember(group, key))
    await world.flash(key)
    await world.install(key)
    secret = world.auth.issued[key]

    moved = await move(world, name=" Left ")

    assert (moved.device_key, moved.project_key, moved.name, moved.state) == (key, 4, "Left", "flashed")
    assert world.auth.issued[key] == secret
    (said,) = told.moves
    assert (said["device_key"], said["project_key"], said["moved_from"], said["flash_id"]) == (key, 4, 3, secret[0])
    assert row(world, key) == (4, 3, None, "flashed")
    assert [args[0] for args in world.router.called(KILL_BY_AUTHID)][-2:] == [f"3-{key}", f"4-{key}"]
    assert world.on_devices() == []
    assert (await world.device(key)).groups == frozenset()
    rights = world.privileges.told_of("device", key)[-1]
    assert (rights["project_key"], rights["creator_account_key"], rights["groups"]) == (4, 5, [])
    actions = world.postgres.rows(
        "SELECT project, before, after FROM audit.queue WHERE action = 'device.moved' ORDER BY id"
    )
    went = ({"name": "press-1", "project_key": 3}, {"name": "Left", "project_key": 4})
    assert actions == [(3, *went), (4, *went)]


async def test_its_agent_is_told_under_its_old_name_and_the_old_name_ends_when_it_has_come_under_the_new(
    world: World,
) -> None:
    told, key = Told(world), (await world.create()).device_key
    flash_id = (await world.flash(key))[0].flash_id
    await move(world)

    metadata = await world.agents.read_device_metadata(DeviceIdentity(3, key, 70), ReadDeviceMetadata(device_key=key))
    world.device_joins(key, 70, flash_id, project=3)
    await world.settle()
    assert (metadata.swarm_key, metadata.swarm_name) == (4, "depot")
    assert row(world, key)[1] == 3
    with pytest.raises(ConflictError, match="has not come back"):
        await MovingProcedures(world.parts).device_move(ANNA, MoveDevice(key, 3))

    world.device_joins(key, 71, flash_id, project=4)
    await world.settle()
    await world.parts.moving.keep_up()
    assert [said["moved_from"] for said in told.moves] == [3, None]
    assert told.moves[0]["revision"] < told.moves[1]["revision"]
    assert row(world, key) == (4, None, None, "flashed")
    assert (await MovingProcedures(world.parts).device_move(ANNA, MoveDevice(key, 3))).project_key == 3


async def test_given_auth_away_when_a_device_is_moved_then_it_is_told_later(world: World) -> None:
    told, key = Told(world), (await world.create()).device_key
    await world.flash(key)
    told.is_away = True
    await move(world)
    assert row(world, key)[2] is not None
    told.is_away = False

    await world.parts.moving.keep_up()

    assert [said["project_key"] for said in told.moves] == [4]
    assert row(world, key)[2] is None


async def test_however_many_auth_cannot_be_told_of_the_others_have_their_turn(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(moving, "TOLD_AT_ONCE", 1)
    monkeypatch.setattr(moving, "LOOK_EVERY_S", 0.01)
    told, keys = Told(world), [(await world.create(name)).device_key for name in ("a", "b")]
    for key in keys:
        await world.flash(key)
    world.postgres.run("UPDATE devices.device SET untold_move = 1")
    told.refused = {keys[0]}

    with pytest.raises(UnavailableError):
        await world.parts.moving.keep_up()
    await world.parts.moving.keep_up()
    assert [said["device_key"] for said in told.moves] == keys[1:]

    told.refused = set()
    for _ in range(2):  # there is nothing behind the second: the first again
        await world.parts.moving.keep_up()
    assert [said["device_key"] for said in told.moves] == keys[::-1]


async def test_a_device_that_was_never_flashed_is_moved_and_flashed_later(world: World) -> None:
    told, key = Told(world), (await world.create()).device_key
    await move(world)
    await world.flash(key)
    await move(world, 3)

    assert told.moves[0]["moved_from"] == 4
    assert len(told.moves) == 1
    assert row(world, key)[0] == 3


async def test_a_flashing_overtakes_what_auth_was_still_to_be_told(world: World) -> None:
    told, key = Told(world), (await world.create()).device_key
    await world.flash(key)
    told.is_away = True
    await move(world)
    await world.flash(key)
    told.is_away = False
    await world.parts.moving.keep_up()

    assert told.moves == []
    assert world.auth.projects[key] == 4
    assert row(world, key) == (4, None, None, "flashed")


async def test_a_device_is_moved_by_who_may_give_it_away_and_put_it_there(world: World) -> None:
    Told(world)
    key = (await world.create()).device_key
    surface = MovingProcedures(world.parts)
    for flags in (("READ", "GRANT"), ("READ", "DELETE")):
        person = world.member(3, AssetKind.DEVICE, key, *flags)
        with pytest.raises(NotAuthorizedError):
            await surface.device_move(person, MoveDevice(key, 4))
    mover = world.member(3, AssetKind.DEVICE, key, "READ", "GRANT", "DELETE")
    with pytest.raises(NotFoundError):
        await surface.device_move(mover, MoveDevice(key, 4))
    with pytest.raises(NotFoundError):
        await surface.device_move(BERT, MoveDevice(key, 9))
    with pytest.raises(NotFoundError):
        await move(world, 9)

    assert row(world, key)[0] == 3
    assert "device.moved" not in [action for action, _ in world.postgres.audited()]


async def test_what_cannot_be_moved_is_refused_and_changes_nothing(world: World) -> None:
    Told(world)
    key = (await world.create()).device_key
    with pytest.raises(ConflictError, match="already"):
        await move(world, 3)
    await world.create("LEFT", project=4)
    with pytest.raises(AlreadyExistsError):
        await move(world, name="left")
    world.rights.lock(LockKind.DEVICE, str(key))
    with pytest.raises((ConflictError, NotAuthorizedError)):
        await move(world, name="other")

    assert row(world, key) == (3, None, None, "registered")
