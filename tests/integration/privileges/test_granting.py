"""Flags given and taken, on a real database."""

import asyncio
from datetime import timedelta

import pytest
import pytest_asyncio

from services.privileges.records.grants import GiveFlags, ListGrants, SetDefaults, TakeFlags, UnsetDefaults
from services.privileges.records.members import NameProject
from shared.errors import ConflictError, InvalidArgumentError, NotAuthorizedError, NotFoundError, OverLimitError
from shared.flags import FLAGS, AssetKind
from shared.rights.records import Rule
from tests.integration.database import Postgres
from tests.integration.privileges.world import ANNA, BERT, CARL, DORA, Privileges

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DEVICE, GROUP, PROJECT = AssetKind.DEVICE, AssetKind.GROUP, AssetKind.PROJECT


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(privileges: Privileges) -> Privileges:
    """Anna's plant with device 3, and Bert in it."""
    await privileges.project()
    await privileges.device(3)
    await privileges.member(BERT)
    return privileges


async def test_a_flag_is_there_until_it_is_taken(plant: Privileges, postgres: Postgres) -> None:
    assert not await plant.has(BERT, "READ", DEVICE, 3)

    await plant.give(BERT, DEVICE, 3, "READ", "OPERATE", reason="night shift")

    answer = await plant.check(BERT, "READ", DEVICE, 3)
    assert (answer.allowed, answer.rule, answer.until) == (True, Rule.GRANT, None)
    assert not await plant.has(BERT, "MAINTAIN", DEVICE, 3)

    await plant.grants.grant_take(ANNA, TakeFlags("bert@plant.example", DEVICE, 3, ["READ"]))

    assert not await plant.has(BERT, "READ", DEVICE, 3)
    assert await plant.has(BERT, "OPERATE", DEVICE, 3)
    assert [tag for tag, _ in postgres.audited()][-3:] == ["flag.given", "flag.given", "flag.taken"]
    (before,) = postgres.rows("SELECT before FROM audit.queue WHERE action = 'flag.taken'")[0]
    assert (before["account_key"], before["flag"]) == (6, "READ")
    (reason,) = postgres.rows("SELECT DISTINCT reason FROM audit.queue WHERE action = 'flag.given'")
    assert reason == ("night shift",)


async def test_a_flag_ends_by_itself(plant: Privileges) -> None:
    end = plant.clock.now + timedelta(hours=1)
    await plant.give(BERT, DEVICE, 3, "READ", ends_at=end)

    assert (await plant.check(BERT, "READ", DEVICE, 3)).until == end
    plant.clock.turn(hours=1)

    assert not await plant.has(BERT, "READ", DEVICE, 3)
    assert (await plant.grants.grant_list(ANNA, ListGrants(DEVICE, 3))).grants == []


async def test_giving_again_changes_the_end_alone(plant: Privileges) -> None:
    await plant.give(BERT, DEVICE, 3, "READ", ends_at=plant.clock.now + timedelta(hours=1))
    await plant.give(BERT, DEVICE, 3, "READ")

    (grant,) = (await plant.grants.grant_list(ANNA, ListGrants(DEVICE, 3))).grants
    assert (grant.flag, grant.ends_at, grant.login_name, grant.given_by) == ("READ", None, "bert@plant.example", 5)


async def test_nobody_gives_what_they_do_not_hold(plant: Privileges) -> None:
    await plant.member(CARL)
    with pytest.raises(NotFoundError):
        await plant.give(CARL, DEVICE, 3, "READ", by=BERT)
    await plant.give(BERT, DEVICE, 3, "READ")
    with pytest.raises(NotAuthorizedError, match="GRANT"):
        await plant.give(CARL, DEVICE, 3, "READ", by=BERT)
    await plant.give(BERT, DEVICE, 3, "GRANT", ends_at=plant.clock.now + timedelta(hours=2))
    with pytest.raises(NotAuthorizedError) as refused:
        await plant.give(CARL, DEVICE, 3, "MAINTAIN", by=BERT)
    assert refused.value.details()["flag"] == "MAINTAIN"

    await plant.give(CARL, DEVICE, 3, "READ", by=BERT)

    with pytest.raises(NotAuthorizedError):  # GRANT itself, for longer than Bert has it
        await plant.give(CARL, DEVICE, 3, "GRANT", by=BERT)
    await plant.give(CARL, DEVICE, 3, "GRANT", by=BERT, ends_at=plant.clock.now + timedelta(hours=1))
    assert await plant.has(CARL, "READ", DEVICE, 3)


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (GiveFlags("nobody@plant.example", DEVICE, 3, ["READ"]), NotFoundError),
        (GiveFlags(6, DEVICE, 4, ["READ"]), NotFoundError),
        (GiveFlags(6, DEVICE, 3, ["FLY"]), InvalidArgumentError),
        (GiveFlags(6, PROJECT, 1, ["MAINTAIN"]), InvalidArgumentError),
        (GiveFlags(5, DEVICE, 3, ["READ"]), ConflictError),  # oneself, and the owner
        (GiveFlags("carl@plant.example", DEVICE, 3, ["READ"]), ConflictError),  # no member
        (GiveFlags(6, DEVICE, 3, ["READ"], is_visit=True), ConflictError),  # a member
        (GiveFlags("carl@plant.example", DEVICE, 3, ["READ"], is_visit=True), InvalidArgumentError),  # without an end
    ],
)
async def test_what_cannot_be_given_is_refused_and_changes_nothing(
    plant: Privileges, postgres: Postgres, request_: GiveFlags, error: type[Exception]
) -> None:
    before = postgres.rows("SELECT count(*) FROM privileges.change"), len(postgres.audited()), len(plant.news)

    with pytest.raises(error):
        await plant.grants.grant_give(ANNA, request_)

    after = postgres.rows("SELECT count(*) FROM privileges.change"), len(postgres.audited()), len(plant.news)
    assert after == before
    assert postgres.rows("SELECT 1 FROM privileges.held_flag") == []


async def test_ends_lie_in_the_future(plant: Privileges) -> None:
    with pytest.raises(InvalidArgumentError):
        await plant.give(BERT, DEVICE, 3, "READ", ends_at=plant.clock.now)


async def test_a_visit_lets_in_somebody_from_outside_for_a_week_at_most(plant: Privileges) -> None:
    week, grant = plant.clock.now + timedelta(days=7), plant.clock.now + timedelta(days=1)
    with pytest.raises(InvalidArgumentError):
        await plant.give(CARL, DEVICE, 3, "READ", is_visit=True, ends_at=week + timedelta(seconds=1))
    with pytest.raises(InvalidArgumentError):
        await plant.give(CARL, DEVICE, 3, "GRANT", is_visit=True, ends_at=grant)
    await plant.give(BERT, DEVICE, 3, *FLAGS[DEVICE])
    with pytest.raises(NotAuthorizedError):  # the owner alone lets people visit
        await plant.give(CARL, DEVICE, 3, "READ", by=BERT, is_visit=True, ends_at=week)

    await plant.give(CARL, DEVICE, 3, "READ", is_visit=True, ends_at=week)

    answer = await plant.check(CARL, "READ", DEVICE, 3)
    assert (answer.rule, answer.until) == (Rule.VISIT, week)
    visitors = [
        each for each in (await plant.members.member_list(ANNA, NameProject("plant"))).members if each.is_visitor
    ]
    assert [(each.login_name, each.ends_at) for each in visitors] == [("carl@plant.example", week)]
    plant.clock.turn(days=7)
    assert not await plant.has(CARL, "READ", DEVICE, 3)


async def test_becoming_a_member_ends_the_visit(plant: Privileges) -> None:
    await plant.give(CARL, DEVICE, 3, "READ", is_visit=True, ends_at=plant.clock.now + timedelta(days=1))
    await plant.member(CARL)

    assert (await plant.check(CARL, "READ", DEVICE, 3)).rule is Rule.NO_GRANT


async def test_whoever_has_a_flag_may_give_it_up(plant: Privileges) -> None:
    await plant.give(BERT, DEVICE, 3, "READ", "OPERATE")

    await plant.grants.grant_take(BERT, TakeFlags(6, DEVICE, 3))

    assert not await plant.has(BERT, "READ", DEVICE, 3)
    with pytest.raises(NotFoundError):  # and sees nothing there any more
        await plant.grants.grant_take(BERT, TakeFlags(6, DEVICE, 3))


async def test_one_s_own_is_given_up_by_login_name_too(plant: Privileges) -> None:
    await plant.give(BERT, DEVICE, 3, "READ")

    await plant.grants.grant_take(BERT, TakeFlags("bert@plant.example", DEVICE, 3))

    assert not await plant.has(BERT, "READ", DEVICE, 3)


async def test_taking_needs_grant(plant: Privileges) -> None:
    await plant.member(CARL)
    await plant.give(CARL, DEVICE, 3, "READ")
    await plant.give(BERT, DEVICE, 3, "READ")
    with pytest.raises(NotAuthorizedError):
        await plant.grants.grant_take(BERT, TakeFlags(7, DEVICE, 3))
    with pytest.raises(NotFoundError):
        await plant.grants.grant_take(DORA, TakeFlags(7, DEVICE, 3))


async def test_a_default_holds_for_every_member_on_everything_of_its_kind(plant: Privileges) -> None:
    await plant.member(CARL)
    await plant.grants.default_set(ANNA, SetDefaults("plant", DEVICE, ["READ"]))
    await plant.device(4)

    for person in (BERT, CARL):
        assert (await plant.check(person, "READ", DEVICE, 4)).rule is Rule.DEFAULT
    assert not await plant.has(DORA, "READ", DEVICE, 4)
    with pytest.raises(NotFoundError):
        await plant.grants.default_set(BERT, SetDefaults(1, DEVICE, ["OPERATE"]))
    await plant.give(BERT, PROJECT, 1, *FLAGS[PROJECT])
    with pytest.raises(NotAuthorizedError, match="owner"):
        await plant.grants.default_set(BERT, SetDefaults(1, DEVICE, ["OPERATE"]))
    (default,) = (await plant.grants.default_list(BERT, NameProject(1))).defaults
    assert (default.kind, default.flag) == (DEVICE, "READ")

    await plant.grants.default_unset(ANNA, UnsetDefaults("plant", DEVICE))

    assert not await plant.has(BERT, "READ", DEVICE, 4)


@pytest.mark.parametrize("kind", [AssetKind.APP, AssetKind.INSTALLATION])
async def test_there_are_defaults_for_what_is_in_projects(plant: Privileges, kind: AssetKind) -> None:
    with pytest.raises(InvalidArgumentError):
        await plant.grants.default_set(ANNA, SetDefaults(1, kind, ["READ"]))


async def test_a_flag_on_a_group_holds_on_its_devices_while_they_are_in_it(plant: Privileges) -> None:
    await plant.put(GROUP, 9)
    await plant.device(4, groups=[9])
    await plant.give(BERT, GROUP, 9, "READ", "MAINTAIN")

    assert (await plant.check(BERT, "MAINTAIN", DEVICE, 4)).rule is Rule.GROUP
    assert not await plant.has(BERT, "MAINTAIN", DEVICE, 3)
    await plant.device(4, revision=2)
    assert not await plant.has(BERT, "MAINTAIN", DEVICE, 4)


async def test_guessing_who_has_an_account_ends(plant: Privileges) -> None:
    for number in range(20):
        with pytest.raises(NotFoundError):
            await plant.grants.grant_give(ANNA, GiveFlags(f"x{number}@plant.example", DEVICE, 3, ["READ"]))
    with pytest.raises(OverLimitError):
        await plant.grants.grant_give(ANNA, GiveFlags("y@plant.example", DEVICE, 3, ["READ"]))


async def test_twenty_at_once_leave_one_grant_and_positions_without_gaps(plant: Privileges, postgres: Postgres) -> None:
    (begin,) = postgres.rows("SELECT position FROM privileges.stream")[0]

    await asyncio.gather(*(plant.give(BERT, DEVICE, 3, "READ") for _ in range(20)))

    assert len((await plant.grants.grant_list(ANNA, ListGrants(DEVICE, 3))).grants) == 1
    positions = sorted(each["position"] for each in plant.news)
    assert positions[-20:] == list(range(begin + 1, begin + 21))
