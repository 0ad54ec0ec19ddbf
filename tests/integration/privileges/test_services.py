"""What other services ask and tell, and which of them may."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from services.privileges.procedures.services import ServiceProcedures
from services.privileges.records.grants import SetDefaults
from services.privileges.records.locks import CreateLock
from services.privileges.records.services import AccountKey, AskEntry, ForgetAsset, ForgetDomain, PutAsset, PutDomain
from shared.errors import NotAuthorizedError
from shared.flags import AssetKind
from shared.identities import ServiceIdentity
from shared.procedures import NoArguments, declared
from shared.rights.records import Domain, DomainKind, LockKind, project_domain
from tests.integration.database import Postgres
from tests.integration.privileges.world import ANNA, AUTH, BERT, CARL, DEVICES, DORA, Privileges

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DEVICE, GROUP, PROJECT, BOARD = AssetKind.DEVICE, AssetKind.GROUP, AssetKind.PROJECT, AssetKind.BOARD
EVERY_SERVICE = ("auth", "realms", "devices", "audit", "gateway", "privileges", "router", "")
CALLS: list[tuple[str, Any, set[str]]] = [
    ("holdings_find", AccountKey(5), {"auth", "realms", "devices", "audit"}),
    ("lock_standing", NoArguments(), {"auth", "realms", "devices", "audit"}),
    ("domain_owned", AccountKey(5), {"auth"}),
    ("domain_put", PutDomain("project", 5, "x", 5), {"realms"}),
    ("domain_forget", ForgetDomain("project", 5), {"realms"}),
    ("asset_put", PutAsset(DEVICE, 5, 1, 1), {"devices"}),
    ("asset_put", PutAsset(GROUP, 5, 1, 1), {"devices"}),
    ("asset_put", PutAsset(BOARD, 5, 1, 1), {"realms"}),
    ("asset_put", PutAsset(AssetKind.DATA_BACKEND, 5, 1, 1), {"realms"}),
    ("asset_put", PutAsset(PROJECT, 5, 1, 1), set()),
    ("asset_put", PutAsset(AssetKind.INSTALLATION, 1, 1, 9), set()),
    ("asset_put", PutAsset(AssetKind.APP, 5, 1, 1), set()),
    ("asset_forget", ForgetAsset(DEVICE, 5), {"devices"}),
    ("asset_forget", ForgetAsset(BOARD, 5), {"realms"}),
    ("asset_forget", ForgetAsset(PROJECT, 1), set()),
    ("asset_forget", ForgetAsset(AssetKind.INSTALLATION, 1), set()),
    ("group_missing", AskEntry(5, 9, 3), {"devices"}),
]


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(privileges: Privileges) -> Privileges:
    """Anna's plant with group 9 and device 3, and Bert in it."""
    await privileges.project()
    await privileges.put(GROUP, 9)
    await privileges.device(3)
    await privileges.member(BERT)
    return privileges


@pytest.mark.parametrize(("name", "request_", "allowed"), CALLS)
async def test_each_procedure_refuses_every_other_service_and_changes_nothing(
    plant: Privileges, postgres: Postgres, name: str, request_: Any, allowed: set[str]
) -> None:
    procedure: Callable[..., Awaitable[Any]] = getattr(plant.services, name)
    before = postgres.rows("SELECT count(*) FROM privileges.change"), postgres.rows("SELECT * FROM privileges.gone")

    for service in (each for each in EVERY_SERVICE if each not in allowed):
        with pytest.raises(NotAuthorizedError):
            await procedure(ServiceIdentity(service, 1), request_)

    after = postgres.rows("SELECT count(*) FROM privileges.change"), postgres.rows("SELECT * FROM privileges.gone")
    assert after == before
    for service in allowed:
        await procedure(ServiceIdentity(service, 1), request_)


async def test_every_procedure_is_tried() -> None:
    assert {name for name, _, _ in CALLS} == {method.__name__ for _, method in declared(ServiceProcedures)}


async def test_holdings_are_all_that_somebody_holds_at_a_position(plant: Privileges) -> None:
    await plant.project(2, CARL, "mill")
    await plant.device(4, 2)
    await plant.grants.default_set(ANNA, SetDefaults(1, DEVICE, ["READ"]))
    end = plant.clock.now + timedelta(days=1)
    await plant.give(BERT, DEVICE, 3, "OPERATE", ends_at=end)
    await plant.give(BERT, DEVICE, 4, "READ", by=CARL, is_visit=True, ends_at=end)

    held = await plant.services.holdings_find(DEVICES, AccountKey(6))

    assert held.position == plant.news[-1]["position"]
    assert held.standings.keys() == {project_domain(1), project_domain(2)}
    inside, outside = held.standing(project_domain(1)), held.standing(project_domain(2))
    assert (inside.is_owner, inside.is_member, outside.is_member) == (False, True, False)
    assert [(each.flag, each.ends_at) for each in inside.grants] == [("OPERATE", end.timestamp())]
    assert [(each.flag, each.kind) for each in inside.defaults] == [("READ", DEVICE)]
    assert [(each.flag, each.is_visit) for each in outside.grants] == [("READ", True)]
    assert outside.defaults == ()
    owners = (await plant.services.holdings_find(DEVICES, AccountKey(5))).held
    assert [(each.domain, each.standing.is_owner) for each in owners] == [(project_domain(1), True)]
    assert (await plant.services.holdings_find(AUTH, AccountKey(99))).held == ()


async def test_an_account_owns_what_it_owns(plant: Privileges) -> None:
    assert await plant.services.domain_owned(AUTH, AccountKey(5)) == [{"kind": "project", "key": 1}]
    assert await plant.services.domain_owned(AUTH, AccountKey(6)) == []


async def test_the_locks_in_force_are_told_with_their_position(plant: Privileges) -> None:
    await plant.locks.lock_create(ANNA, CreateLock(LockKind.PROJECT, "1"))
    end = plant.clock.now + timedelta(hours=1)
    await plant.locks.lock_create(ANNA, CreateLock(LockKind.DEVICE, "3", end))

    told = await plant.services.lock_standing(DEVICES, NoArguments())

    assert told.position == plant.news[-1]["position"]
    assert [(each.kind, each.key, each.ends_at) for each in told.locks] == [
        (LockKind.PROJECT, "1", None),
        (LockKind.DEVICE, "3", end.timestamp()),
    ]
    plant.clock.turn(hours=1)
    assert len((await plant.services.lock_standing(DEVICES, NoArguments())).locks) == 1


async def missing(plant: Privileges, account_key: int, group: int = 9, device: int = 3) -> list[str]:
    found: list[str] = await plant.services.group_missing(DEVICES, AskEntry(account_key, group, device))
    return found


async def test_whoever_puts_a_device_into_a_group_has_all_that_it_confers(plant: Privileges) -> None:
    await plant.member(CARL)
    await plant.give(CARL, GROUP, 9, "OPERATE", "MAINTAIN", "MEMBERS")
    assert await missing(plant, 5) == []
    assert await missing(plant, 6) == ["GRANT", "MAINTAIN", "MEMBERS", "OPERATE"]
    await plant.give(BERT, GROUP, 9, "MEMBERS")
    await plant.give(BERT, DEVICE, 3, "GRANT", "OPERATE")
    assert await missing(plant, 6) == ["MAINTAIN"]
    end = plant.clock.now + timedelta(hours=1)
    await plant.give(BERT, DEVICE, 3, "MAINTAIN", ends_at=end)
    assert await missing(plant, 6) == ["MAINTAIN"]  # which the group confers for longer
    await plant.give(BERT, DEVICE, 3, "MAINTAIN")
    assert await missing(plant, 6) == []


async def test_nobody_enters_a_group_of_another_project_or_one_that_is_not_there(plant: Privileges) -> None:
    await plant.project(2, ANNA, "mill")
    await plant.put(GROUP, 8, 2)

    for group, device in ((8, 3), (77, 3), (9, 77)):
        assert await missing(plant, 5, group, device) == ["MEMBERS"]
    assert set(await missing(plant, DORA.account_key)) == {"GRANT", "MEMBERS"}


@pytest.mark.parametrize("lock", [CreateLock(LockKind.PROJECT, "1"), CreateLock(LockKind.DEVICE, "3")])
async def test_nothing_locked_enters_a_group(plant: Privileges, lock: CreateLock) -> None:
    await plant.locks.lock_create(ANNA, lock)

    assert "GRANT" in await missing(plant, 5)


async def test_nobody_locked_puts_anything_into_a_group(plant: Privileges) -> None:
    await plant.inventory.ensure_operator()
    await plant.give(BERT, AssetKind.INSTALLATION, 1, "LOCK")
    await plant.locks.lock_create(BERT, CreateLock(LockKind.PERSON, "5"))

    assert await missing(plant, 5) == ["GRANT", "MEMBERS"]


async def test_the_installation_is_a_domain_of_its_own(plant: Privileges) -> None:
    await plant.inventory.ensure_operator()

    held = await plant.services.holdings_find(AUTH, AccountKey(5))

    assert Domain(DomainKind.INSTALLATION, 1) in held.standings
    assert not held.standing(Domain(DomainKind.INSTALLATION, 1)).is_owner
