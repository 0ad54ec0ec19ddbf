"""Whoever is erased has nothing, on a real database."""

from datetime import timedelta

import pytest
import pytest_asyncio

from services.privileges.records.members import Invite, NameMember
from services.privileges.records.services import AccountKey
from shared.errors import UnavailableError
from shared.flags import FLAGS, AssetKind
from shared.rights.records import Rule
from tests.integration.database import Postgres
from tests.integration.privileges.world import ANNA, AUTH, AWAY, BERT, CARL, NAMES, Privileges

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DEVICE, PROJECT, INSTALLATION = AssetKind.DEVICE, AssetKind.PROJECT, AssetKind.INSTALLATION
ASKED = "ironflock.auth.account.find_erased"


@pytest_asyncio.fixture(name="plant")
async def fixture_plant(privileges: Privileges) -> Privileges:
    """Anna's plant and Bert in it, who visits Carl's mill, is invited and offered things, and runs the installation."""
    await privileges.project()
    await privileges.project(2, CARL, "mill")
    await privileges.device(3)
    await privileges.device(4, 2)
    await privileges.member(BERT)
    await privileges.give(BERT, DEVICE, 3, "READ", "GRANT")
    week = privileges.clock.now + timedelta(days=7)
    await privileges.give(BERT, DEVICE, 4, "READ", by=CARL, is_visit=True, ends_at=week)
    await privileges.inventory.ensure_operator()
    await privileges.give(BERT, INSTALLATION, 1, "HEALTH")
    await privileges.members.invitation_create(CARL, Invite(2, NAMES[6]))
    await privileges.transfers.transfer_offer(ANNA, NameMember(1, NAMES[6]))
    return privileges


def left(postgres: Postgres, account_key: int) -> int:
    tables = (("member", "account_key"), ("held_flag", "account_key"), ("invitation", "account_key"))
    return sum(
        postgres.rows(f"SELECT count(*) FROM privileges.{table} WHERE {column} = {account_key}")[0][0]  # noqa: S608
        for table, column in (*tables, ("transfer", "to_account_key"))
    )


async def test_nothing_is_left_and_all_of_it_is_written_down(plant: Privileges, postgres: Postgres) -> None:
    assert left(postgres, 6) == 7
    plant.others.erased = [6]

    await plant.erased.compare()

    assert left(postgres, 6) == 0
    assert (await plant.check(BERT, "READ", DEVICE, 3)).rule is Rule.NO_MEMBER
    rows = postgres.rows("SELECT action, actor ->> 'kind', reason FROM audit.queue ORDER BY id DESC LIMIT 6")
    assert {row[1:] for row in rows} == {("service", "this account was erased")}
    assert sorted(row[0] for row in rows) == [*["flag.taken"] * 4, *["rights.erased"] * 2]
    before = len(postgres.audited())
    await plant.erased.compare()
    assert len(postgres.audited()) == before


async def test_nobody_else_loses_anything(plant: Privileges, postgres: Postgres) -> None:
    await plant.member(CARL)
    await plant.give(CARL, DEVICE, 3, "READ")
    plant.others.erased = [6]

    await plant.erased.compare()

    assert await plant.has(CARL, "READ", DEVICE, 3)
    assert left(postgres, 5) == len(FLAGS[INSTALLATION])


async def test_a_project_of_an_erased_person_stays_without_anybody_who_may_anything(
    plant: Privileges, postgres: Postgres
) -> None:
    plant.others.erased = [5]
    await plant.erased.compare()

    assert left(postgres, 5) == 0
    owned = await plant.services.domain_owned(AUTH, AccountKey(5))
    assert owned == [{"kind": "project", "key": 1}]
    assert await plant.has(BERT, "READ", DEVICE, 3)


async def test_everybody_is_asked_about_page_by_page(
    plant: Privileges, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.privileges.erased.BATCH", 1)
    await plant.member(CARL)
    plant.others.erased = [6, 7]

    await plant.erased.compare()

    assert plant.others.asked.count(ASKED) == 3
    assert left(postgres, 6) == left(postgres, 7) == 0


async def test_given_auth_away_when_it_is_asked_then_it_is_due_again(
    plant: Privileges, postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(plant.erased.following, "_every_s", 0.01)
    plant.others.refuses[ASKED] = AWAY
    with pytest.raises(UnavailableError):
        await plant.erased.following.keep_true()
    monkeypatch.setattr(plant.erased.following, "_every_s", 60.0)
    plant.others.refuses.clear()
    plant.others.erased = [6]

    await plant.erased.following.keep_true()

    assert left(postgres, 6) == 0
