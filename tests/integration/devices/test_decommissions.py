"""Out of service for good: what was ended is certified, and the log has the certificate's digest."""

import asyncio
from hashlib import sha256
from typing import Any

import pytest
import rfc8785

from services.devices.procedures.decommissions import DecommissionProcedures
from services.devices.records.decommissions import DecommissionDevice, ListDecommissions
from shared.errors import NotAuthorizedError, NotFoundError, UnavailableError
from shared.flags import AssetKind
from tests.integration.devices.test_lifecycle import POINTS, well_again
from tests.integration.devices.world import ANNA, BERT, KILL_BY_AUTHID, Crash, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def decommission(world: World, key: int | str) -> Any:
    return await DecommissionProcedures(world.parts).device_decommission(ANNA, DecommissionDevice(key))


async def listed(world: World) -> list[Any]:
    page: Any = await DecommissionProcedures(world.parts).decommission_list(ANNA, ListDecommissions(3))
    found: list[Any] = page.devices
    return found


def digests(world: World) -> list[Any]:
    rows = world.postgres.rows(
        "SELECT after ->> 'certificate_sha256', source ->> 'request', actor ->> 'key' FROM audit.queue"
        " WHERE action = 'device.decommissioned'"
    )
    return [tuple(row) for row in rows]


async def test_a_device_out_of_service_is_gone_and_what_ended_is_certified(world: World) -> None:
    key = (await world.create()).device_key
    await world.flash(key)
    await world.install(key)
    world.postgres.run("UPDATE devices.device_app SET state = 'RUNNING'")

    done = await decommission(world, key)

    document = done.certificate
    assert document["device"]["device_key"] == key
    assert document["secrets_ended"] == {"secret_sha256": "aa", "tunnel_proof_sha256": "bb"}
    assert document["apps_not_known_as_gone"] == [{"app_key": 26, "stage": "DEV", "state": "RUNNING"}]
    assert document["begun_at"] < document["ended_at"]
    assert world.auth.ended == [key]
    assert [args[0] for args in world.router.called(KILL_BY_AUTHID)][-1] == f"3-{key}"
    assert world.state(key) is None
    assert done.sha256 == sha256(rfc8785.dumps(document)).hexdigest()
    assert digests(world) == [(done.sha256, document["certificate_id"], "5")]
    assert await listed(world) == [done]
    with pytest.raises(NotFoundError):
        await decommission(world, key)


@pytest.mark.parametrize("point", POINTS)
async def test_given_a_process_that_dies_when_it_is_repaired_then_there_is_one_certificate(
    world: World, point: Any
) -> None:
    key = (await world.create()).device_key
    await world.flash(key)
    point(world)
    with pytest.raises(Crash):
        await decommission(world, key)
    well_again(world)
    assert await listed(world) == []

    await asyncio.gather(*(world.lifecycle.repair(older_than_s=0) for _ in range(3)))

    (found,) = await listed(world)
    assert digests(world) == [(found.sha256, found.certificate["certificate_id"], "5")]


async def test_given_auth_away_then_it_is_said_that_it_has_begun(world: World) -> None:
    key = (await world.create()).device_key
    world.auth.is_away = True
    with pytest.raises(UnavailableError, match="has begun"):
        await decommission(world, key)
    well_again(world)

    await world.lifecycle.repair(older_than_s=0)

    (found,) = await listed(world)
    assert found.certificate["secrets_ended"] is None


async def test_a_deletion_is_not_certified(world: World) -> None:
    key = (await world.create()).device_key
    await world.delete(key)

    assert await listed(world) == []
    assert digests(world) == []


async def test_only_who_may_delete_the_device_puts_it_out_of_service(world: World) -> None:
    key = (await world.create()).device_key
    surface = DecommissionProcedures(world.parts)
    reader = world.member(3, AssetKind.DEVICE, key, "READ")
    for person, refused in ((reader, NotAuthorizedError), (BERT, NotFoundError)):
        for data in ("keep", "delete"):
            with pytest.raises(refused):
                await surface.device_decommission(person, DecommissionDevice(key, data))
    with pytest.raises(NotFoundError):
        await surface.decommission_list(BERT, ListDecommissions(3))

    assert world.state(key) is not None
