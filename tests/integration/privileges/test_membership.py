"""People come into projects and go, on a real database."""

import asyncio
from datetime import timedelta

import pytest
import pytest_asyncio

from services.privileges import membership
from services.privileges.records.members import (
    Invitation,
    Invite,
    ListInvitations,
    NameInvitation,
    NameMember,
    NameProject,
)
from shared.errors import ConflictError, ExpiredError, NotAuthorizedError, NotFoundError, OverLimitError, PublicError
from shared.flags import AssetKind
from shared.identities import Person
from shared.rights.records import Rule
from tests.integration.database import Postgres
from tests.integration.privileges.world import ANNA, BERT, CARL, DORA, NAMES, Privileges

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DEVICE, PROJECT = AssetKind.DEVICE, AssetKind.PROJECT
NOBODY = Person(99, 1)


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(privileges: Privileges) -> Privileges:
    """Anna's plant with device 3."""
    await privileges.project()
    await privileges.device(3)
    return privileges


async def invite(plant: Privileges, guest: Person = BERT, by: Person = ANNA, reason: str = "") -> Invitation:
    invited: Invitation = await plant.members.invitation_create(by, Invite(1, NAMES[guest.account_key], reason))
    return invited


async def invitations(plant: Privileges, person: Person, project: int | None = None) -> list[Invitation]:
    found: list[Invitation] = (await plant.members.invitation_list(person, ListInvitations(project))).invitations
    return found


async def people_of(plant: Privileges) -> list[int]:
    return [each.account_key for each in (await plant.members.member_list(ANNA, NameProject(1))).members]


async def test_whoever_accepts_is_a_member_without_flags(plant: Privileges, postgres: Postgres) -> None:
    invited = await plant.members.invitation_create(ANNA, Invite("Plant", "bert@plant.example", "night shift"))

    assert (invited.project_name, invited.login_name, invited.invited_by) == ("plant", "bert@plant.example", 5)
    assert invited.ends_at - plant.clock.now == timedelta(days=14)
    assert await invitations(plant, BERT) == await invitations(plant, ANNA, 1) == [invited]
    await plant.members.invitation_accept(BERT, NameInvitation(invited.invitation_key))

    assert await people_of(plant) == [5, 6]
    assert (await plant.check(BERT, "READ", PROJECT, 1)).rule is Rule.NO_GRANT
    assert await invitations(plant, BERT) == []
    assert [tag for tag, _ in postgres.audited()] == ["membership.invited", "membership.accepted"]
    assert postgres.rows("SELECT reason FROM audit.queue ORDER BY id") == [("night shift",), (None,)]


async def test_only_whom_it_was_made_to_accepts_it_and_once(plant: Privileges) -> None:
    named = NameInvitation((await invite(plant)).invitation_key)
    for stranger in (ANNA, CARL):
        with pytest.raises(NotFoundError):
            await plant.members.invitation_accept(stranger, named)
        with pytest.raises(NotFoundError):
            await plant.members.invitation_decline(stranger, named)

    await plant.members.invitation_accept(BERT, named)

    with pytest.raises(NotFoundError):
        await plant.members.invitation_accept(BERT, named)
    with pytest.raises(NotFoundError):
        await plant.members.invitation_accept(BERT, NameInvitation(2**53 - 1))


async def test_an_invitation_ends_after_14_days_unless_it_is_made_again(plant: Privileges) -> None:
    named = NameInvitation((await invite(plant)).invitation_key)
    plant.clock.turn(days=14)
    with pytest.raises(ExpiredError):
        await plant.members.invitation_accept(BERT, named)
    assert await invitations(plant, BERT) == []

    again = await invite(plant)

    assert again.ends_at == plant.clock.now + timedelta(days=14)
    await plant.members.invitation_accept(BERT, NameInvitation(again.invitation_key))
    assert await people_of(plant) == [5, 6]


async def test_an_invitation_is_declined_or_taken_back(plant: Privileges, postgres: Postgres) -> None:
    await plant.members.invitation_decline(BERT, NameInvitation((await invite(plant)).invitation_key))
    named = NameInvitation((await invite(plant)).invitation_key)
    await plant.members.invitation_revoke(ANNA, named)

    for verb in (plant.members.invitation_accept, plant.members.invitation_decline):
        with pytest.raises(NotFoundError):
            await verb(BERT, named)
    with pytest.raises(NotFoundError):
        await plant.members.invitation_revoke(ANNA, named)
    assert [tag for tag, _ in postgres.audited()] == [
        "membership.invited", "membership.declined", "membership.invited", "membership.withdrawn",
    ]  # fmt: skip
    assert await people_of(plant) == [5]


async def test_letting_people_in_needs_grant_on_the_project(plant: Privileges) -> None:
    await plant.member(BERT)
    await plant.give(BERT, PROJECT, 1, "READ")
    named = NameInvitation((await invite(plant, CARL)).invitation_key)
    refused: list[tuple[Person, type[PublicError]]] = [(BERT, NotAuthorizedError), (DORA, NotFoundError)]
    for person, error in refused:
        with pytest.raises(error):
            await invite(plant, DORA, by=person)
        with pytest.raises(error):
            await plant.members.invitation_revoke(person, named)
        with pytest.raises(error):
            await invitations(plant, person, 1)
        with pytest.raises(error):
            await plant.members.member_remove(person, NameMember(1, 6))

    await plant.give(BERT, PROJECT, 1, "GRANT")
    await invite(plant, DORA, by=BERT)
    assert [each.account_key for each in await invitations(plant, BERT, 1)] == [7, 8]


async def test_a_foreign_invitation_looks_as_if_it_were_not_there(plant: Privileges) -> None:
    key = (await invite(plant)).invitation_key
    refusals = []
    for wanted in (key, key + 1000):
        with pytest.raises(NotFoundError) as refused:
            await plant.members.invitation_revoke(DORA, NameInvitation(wanted))
        refusals.append(refused.value.details() | {"message": str(refused.value)})

    assert refusals[0] == refusals[1]


@pytest.mark.parametrize("account", [5, 6, "anna@plant.example"])
async def test_whoever_is_there_is_not_invited(plant: Privileges, account: int | str) -> None:
    await plant.member(BERT)
    with pytest.raises(ConflictError):
        await plant.members.invitation_create(ANNA, Invite(1, account))


async def test_nobody_is_invited_who_is_not_there(plant: Privileges) -> None:
    with pytest.raises(NotFoundError):
        await plant.members.invitation_create(ANNA, Invite(1, 99))


async def test_no_more_invitations_stand_than_fit(plant: Privileges, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "MAX_INVITATIONS", 1)
    await invite(plant)

    with pytest.raises(OverLimitError):
        await invite(plant, CARL)


async def test_with_the_membership_goes_all_that_was_given(plant: Privileges, postgres: Postgres) -> None:
    await plant.member(BERT)
    await plant.give(BERT, DEVICE, 3, "READ", "OPERATE")
    await plant.give(BERT, PROJECT, 1, "READ")

    await plant.members.member_remove(ANNA, NameMember("plant", "bert@plant.example", "left the company"))

    assert not await plant.has(BERT, "READ", DEVICE, 3)
    assert await people_of(plant) == [5]
    assert postgres.rows("SELECT count(*) FROM privileges.held_flag") == [(0,)]
    assert [tag for tag, _ in postgres.audited()][-4:] == [*["flag.taken"] * 3, "membership.removed"]
    with pytest.raises(ConflictError):
        await plant.members.member_remove(ANNA, NameMember(1, 6))
    await plant.member(BERT)
    assert not await plant.has(BERT, "READ", DEVICE, 3)  # and nothing comes back


async def test_a_visitor_is_put_out_too(plant: Privileges) -> None:
    await plant.give(CARL, DEVICE, 3, "READ", is_visit=True, ends_at=plant.clock.now + timedelta(days=1))

    await plant.members.member_remove(ANNA, NameMember(1, 7))

    assert not await plant.has(CARL, "READ", DEVICE, 3)


async def test_a_member_may_leave_and_the_owner_may_not(plant: Privileges, postgres: Postgres) -> None:
    await plant.member(BERT)
    await plant.give(BERT, DEVICE, 3, "READ")

    await plant.members.member_leave(BERT, NameProject("plant"))

    assert await people_of(plant) == [5]
    assert [tag for tag, _ in postgres.audited()][-2:] == ["flag.taken", "membership.left"]
    with pytest.raises(NotFoundError):
        await plant.members.member_leave(BERT, NameProject(1))
    with pytest.raises(ConflictError):
        await plant.members.member_leave(ANNA, NameProject(1))
    with pytest.raises(ConflictError):
        await plant.members.member_remove(ANNA, NameMember(1, 5))


async def test_members_are_seen_by_whoever_has_read(plant: Privileges) -> None:
    await plant.member(BERT)
    await plant.member(CARL)
    await plant.give(BERT, PROJECT, 1, "READ")

    members = (await plant.members.member_list(BERT, NameProject(1))).members

    assert [(each.account_key, each.is_owner, each.is_visitor) for each in members] == [
        (5, True, False),
        (6, False, False),
        (7, False, False),
    ]
    assert members[1].since == plant.clock.now
    for person in (CARL, DORA):
        with pytest.raises(NotFoundError):
            await plant.members.member_list(person, NameProject(1))


async def test_twenty_accepts_of_one_invitation_at_once_make_one_member(plant: Privileges, postgres: Postgres) -> None:
    named = NameInvitation((await invite(plant)).invitation_key)

    results = await asyncio.gather(
        *(plant.members.invitation_accept(BERT, named) for _ in range(20)), return_exceptions=True
    )

    assert sum(result is None for result in results) == 1
    assert sum(isinstance(result, NotFoundError) for result in results) == 19
    assert postgres.rows("SELECT project_key, account_key FROM privileges.member") == [(1, 6)]
    assert postgres.rows("SELECT is_on FROM privileges.change WHERE what = 'member'") == [(True,)]
    assert [tag for tag, _ in postgres.audited()] == ["membership.invited", "membership.accepted"]


async def test_whatever_comes_first_table_history_and_audit_log_agree(plant: Privileges, postgres: Postgres) -> None:
    """Somebody is removed while they are given flags."""
    for _ in range(5):
        await plant.member(BERT)
        results = await asyncio.gather(
            *(plant.give(BERT, DEVICE, 3, flag) for flag in ("READ", "UPDATE", "OPERATE", "MAINTAIN")),
            plant.members.member_remove(ANNA, NameMember(1, 6)),
            *(plant.give(BERT, PROJECT, 1, flag) for flag in ("READ", "UPDATE")),
            return_exceptions=True,
        )

        assert all(result is None or isinstance(result, ConflictError) for result in results)
        assert results[4] is None
        assert postgres.rows("SELECT count(*) FROM privileges.held_flag") == [(0,)]
        (given, taken) = postgres.rows(
            "SELECT count(*) FILTER (WHERE is_on), count(*) FILTER (WHERE NOT is_on) FROM privileges.change"
            " WHERE what = 'grant'"
        )[0]
        tags = [tag for tag, _ in postgres.audited()]
        assert given == taken == tags.count("flag.given") == tags.count("flag.taken")
        assert not await plant.has(BERT, "READ", DEVICE, 3)
