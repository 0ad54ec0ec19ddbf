"""What devices asks other services about."""

import pytest

from services.devices.projects import Credentials, Projects
from shared.errors import NotFoundError
from tests.integration.devices.world import ANNA, BERT, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_realms_says_which_projects_a_person_holds_anything_in(world: World) -> None:
    projects = Projects(world.bus)

    assert await projects.reachable(ANNA) == {3, 4}
    assert (await projects.resolve(ANNA, "plant")).project_key == 3
    with pytest.raises(NotFoundError):
        await projects.resolve(BERT, 3)


async def test_a_device_without_secrets_has_no_app_key(world: World) -> None:
    with pytest.raises(NotFoundError):
        await Credentials(world.bus).app_cred_key(7)
