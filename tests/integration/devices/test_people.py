"""What people do with devices."""

import asyncio
import json
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError

from services.devices.records.devices import CreateDevice, Device, ListDevices, NameDevice, RenameDevice, WatchDevices
from shared.errors import AlreadyExistsError, ConflictError, InvalidArgumentError, NotFoundError, UnavailableError
from shared.procedures import declared, public_errors
from tests.integration.devices.world import ANNA, BERT, World
from tests.unit.shared.memory_router import call_details
from tests.unit.shared.surface import everywhere

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


def invocation(world: World, uri: str) -> Any:
    found = {declaration.uri: (declaration, method) for declaration, method in declared(world.people)}
    return public_errors(*found[uri], None, everywhere)


async def test_a_device_is_created_in_a_project_and_recorded(world: World) -> None:
    device = await world.people.device_create(ANNA, CreateDevice("plant", "  Press 1 ", " the\nfirst "))

    assert (device.project_key, device.project_name, device.name, device.description) == (
        3,
        "plant",
        "Press 1",
        "the\nfirst",
    )
    assert (device.state, device.status, device.status_since, device.flashed_at) == (
        "registered",
        "DISCONNECTED",
        None,
        None,
    )
    assert device.serial_number.version == 4
    rows = world.postgres.rows(
        "SELECT service, action, actor ->> 'key', asset, project, before, after, source -> 'session' FROM audit.queue"
    )
    after = {"name": "Press 1", "description": "the\nfirst", "serial_number": str(device.serial_number)}
    asset = {"kind": "device", "key": device.device_key}
    assert rows == [("svc_devices", "device.created", "5", asset, 3, None, after, 11)]


@pytest.mark.parametrize("twin", ["press 1", " PRESS\u00a01 ", "\uff30ress 1"])
async def test_given_a_twin_when_it_is_created_then_one_has_won(world: World, twin: str) -> None:
    await world.create("Press 1")

    with pytest.raises(AlreadyExistsError):
        await world.create(twin)

    assert world.postgres.rows("SELECT name FROM devices.device") == [("Press 1",)]
    assert len(world.postgres.audited()) == 1


async def test_given_many_of_one_name_at_once_when_they_are_over_then_one_has_won(world: World) -> None:
    results = await asyncio.gather(*(world.create() for _ in range(8)), return_exceptions=True)

    assert sum(isinstance(result, AlreadyExistsError) for result in results) == 7
    assert len(world.postgres.audited()) == 1


async def test_another_project_may_have_a_device_of_that_name(world: World) -> None:
    first, second = await world.create("press", 3), await world.create("press", 4)

    with pytest.raises(ConflictError):
        await world.people.device_show(ANNA, NameDevice("press"))
    assert (await world.people.device_show(ANNA, NameDevice("press", "depot"))) == second
    assert (await world.people.device_show(ANNA, NameDevice("PRESS", 3))) == first


@pytest.mark.parametrize("name", ["", "7", "a\x00b", "x" * 101, "a\u200bb", "\ud800"])
async def test_given_an_unfit_name_when_it_is_given_then_it_is_refused_and_nothing_changed(
    world: World, name: str
) -> None:
    key = (await world.create()).device_key

    with pytest.raises(InvalidArgumentError):
        await world.create(name)
    with pytest.raises(InvalidArgumentError):
        await world.people.device_rename(ANNA, RenameDevice(key, name))

    assert world.postgres.rows("SELECT name FROM devices.device") == [("press-1",)]
    assert len(world.postgres.audited()) == 1


async def test_what_is_foreign_looks_as_if_it_were_not_there(world: World) -> None:
    key = (await world.create()).device_key
    refusals = []
    for wanted in (key, "press-1", key + 1_000_000, "other", "\x00", "a\ud800b", "", "x" * 400):
        for call in (
            world.people.device_show(BERT, NameDevice(wanted)),
            world.people.device_flash(BERT, NameDevice(wanted)),
            world.people.device_delete(BERT, NameDevice(wanted)),
            world.people.device_rename(BERT, RenameDevice(wanted, "mine")),
        ):
            with pytest.raises(NotFoundError) as refused:
                await call
            refusals.append(refused.value.details())

    assert all(refusal == refusals[0] for refusal in refusals)
    assert world.state(key) == ("registered", None)
    assert world.auth.issued == {}


@pytest.mark.parametrize("project", [3, "plant", 77, "other", "\x00"])
async def test_a_foreign_project_looks_as_if_it_were_not_there(world: World, project: int | str) -> None:
    with pytest.raises(NotFoundError):
        await world.create("press", project, BERT)
    with pytest.raises(NotFoundError):
        await world.people.device_list(BERT, ListDevices(project))

    assert world.postgres.rows("SELECT count(*) FROM devices.device") == [(0,)]


async def test_pages_of_250_devices_hold_each_once(world: World) -> None:
    await world.create("first", 3)
    await world.create("foreign", 9, BERT)
    world.postgres.run(
        "INSERT INTO devices.device (project_key, name, name_canonical, serial_number, state)"
        " SELECT 3, 'p' || n, 'p' || n, gen_random_uuid(), 'registered' FROM generate_series(1, 249) n"
    )
    seen: list[str] = []
    cursor: str | None = None
    pages = 0
    while pages == 0 or cursor is not None:
        page = await world.people.device_list(ANNA, ListDevices(None, cursor, 100))
        seen += [device.name for device in page.devices]
        cursor, pages = page.next, pages + 1

    assert pages == 3
    assert seen == ["first", *(f"p{number}" for number in range(1, 250))]


async def test_a_flash_shows_the_file_with_the_secret_once(world: World) -> None:
    key = (await world.create()).device_key

    flashed = await world.people.device_flash(ANNA, NameDevice("press-1"))

    flock = flashed.flock
    secret = world.auth.issued[key][1]
    assert (flock["secret"], flock["device_key"], flock["swarm_key"], flock["swarm_owner_name"]) == (
        secret,
        key,
        3,
        "person 5",
    )
    assert secret not in repr(flashed)
    shown = await invocation(world, "ironflock.devices.device.show")(details=call_details("user", "5"), device=key)
    assert secret not in json.dumps(shown)
    assert secret not in str(
        world.postgres.rows("SELECT d::text FROM devices.device d")
        + world.postgres.rows("SELECT q::text FROM audit.queue q")
    )


async def test_a_device_is_renamed_and_recorded(world: World) -> None:
    key = (await world.create()).device_key

    renamed = await world.people.device_rename(ANNA, RenameDevice("press-1", " Press 2 "))

    assert (renamed.device_key, renamed.name) == (key, "Press 2")
    rows = world.postgres.rows("SELECT before, after FROM audit.queue WHERE action = 'device.renamed'")
    assert rows == [({"name": "press-1"}, {"name": "Press 2"})]
    await world.create("press-1")
    with pytest.raises(AlreadyExistsError):
        await world.people.device_rename(ANNA, RenameDevice("press-1", "PRESS 2"))


async def test_a_device_may_be_renamed_to_another_form_of_its_own_name(world: World) -> None:
    await world.create("press")

    assert (await world.people.device_rename(ANNA, RenameDevice("press", "PRESS"))).name == "PRESS"


async def test_a_deleted_device_is_gone_and_its_name_free(world: World) -> None:
    key = (await world.create()).device_key

    assert await world.people.device_delete(ANNA, NameDevice("press-1")) is None

    with pytest.raises(NotFoundError):
        await world.show(key)
    assert world.auth.ended == [key]
    assert (await world.create()).device_key != key


async def test_given_realms_away_when_people_ask_then_it_is_unavailable_and_nothing_changed(world: World) -> None:
    del world.router.answers["ironflock.realms.project.resolve"]

    with pytest.raises(UnavailableError):
        await world.create()

    assert world.postgres.audited() == []


async def test_a_watch_begins_with_all_there_is_and_tells_each_change(world: World) -> None:
    device = await world.create()
    told: asyncio.Queue[Any] = asyncio.Queue()
    call = invocation(world, "ironflock.devices.device.watch")
    watching = asyncio.ensure_future(call(details=call_details("user", "5", told.put_nowait), project="plant"))

    async def next_told() -> Any:
        return await asyncio.wait_for(told.get(), 5)

    try:
        snapshot = await next_told()
        assert [found["device_key"] for found in snapshot["devices"]] == [device.device_key]

        await world.online(device.device_key, 11)
        assert (await next_told())["device"]["status"] == "CONNECTED"
        await world.online(device.device_key, 11)
        await world.people.device_rename(ANNA, RenameDevice("press-1", "press-2"))
        assert (await next_told())["device"]["name"] == "press-2"
        await world.create("elsewhere", "depot")
        await world.create("foreign", 9, BERT)
        second = await world.create("press-3")
        assert (await next_told())["device"]["device_key"] == second.device_key
        await world.people.device_delete(ANNA, NameDevice("press-3"))
        news = await next_told()
        while "device" in news:  # being deleted, and then deleted
            news = await next_told()
        assert news == {"deleted": second.device_key}
    finally:
        watching.cancel()
    with pytest.raises(asyncio.CancelledError):
        await watching
    assert not world.feed._watches


async def test_a_watch_of_a_foreign_project_does_not_begin(world: World) -> None:
    with pytest.raises(NotFoundError):
        await world.people.device_watch(BERT, WatchDevices("plant"), print)

    assert not world.feed._watches


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("create", {"project": 3}),
        ("create", {"name": "a"}),
        ("create", {"project": 0, "name": "a"}),
        ("create", {"project": 10**400, "name": "a"}),
        ("create", {"project": 3, "name": "x" * 10**6}),
        ("create", {"project": 3, "name": "a", "serial_number": "0b5e8a1c-2f6d-4e3a-9c7b-1a2b3c4d5e6f"}),
        ("list", {"limit": 0}),
        ("list", {"limit": 1001}),
        ("list", {"cursor": "x"}),
        ("show", {"device": True}),
        ("show", {"device": 1.5}),
        ("flash", {"device": -1}),
        ("rename", {"device": 1}),
        ("delete", {}),
        ("watch", {}),
    ],
)
async def test_given_unfit_arguments_when_people_call_then_the_refusal_is_clear(
    world: World, verb: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(ApplicationError) as refused:
        await invocation(world, f"ironflock.devices.device.{verb}")(details=call_details("user", "5"), **arguments)

    assert refused.value.error == "wamp.error.invalid_argument"


async def test_a_device_on_the_wire_is_plain_and_holds_what_the_contract_says(world: World) -> None:
    call = invocation(world, "ironflock.devices.device.create")

    answer = await call(details=call_details("user", "5"), project="plant", name="press")

    assert set(answer) == {
        *("device_key", "project_key", "project_name", "name", "description", "serial_number", "state", "status"),
        *("status_since", "created_at", "flashed_at", "architecture", "os", "agent_version"),
        *("seen_at", "stats", "tags"),
    }
    assert json.loads(json.dumps(answer)) == answer
    assert set(answer) < {field.name for field in Device.__attrs_attrs__}
