"""Whose data apps may read in projects, on a real database."""

import pytest
import pytest_asyncio

from services.realms.records.apps import RenameApp
from services.realms.records.installs import AskStanding
from services.realms.records.values import Stage
from shared.errors import NotAuthorizedError, NotFoundError
from shared.flags import AssetKind
from shared.rights.records import LockKind
from tests.integration.database import Postgres
from tests.integration.realms.world import ACCESS, ANNA, AUTH, BERT, Realms, refused

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(world: Realms) -> Realms:
    """A plant with the app press, which wants to read the app saw, and everything."""
    await world.project()
    await world.app()
    await world.app("saw")
    await world.release("press", "1.0", "saw", "*")
    await world.install()
    return world


async def granted(world: Realms) -> list[str]:
    return [each.provider for each in await world.asked() if each.is_granted]


def told(world: Realms) -> list[tuple[str, bool]]:
    return [(said["provider"], said["is_granted"]) for topic, said in world.published if topic == ACCESS]


async def test_the_owner_grants_and_revokes(plant: Realms, postgres: Postgres) -> None:
    for _ in range(2):
        await plant.grant("SAW")
    (asked,) = [each for each in await plant.asked() if each.is_granted]
    assert (asked.app_name, asked.provider, asked.reason) == ("press", "saw", "to see saw")
    assert asked.granted_at is not None

    for _ in range(2):
        await plant.revoke("saw")

    assert await granted(plant) == []
    assert [each.provider for each in await plant.asked()] == ["*", "saw"]
    assert told(plant) == [("saw", True), ("saw", False)]
    rows = postgres.rows(
        "SELECT action, project, asset, before, after FROM audit.queue WHERE aspect = 'access' ORDER BY id"
    )
    key, app_key = asked.project_key, asked.app_key
    assert rows[2:] == [
        ("app_access.granted", key, {"kind": "app", "key": app_key}, None, {"provider": "saw"}),
        ("app_access.revoked", key, {"kind": "app", "key": app_key}, {"provider": "saw"}, None),
    ]


async def test_nobody_else_grants_or_revokes(plant: Realms) -> None:
    await plant.grant("saw")
    (key,) = {each.project_key for each in await plant.asked()}

    for call in (plant.grant("*", project=key, by=BERT), plant.asked(key, BERT)):
        assert (await refused(call))["uri"] == NotFoundError.uri
    plant.rights.give(6, key, AssetKind.PROJECT, key, "READ", "INSTALL_APPS", "UPDATE", "GRANT", "DELETE")
    assert len(await plant.asked(key, BERT)) == 2
    for call in (plant.grant("*", project=key, by=BERT), plant.revoke("saw", project=key, by=BERT)):
        with pytest.raises(NotAuthorizedError, match="owner"):
            await call
    plant.rights.lock(LockKind.PROJECT, key)
    with pytest.raises(NotAuthorizedError, match="lock"):
        await plant.grant("*")

    assert await granted(plant) == ["saw"]


@pytest.mark.parametrize("provider", ["drill", "press", "", "\x00", "a\ud800", "%", "sa_", "x" * 400, "**"])
async def test_what_nobody_asks_for_is_not_granted(plant: Realms, provider: str) -> None:
    assert (await refused(plant.grant(provider)))["uri"] == NotFoundError.uri
    assert (await refused(plant.grant("saw", "saw")))["uri"] == NotFoundError.uri
    assert (await refused(plant.grant("saw", 10**9)))["uri"] == NotFoundError.uri
    assert await granted(plant) == []


async def test_everything_is_granted_by_its_star_alone(plant: Realms) -> None:
    await plant.grant("*")

    assert await granted(plant) == ["*"]
    await plant.revoke("*")
    assert await granted(plant) == []


async def test_a_provider_that_is_called_otherwise_stays_the_one_that_was_meant(plant: Realms) -> None:
    await plant.grant("saw")

    await plant.apps.app_rename(ANNA, RenameApp("saw", "Saw-2"))
    await plant.app("saw", BERT)

    assert await granted(plant) == ["saw-2"]
    (key,) = {each.project_key for each in await plant.asked()}
    (press,) = {each.app_key for each in await plant.asked()}
    asked = AskStanding(key, press, Stage.PROD, press, Stage.PROD)
    assert (await plant.services.app_standing(AUTH, asked)).grants == ["saw-2"]


async def test_a_name_that_is_asked_for_already_brings_no_grant_along(plant: Realms) -> None:
    await plant.release("press", "2.0", "saw", "drill")
    await plant.install(version="2.0")
    await plant.grant("saw")

    await plant.apps.app_rename(ANNA, RenameApp("saw", "drill"))

    assert await granted(plant) == []
    assert [each.provider for each in await plant.asked()] == ["drill"]


async def test_a_newer_release_keeps_what_was_granted(plant: Realms) -> None:
    await plant.grant("saw")
    await plant.release("press", "2.0")

    await plant.install(version="2.0")

    assert [(each.provider, each.is_granted) for each in await plant.asked()] == [("saw", True)]
