"""A project gets another owner, with realms in the middle, on a real database."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from services.privileges.records.members import NameInvitation, NameMember, NameProject, Transfer
from shared.errors import (
    AlreadyExistsError,
    ConflictError,
    ExpiredError,
    NotAuthorizedError,
    NotFoundError,
    PublicError,
    StepUpRequiredError,
    UnavailableError,
)
from shared.flags import FLAGS, AssetKind
from shared.identities import Person
from shared.procedures import NoArguments
from shared.rights.records import Rule
from tests.integration.database import Postgres
from tests.integration.privileges.test_membership import invite
from tests.integration.privileges.world import ANNA, AWAY, BERT, CARL, DORA, NAMES, STALE, TAKEN, Privileges

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DEVICE, PROJECT = AssetKind.DEVICE, AssetKind.PROJECT
FRESH, SET_OWNER = "ironflock.auth.session.require_fresh", "ironflock.realms.project.set_owner"
PLANT = NameProject(1)


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(privileges: Privileges) -> Privileges:
    """Anna's plant with device 3, and Bert in it."""
    await privileges.project()
    await privileges.device(3)
    await privileges.member(BERT)
    return privileges


async def offer(plant: Privileges, to: Person = BERT, by: Person = ANNA) -> Transfer:
    offered: Transfer = await plant.transfers.transfer_offer(by, NameMember("plant", NAMES[to.account_key]))
    return offered


async def offers(plant: Privileges, person: Person) -> list[int]:
    return [each.to_account_key for each in (await plant.transfers.transfer_list(person, NoArguments())).transfers]


def owner(postgres: Postgres) -> int:
    found: int = postgres.rows("SELECT owner_account_key FROM privileges.domain WHERE kind = 'project'")[0][0]
    return found


async def test_whoever_accepts_owns_it_and_who_owned_it_stays_without_flags(
    plant: Privileges, postgres: Postgres
) -> None:
    await plant.give(BERT, DEVICE, 3, "READ")
    offered = await plant.transfers.transfer_offer(ANNA, NameMember("plant", "bert@plant.example", "holidays"))
    assert (offered.project_name, offered.from_account_key, offered.to_login_name) == ("plant", 5, "bert@plant.example")
    assert offered.ends_at - plant.clock.now == timedelta(days=7)
    assert await offers(plant, ANNA) == await offers(plant, BERT) == [6]
    assert await offers(plant, CARL) == []

    await plant.transfers.transfer_accept(BERT, NameProject("plant"))

    assert plant.others.owners[1] == owner(postgres) == 6
    assert (await plant.check(BERT, "DELETE", DEVICE, 3)).rule is Rule.OWNER
    assert (await plant.check(ANNA, "READ", PROJECT, 1)).rule is Rule.NO_GRANT
    assert postgres.rows("SELECT account_key FROM privileges.member") == [(5,)]
    assert postgres.rows("SELECT count(*) FROM privileges.held_flag") == [(0,)]
    assert await offers(plant, BERT) == []
    tags = [tag for tag, _ in postgres.audited()]
    assert tags[-3:] == ["ownership.offered", "flag.taken", "ownership.transferred"]
    told = plant.news[-1]["changes"][0]["accounts"]
    assert sorted(told) == [5, 6]


async def test_a_session_that_is_not_fresh_offers_and_accepts_nothing(plant: Privileges, postgres: Postgres) -> None:
    plant.others.refuses[FRESH] = STALE
    with pytest.raises(StepUpRequiredError):
        await offer(plant)
    plant.others.refuses.clear()
    await offer(plant)
    plant.others.refuses[FRESH] = STALE

    with pytest.raises(StepUpRequiredError):
        await plant.transfers.transfer_accept(BERT, PLANT)

    assert owner(postgres) == 5
    assert postgres.rows("SELECT accepted_at FROM privileges.transfer") == [(None,)]
    await plant.transfers.transfer_withdraw(ANNA, PLANT)  # to take it back needs none


async def test_the_owner_alone_offers_it(plant: Privileges) -> None:
    await plant.give(BERT, PROJECT, 1, *FLAGS[PROJECT])
    with pytest.raises(NotAuthorizedError):
        await offer(plant, CARL, by=BERT)
    for missing in (1, 2):
        with pytest.raises(NotFoundError):
            await plant.transfers.transfer_offer(DORA, NameMember(missing, NAMES[7]))
    with pytest.raises(ConflictError):
        await offer(plant, ANNA)
    with pytest.raises(NotFoundError):
        await plant.transfers.transfer_offer(ANNA, NameMember(1, 99))


async def test_a_later_offer_takes_the_place_of_an_earlier_one(plant: Privileges, postgres: Postgres) -> None:
    await offer(plant, CARL)
    await offer(plant, BERT)

    with pytest.raises(NotFoundError):
        await plant.transfers.transfer_accept(CARL, PLANT)
    await plant.transfers.transfer_accept(BERT, PLANT)
    assert owner(postgres) == 6


async def test_an_offer_ends_after_7_days(plant: Privileges, postgres: Postgres) -> None:
    await offer(plant)
    plant.clock.turn(days=7)

    with pytest.raises(ExpiredError):
        await plant.transfers.transfer_accept(BERT, PLANT)

    assert await offers(plant, BERT) == []
    assert owner(postgres) == 5
    await offer(plant)
    await plant.transfers.transfer_accept(BERT, PLANT)


@pytest.mark.parametrize("by", [ANNA, BERT])
async def test_either_side_ends_it(plant: Privileges, postgres: Postgres, by: Person) -> None:
    await offer(plant)
    for stranger in (CARL, DORA):
        with pytest.raises(NotFoundError):
            await plant.transfers.transfer_withdraw(stranger, PLANT)

    await plant.transfers.transfer_withdraw(by, PLANT)

    with pytest.raises(NotFoundError):
        await plant.transfers.transfer_accept(BERT, PLANT)
    with pytest.raises(NotFoundError):
        await plant.transfers.transfer_withdraw(by, PLANT)
    assert [tag for tag, _ in postgres.audited()][-2:] == ["ownership.offered", "ownership.withdrawn"]


async def test_whether_a_project_is_there_shows_to_nobody(plant: Privileges) -> None:
    refusals = []
    for verb in (plant.transfers.transfer_accept, plant.transfers.transfer_withdraw):
        for wanted in (1, 77):
            with pytest.raises(NotFoundError) as refused:
                await verb(DORA, NameProject(wanted))
            refusals.append(str(refused.value))

    assert len(set(refusals)) == 1


async def test_given_a_name_that_is_taken_when_it_is_accepted_then_nothing_has_changed(
    plant: Privileges, postgres: Postgres
) -> None:
    await offer(plant)
    plant.others.refuses[SET_OWNER] = TAKEN

    with pytest.raises(AlreadyExistsError):
        await plant.transfers.transfer_accept(BERT, PLANT)

    assert owner(postgres) == 5
    assert postgres.rows("SELECT to_account_key, accepted_at FROM privileges.transfer") == [(6, None)]
    plant.others.refuses.clear()  # Bert has renamed theirs
    await plant.transfers.transfer_accept(BERT, PLANT)
    assert owner(postgres) == 6


async def test_given_a_crash_between_the_steps_when_it_is_repaired_then_it_is_carried_out(
    plant: Privileges, postgres: Postgres
) -> None:
    await offer(plant)
    plant.others.refuses[SET_OWNER] = AWAY
    with pytest.raises(UnavailableError):
        await plant.transfers.transfer_accept(BERT, PLANT)
    for by in (ANNA, BERT):  # what is accepted is not withdrawn, nor offered to somebody else
        with pytest.raises(ConflictError):
            await plant.transfers.transfer_withdraw(by, PLANT)
    with pytest.raises(ConflictError):
        await offer(plant, CARL)
    await plant.handing_over.repair()  # too early: whoever accepted it may be at it still
    assert plant.others.asked.count(SET_OWNER) == 1
    plant.clock.turn(seconds=16)
    await plant.handing_over.repair()  # realms is away still
    assert owner(postgres) == 5
    plant.others.refuses.clear()

    await plant.handing_over.repair()

    assert plant.others.owners[1] == owner(postgres) == 6
    assert postgres.rows("SELECT 1 FROM privileges.transfer") == []
    assert postgres.audited()[-1] == ("ownership.transferred", "done")
    await plant.handing_over.repair()
    assert postgres.rows("SELECT count(*) FROM audit.queue WHERE action = 'ownership.transferred'") == [(1,)]


async def test_what_was_accepted_is_carried_out_also_after_its_end(plant: Privileges, postgres: Postgres) -> None:
    await offer(plant)
    plant.others.refuses[SET_OWNER] = AWAY
    with pytest.raises(UnavailableError):
        await plant.transfers.transfer_accept(BERT, PLANT)
    plant.clock.turn(days=8)
    plant.others.refuses.clear()

    await plant.handing_over.repair()

    assert owner(postgres) == 6


async def test_whoever_becomes_the_owner_is_invited_no_more(plant: Privileges, postgres: Postgres) -> None:
    invited = await invite(plant, CARL)
    await offer(plant, CARL)
    await plant.transfers.transfer_accept(CARL, PLANT)

    with pytest.raises(NotFoundError):
        await plant.members.invitation_accept(CARL, NameInvitation(invited.invitation_key))

    assert postgres.rows("SELECT account_key FROM privileges.member ORDER BY 1") == [(5,), (6,)]


async def test_accepted_and_withdrawn_at_once_one_of_them_counts(plant: Privileges, postgres: Postgres) -> None:
    for _ in range(5):
        now, heir = (ANNA, BERT) if owner(postgres) == 5 else (BERT, ANNA)
        await offer(plant, heir, by=now)

        both: Any = await asyncio.gather(
            plant.transfers.transfer_accept(heir, PLANT),
            plant.transfers.transfer_withdraw(now, PLANT),
            return_exceptions=True,
        )
        accepted, withdrawn = both

        assert (accepted is None) != (withdrawn is None)
        for each in (accepted, withdrawn):
            assert each is None or isinstance(each, PublicError)
        assert owner(postgres) == plant.others.owners[1] == (heir if accepted is None else now).account_key
        assert postgres.rows("SELECT 1 FROM privileges.transfer") == []


async def test_twenty_accepts_at_once_hand_it_over_once(plant: Privileges, postgres: Postgres) -> None:
    await offer(plant)

    results = await asyncio.gather(
        *(plant.transfers.transfer_accept(BERT, PLANT) for _ in range(20)), return_exceptions=True
    )

    assert any(result is None for result in results)
    assert all(result is None or isinstance(result, NotFoundError) for result in results)
    assert postgres.rows(
        "SELECT account_key, is_on FROM privileges.change WHERE what = 'owner' ORDER BY change_key"
    ) == [
        (5, True),
        (5, False),
        (6, True),
    ]
    assert [tag for tag, _ in postgres.audited()].count("ownership.transferred") == 1
    assert postgres.rows("SELECT account_key FROM privileges.member") == [(5,)]


async def test_an_undone_acceptance_leaves_another_offer_be(plant: Privileges, postgres: Postgres) -> None:
    """Realms refuses Bert, and while it did, the project was offered to Carl, who accepted."""
    await offer(plant, BERT)
    plant.others.refuses[SET_OWNER] = TAKEN

    def meanwhile(procedure: str) -> None:
        if procedure == SET_OWNER:
            postgres.run("UPDATE privileges.transfer SET to_account_key = 7")

    plant.others.before = meanwhile
    with pytest.raises(AlreadyExistsError):
        await plant.transfers.transfer_accept(BERT, PLANT)

    assert postgres.rows("SELECT to_account_key, accepted_at IS NULL FROM privileges.transfer") == [(7, False)]
