"""Which project somebody means by its name, on a real database."""

from datetime import timedelta

import pytest
import pytest_asyncio

from services.privileges.projects import Projects
from services.privileges.records.members import NameMember
from shared.errors import ConflictError, NotFoundError
from shared.flags import AssetKind
from tests.integration.privileges.world import ANNA, BERT, CARL, DORA, NAMES, Privileges

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(privileges: Privileges) -> Privileges:
    """Anna's plant with Bert in it, and Carl's plant."""
    await privileges.project(1, ANNA, "Plant")
    await privileges.project(2, CARL, "plant")
    await privileges.device(3)
    await privileges.member(BERT)
    return privileges


@pytest.fixture(name="projects")
def fixture_projects(plant: Privileges) -> Projects:
    return Projects(plant.database)


@pytest.mark.parametrize("name", ["plant", "PLANT", "  Plant\u00a0", "\uff30lant"])
async def test_a_name_in_any_form_is_that_of_one_s_own_project(projects: Projects, name: str) -> None:
    assert [await projects.meant(person, name) for person in (ANNA, BERT, CARL)] == [1, 1, 2]


@pytest.mark.parametrize("name", ["", " ", "mill", "x" * 400, "a\x00b", "\ud800", "1"])
async def test_what_is_called_by_no_name_of_one_s_own_is_not_there(projects: Projects, name: str) -> None:
    for person in (ANNA, DORA):
        with pytest.raises(NotFoundError):
            await projects.meant(person, name)


async def test_a_stranger_s_project_is_not_there(projects: Projects) -> None:
    with pytest.raises(NotFoundError):
        await projects.meant(DORA, "plant")
    assert await projects.meant(DORA, 1) == 1  # what may be done there is decided later


async def test_two_of_one_name_are_told_apart_by_their_keys(plant: Privileges, projects: Projects) -> None:
    await plant.member(BERT, 2, by=CARL)

    with pytest.raises(ConflictError):
        await projects.meant(BERT, "plant")
    assert await projects.meant(BERT, 2) == 2


async def test_an_offered_project_can_be_named(plant: Privileges, projects: Projects) -> None:
    await plant.transfers.transfer_offer(ANNA, NameMember(1, NAMES[8]))
    assert await projects.meant(DORA, "plant") == 1

    plant.clock.turn(days=7)

    with pytest.raises(NotFoundError):
        await projects.meant(DORA, "plant")


async def test_a_visited_project_can_be_named_while_the_visit_lasts(plant: Privileges, projects: Projects) -> None:
    end = plant.clock.now + timedelta(hours=1)
    await plant.give(DORA, AssetKind.DEVICE, 3, "READ", is_visit=True, ends_at=end)
    assert await projects.meant(DORA, "plant") == 1
    plant.clock.turn(hours=1)

    with pytest.raises(NotFoundError):
        await projects.meant(DORA, "plant")
