"""What privileges tells of people to those who do not know them: nothing."""

from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio

from services.privileges import rules
from services.privileges.records.grants import GiveFlags
from services.privileges.records.history import ListChanges
from services.privileges.records.members import Invite, NameMember
from services.privileges.records.questions import Check, Explain, ListAssets
from shared.errors import InvalidArgumentError, NotFoundError, OverLimitError, PublicError
from shared.flags import AssetKind
from shared.identities import Person
from tests.integration.privileges.world import ANNA, BERT, CARL, DORA, NAMES, Privileges

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DEVICE = AssetKind.DEVICE
SOMEBODY, NOBODY = NAMES[DORA.account_key], "nobody@plant.example"


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(privileges: Privileges) -> Privileges:
    """Anna's plant with device 3, and Bert, who sees it, in it; Dora has nothing to do with it."""
    await privileges.project()
    await privileges.device(3)
    await privileges.member(BERT)
    await privileges.give(BERT, DEVICE, 3, "READ")
    return privileges


@pytest.mark.parametrize("key", [7, 8, 99])
async def test_a_key_does_not_tell_how_a_stranger_is_called(plant: Privileges, key: int) -> None:
    end = plant.clock.now + timedelta(days=1)
    with pytest.raises(NotFoundError):
        await plant.members.invitation_create(ANNA, Invite(1, key))
    with pytest.raises(NotFoundError):
        await plant.grants.grant_give(ANNA, GiveFlags(key, DEVICE, 3, ["READ"], end, is_visit=True))
    with pytest.raises(NotFoundError):
        await plant.transfers.transfer_offer(ANNA, NameMember(1, key))


async def test_whom_one_works_with_can_be_named_by_key(plant: Privileges) -> None:
    await plant.project(2, ANNA, "mill")

    invited = await plant.members.invitation_create(ANNA, Invite(2, BERT.account_key))

    assert invited.login_name == NAMES[BERT.account_key]


@pytest.mark.parametrize("asker", [BERT, CARL])
async def test_a_question_does_not_tell_whether_a_name_is_anybody_s(plant: Privileges, asker: Person) -> None:
    said = []
    for name in (SOMEBODY, NOBODY):
        refusals = []
        for question in (
            plant.questions.flag_check(asker, Check(DEVICE, 3, "READ", account=name)),
            plant.questions.flag_explain(asker, Explain(DEVICE, 3, account=name)),
            plant.questions.change_list(asker, ListChanges(account=name)),
            plant.questions.change_list(asker, ListChanges(DEVICE, 3, account=name)),
        ):
            with pytest.raises(PublicError) as refused:
                await question
            refusals.append((refused.value.code, refused.value.message))
        said.append((refusals, await plant.questions.asset_list(asker, ListAssets(DEVICE, "READ", account=name))))

    assert said[0] == said[1]
    assert said[0][1].keys == []


async def test_whoever_has_grant_is_told_that_nobody_is_called_so(plant: Privileges) -> None:
    with pytest.raises(NotFoundError, match="no such person"):
        await plant.questions.flag_explain(ANNA, Explain(DEVICE, 3, account=NOBODY))
    assert not (await plant.questions.flag_check(ANNA, Check(DEVICE, 3, "READ", account=NOBODY))).allowed


async def test_a_person_has_so_many_visits_at_most(plant: Privileges, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rules, "MAX_VISITS", 1)
    visit: dict[str, Any] = {"is_visit": True, "ends_at": plant.clock.now + timedelta(days=1)}
    await plant.give(DORA, DEVICE, 3, "READ", **visit)
    await plant.project(2, CARL, "mill")
    await plant.device(4, 2)

    with pytest.raises(OverLimitError):
        await plant.give(DORA, DEVICE, 4, "READ", by=CARL, **visit)
    plant.clock.turn(days=1)
    await plant.give(DORA, DEVICE, 4, "READ", by=CARL, **{**visit, "ends_at": plant.clock.now + timedelta(days=1)})


async def test_the_history_of_somebody_else_needs_an_asset(plant: Privileges) -> None:
    with pytest.raises(InvalidArgumentError):
        await plant.questions.change_list(ANNA, ListChanges(account=BERT.account_key))
