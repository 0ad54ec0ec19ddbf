"""What devices asks other services about."""

import pytest
from attrs import evolve

from services.devices.projects import Credentials, Projects
from services.devices.records import Reach
from shared.errors import NotFoundError
from shared.identities import Person
from shared.scopes import parse_scopes
from tests.integration.devices.world import ANNA, BERT, World

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_a_person_reaches_the_devices_of_what_realms_knows_as_theirs(world: World) -> None:
    projects = Projects(world.bus)

    assert await projects.reach(ANNA, None) == Reach(frozenset({3, 4}))
    assert await projects.reach(ANNA, "plant") == Reach(frozenset({3}))
    assert await projects.reach(Person(99, 1), None) == Reach(frozenset())
    with pytest.raises(NotFoundError):
        await projects.reach(BERT, 3)


@pytest.mark.parametrize(
    ("scopes", "whole", "partly"),
    [
        (["read@project/3"], {3}, set()),
        (["all@project/3", "all@device/7"], {3}, {4}),
        (["all@project/99"], set(), set()),
        (["all@device/7"], set(), {3, 4}),
    ],
)
async def test_a_credential_reaches_as_far_as_its_scopes(
    world: World, scopes: list[str], whole: set[int], partly: set[int]
) -> None:
    reach = await Projects(world.bus).reach(evolve(ANNA, scopes=parse_scopes(scopes)), None)

    assert (set(reach.projects), set(reach.partly)) == (whole, partly)
    for project in (3, 4, 99):
        assert [reach.has(project, device) for device in (7, 8)] == [
            project in whole or project in partly,
            project in whole,
        ]


async def test_a_project_outside_the_scopes_is_not_there(world: World) -> None:
    projects = Projects(world.bus)
    narrow = evolve(ANNA, scopes=parse_scopes(["all@project/4"]))

    assert (await projects.resolve(narrow, 4)).project_key == 4
    for refused in (projects.resolve(narrow, 3), projects.reach(narrow, "plant")):
        with pytest.raises(NotFoundError):
            await refused
    with pytest.raises(NotFoundError):
        await projects.resolve(evolve(ANNA, scopes=parse_scopes(["all@device/7"])), 4)


async def test_given_an_answer_that_tells_of_another_owner_when_it_comes_then_it_is_not_believed(world: World) -> None:
    foreign = {"project_key": 3, "name": "plant", "description": "", "owner_account_key": 6, "created_at": "x"}
    world.router.answers["ironflock.realms.project.resolve"] = lambda **_: foreign
    world.router.answers["ironflock.realms.project.owned"] = lambda **_: [foreign]

    with pytest.raises(NotFoundError):
        await Projects(world.bus).resolve(ANNA, 3)
    assert await Projects(world.bus).reach(ANNA, None) == Reach(frozenset())


async def test_a_device_without_secrets_has_no_app_key(world: World) -> None:
    with pytest.raises(NotFoundError):
        await Credentials(world.bus).app_cred_key(7)
