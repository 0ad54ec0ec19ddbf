"""What devices asks other services about."""

import pytest

from services.devices.projects import Credentials, Projects
from shared.errors import NotFoundError
from tests.integration.devices.world import World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_a_person_s_projects_are_those_that_realms_knows_as_theirs(world: World) -> None:
    projects = Projects(world.bus)

    assert [project.project_key for project in await projects.usable(5, None)] == [3, 4]
    assert [project.project_key for project in await projects.usable(5, "plant")] == [3]
    assert await projects.usable(99, None) == []
    with pytest.raises(NotFoundError):
        await projects.usable(6, 3)


async def test_given_an_answer_that_tells_of_another_owner_when_it_comes_then_it_is_not_believed(world: World) -> None:
    foreign = {"project_key": 3, "name": "plant", "description": "", "owner_account_key": 6, "created_at": "x"}
    world.router.answers["ironflock.realms.project.resolve"] = lambda **_: foreign
    world.router.answers["ironflock.realms.project.owned"] = lambda **_: [foreign]

    with pytest.raises(NotFoundError):
        await Projects(world.bus).resolve(5, 3)
    assert await Projects(world.bus).usable(5, None) == []


async def test_a_device_without_secrets_has_no_app_key(world: World) -> None:
    with pytest.raises(NotFoundError):
        await Credentials(world.bus).app_cred_key(7)
