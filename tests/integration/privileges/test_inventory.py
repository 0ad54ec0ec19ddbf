"""What there is to have rights on, as it is told: twice, late, and at once; on a real database."""

import asyncio

import pytest
import pytest_asyncio

from services.privileges.records.grants import SetDefaults, TakeFlags
from services.privileges.records.locks import CreateLock
from services.privileges.records.questions import Check, Explain, ListAssets
from services.privileges.records.services import ForgetAsset, ForgetDomain
from shared.errors import ConflictError, NotFoundError
from shared.flags import FLAGS, AssetKind
from shared.procedures import NoArguments
from shared.rights.records import LockKind, Rule
from tests.integration.database import Postgres
from tests.integration.privileges.world import ANNA, BERT, CARL, DEVICES, DORA, REALMS, Privileges

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DEVICE, GROUP, PROJECT, INSTALLATION = AssetKind.DEVICE, AssetKind.GROUP, AssetKind.PROJECT, AssetKind.INSTALLATION


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(privileges: Privileges) -> Privileges:
    """Anna's plant, and Bert in it; Carl's mill."""
    await privileges.project()
    await privileges.project(2, CARL, "mill")
    await privileges.member(BERT)
    return privileges


async def locked(plant: Privileges) -> list[str]:
    return [each.key for each in (await plant.services.lock_standing(DEVICES, NoArguments())).locks]


async def test_put_twice_is_put_once(plant: Privileges, postgres: Postgres) -> None:
    await plant.device(3, creator=BERT)
    before = postgres.rows("SELECT count(*) FROM privileges.change"), len(postgres.audited()), len(plant.news)

    await plant.device(3, creator=BERT)
    await plant.project()

    after = postgres.rows("SELECT count(*) FROM privileges.change"), len(postgres.audited()), len(plant.news)
    assert after == before


async def test_a_project_s_owner_counts_the_first_time_and_its_name_the_last(
    plant: Privileges, postgres: Postgres
) -> None:
    await plant.project(1, BERT, "Works")

    assert postgres.rows(
        "SELECT owner_account_key, name FROM privileges.domain WHERE (kind, key) = ('project', 1)"
    ) == [(5, "Works")]


async def test_a_late_word_changes_nothing(plant: Privileges) -> None:
    await plant.put(GROUP, 9)
    await plant.device(3, revision=5, groups=[9])
    await plant.give(BERT, GROUP, 9, "READ")

    await plant.device(3, revision=4)

    assert await plant.has(BERT, "READ", DEVICE, 3)
    await plant.device(3, revision=6)
    assert not await plant.has(BERT, "READ", DEVICE, 3)


async def test_whoever_creates_something_gets_grants_on_it_once(plant: Privileges) -> None:
    await plant.device(3, creator=BERT)
    await plant.put(GROUP, 9, creator=BERT)
    for flag in FLAGS[DEVICE]:
        assert (await plant.check(BERT, flag, DEVICE, 3)).rule is Rule.GRANT
    held = [flag for flag in FLAGS[GROUP] if await plant.has(BERT, flag, GROUP, 9)]
    assert sorted(held) == ["DELETE", "MEMBERS", "READ", "UPDATE"]

    await plant.grants.grant_take(ANNA, TakeFlags(6, DEVICE, 3))
    await plant.device(3, revision=2, creator=BERT)

    assert not await plant.has(BERT, "READ", DEVICE, 3)


async def test_an_owner_and_an_outsider_get_no_grants_by_creating(plant: Privileges, postgres: Postgres) -> None:
    await plant.device(3, creator=ANNA)
    await plant.device(4, creator=DORA)

    assert postgres.rows("SELECT 1 FROM privileges.held_flag") == []


async def test_what_moves_to_another_project_leaves_its_grants_behind(plant: Privileges, postgres: Postgres) -> None:
    await plant.device(3)
    await plant.give(BERT, DEVICE, 3, "READ", "MAINTAIN")

    await plant.device(3, 2, revision=2)

    assert not await plant.has(BERT, "READ", DEVICE, 3)
    assert not await plant.has(ANNA, "READ", DEVICE, 3)
    assert (await plant.check(CARL, "READ", DEVICE, 3)).rule is Rule.OWNER
    assert postgres.rows("SELECT 1 FROM privileges.held_flag") == []
    assert [tag for tag, _ in postgres.audited()][-2:] == ["flag.taken", "flag.taken"]
    await plant.device(3, 1, revision=1)  # a late word does not bring it back
    assert await plant.has(CARL, "READ", DEVICE, 3)


async def test_what_is_gone_does_not_come_back(plant: Privileges, postgres: Postgres) -> None:
    await plant.device(3)
    await plant.give(BERT, DEVICE, 3, "READ")

    for _ in range(2):
        await plant.services.asset_forget(DEVICES, ForgetAsset(DEVICE, 3))
    await plant.device(3, revision=9, creator=BERT)

    assert not await plant.has(BERT, "READ", DEVICE, 3)
    assert not await plant.has(ANNA, "READ", DEVICE, 3)
    assert postgres.rows("SELECT 1 FROM privileges.asset WHERE kind = 'device'") == []
    assert [tag for tag, _ in postgres.audited()][-1] == "flag.taken"


async def test_what_was_forgotten_before_it_was_known_is_never_known(plant: Privileges) -> None:
    await plant.services.asset_forget(DEVICES, ForgetAsset(DEVICE, 3))
    await plant.services.domain_forget(REALMS, ForgetDomain("project", 7))
    await plant.device(3)
    await plant.project(7)

    assert not await plant.has(ANNA, "READ", DEVICE, 3)
    assert not await plant.has(ANNA, "READ", PROJECT, 7)


async def test_a_group_that_is_gone_leaves_its_devices(plant: Privileges) -> None:
    await plant.put(GROUP, 8)
    await plant.put(GROUP, 9)
    await plant.device(3, groups=[8, 9])
    await plant.give(BERT, GROUP, 9, "READ")
    await plant.give(BERT, GROUP, 8, "OPERATE")
    was = plant.clock.now
    plant.clock.turn(minutes=1)

    await plant.services.asset_forget(DEVICES, ForgetAsset(GROUP, 9))

    assert not await plant.has(BERT, "READ", DEVICE, 3)
    assert await plant.has(BERT, "OPERATE", DEVICE, 3)
    assert await plant.has(ANNA, "READ", DEVICE, 3)
    assert await plant.has(BERT, "READ", DEVICE, 3, at=was)
    assert not await plant.has(BERT, "READ", DEVICE, 3, at=plant.clock.now)


async def test_the_project_comes_first(plant: Privileges, postgres: Postgres) -> None:
    with pytest.raises(ConflictError):
        await plant.device(3, 77)

    assert postgres.rows("SELECT 1 FROM privileges.asset WHERE kind = 'device'") == []


async def test_a_lock_goes_with_what_it_was_on_and_moves_with_it(plant: Privileges) -> None:
    await plant.device(3)
    await plant.device(4)
    for key in ("3", "4"):
        await plant.locks.lock_create(ANNA, CreateLock(LockKind.DEVICE, key))
    await plant.device(4, 2, revision=2)
    await plant.services.asset_forget(DEVICES, ForgetAsset(DEVICE, 3))

    assert await locked(plant) == ["4"]
    assert (await plant.check(CARL, "OPERATE", DEVICE, 4)).rule is Rule.LOCKED
    assert any(change["locks"] for change in plant.news[-1]["changes"])


async def test_with_a_project_goes_everything_in_it_also_in_its_history(plant: Privileges, postgres: Postgres) -> None:
    await plant.device(3)
    await plant.give(BERT, DEVICE, 3, "READ")
    await plant.grants.default_set(ANNA, SetDefaults(1, DEVICE, ["OPERATE"]))
    await plant.locks.lock_create(ANNA, CreateLock(LockKind.DEVICE, "3"))
    await plant.locks.lock_create(ANNA, CreateLock(LockKind.PROJECT, "1"))
    was = plant.clock.now
    plant.clock.turn(minutes=1)

    for _ in range(2):
        await plant.services.domain_forget(REALMS, ForgetDomain("project", 1))

    assert await locked(plant) == []
    for person in (ANNA, BERT):
        for kind, key in ((PROJECT, 1), (DEVICE, 3)):
            assert not await plant.has(person, "READ", kind, key)
            assert not await plant.has(person, "READ", kind, key, at=plant.clock.now)
    assert await plant.has(BERT, "READ", DEVICE, 3, at=was)
    held = (
        "SELECT what, account_key, kind, asset_key, flag FROM privileges.change WHERE domain_key = 1"
        " AND domain_kind = 'project' GROUP BY 1, 2, 3, 4, 5 HAVING (array_agg(is_on ORDER BY change_key DESC))[1]"
    )
    assert postgres.rows(held) == []
    await plant.device(3, 1, revision=9)  # late, and taken without a complaint
    assert not await plant.has(ANNA, "READ", DEVICE, 3)


async def test_the_first_owner_runs_the_installation_until_it_is_taken_from_them(
    plant: Privileges, postgres: Postgres
) -> None:
    await plant.inventory.ensure_operator()
    for flag in FLAGS[INSTALLATION]:
        assert (await plant.check(ANNA, flag, INSTALLATION, 1)).rule is Rule.GRANT
    await plant.give(BERT, INSTALLATION, 1, *FLAGS[INSTALLATION])
    await plant.grants.grant_take(BERT, TakeFlags(5, INSTALLATION, 1))
    await plant.grants.grant_take(BERT, TakeFlags(6, INSTALLATION, 1))
    assert postgres.rows("SELECT 1 FROM privileges.held_flag") == []

    again = Privileges(plant.database)
    await again.inventory.ensure_operator()  # another process, after all of it was taken

    assert postgres.rows("SELECT 1 FROM privileges.held_flag") == []


async def test_given_no_owner_yet_when_it_is_looked_then_nobody_runs_it(plant: Privileges, postgres: Postgres) -> None:
    plant.others.first_owner = None
    await plant.inventory.ensure_operator()
    assert postgres.rows("SELECT 1 FROM privileges.held_flag") == []
    plant.others.first_owner = 5

    await plant.inventory.ensure_operator()

    assert await plant.has(ANNA, "LOCK", INSTALLATION, 1)


async def test_twenty_words_at_once_in_any_order_end_with_the_newest(plant: Privileges, postgres: Postgres) -> None:
    await plant.put(GROUP, 9)
    words = [plant.device(3, 1 + revision % 2, revision=revision, creator=BERT) for revision in range(1, 21)]

    results = await asyncio.gather(*words, return_exceptions=True)

    assert [each for each in results if isinstance(each, Exception) and not isinstance(each, ConflictError)] == []
    await plant.device(3, 1, revision=21)  # as the one who told it and was told to do so again
    assert postgres.rows("SELECT domain_key, revision FROM privileges.asset WHERE kind = 'device'") == [(1, 21)]
    assert postgres.rows("SELECT count(*) FROM privileges.held_flag WHERE domain_key = 2") == [(0,)]
    for project, is_there in ((1, True), (2, False)):
        last = postgres.rows(
            "SELECT is_on FROM privileges.change WHERE what = 'asset' AND asset_key = 3 AND kind = 'device'"
            " AND domain_key = %s ORDER BY change_key DESC LIMIT 1",
            project,
        )
        assert last in ([(is_there,)], [] if not is_there else None)


async def test_forgotten_while_it_is_told_of_it_is_gone(plant: Privileges, postgres: Postgres) -> None:
    for key in range(3, 13):
        await asyncio.gather(
            plant.device(key, creator=BERT), plant.services.asset_forget(DEVICES, ForgetAsset(DEVICE, key))
        )
        await asyncio.gather(plant.project(key), plant.services.domain_forget(REALMS, ForgetDomain("project", key)))

    assert postgres.rows("SELECT 1 FROM privileges.asset WHERE kind = 'device'") == []
    assert postgres.rows("SELECT key FROM privileges.domain WHERE kind = 'project' ORDER BY 1") == [(1,), (2,)]
    assert postgres.rows("SELECT 1 FROM privileges.held_flag") == []


async def test_given_away_while_it_is_forgotten_or_moved_no_grant_is_left(
    plant: Privileges, postgres: Postgres
) -> None:
    for key in range(3, 9):
        await plant.device(key)
        away = (
            plant.device(key, 2, revision=2)
            if key % 2
            else plant.services.asset_forget(DEVICES, ForgetAsset(DEVICE, key))
        )

        results = await asyncio.gather(
            *(plant.give(BERT, DEVICE, key, flag) for flag in ("READ", "OPERATE")),
            away,
            *(plant.give(BERT, DEVICE, key, flag) for flag in ("UPDATE", "GRANT")),
            return_exceptions=True,
        )

        assert [each for each in results if isinstance(each, Exception) and not isinstance(each, NotFoundError)] == []
    assert postgres.rows("SELECT 1 FROM privileges.held_flag") == []


async def test_explained_and_listed_is_what_is_there(plant: Privileges) -> None:
    await plant.device(3)
    await plant.services.asset_forget(DEVICES, ForgetAsset(DEVICE, 3))

    assert (await plant.questions.asset_list(ANNA, ListAssets(DEVICE, "READ"))).keys == []
    explained = await plant.questions.flag_explain(ANNA, Explain(DEVICE, 3))
    assert not any(answer.allowed for answer in explained.flags.values())
    assert not (await plant.questions.flag_check(ANNA, Check(DEVICE, 3, "READ"))).allowed
