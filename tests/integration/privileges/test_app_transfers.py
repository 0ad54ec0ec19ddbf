"""An app gets another owner, on a real database; realms, which shows it, stands in."""

import asyncio
from typing import Any

import pytest
import pytest_asyncio

from services.privileges.records.apps import NameApp, OfferApp
from services.privileges.records.services import PutDomain
from shared.errors import (
    ConflictError,
    ExpiredError,
    NotAuthorizedError,
    NotFoundError,
    StepUpRequiredError,
)
from shared.flags import AssetKind
from shared.identities import Person
from shared.procedures import NoArguments
from shared.rights.records import Rule
from tests.integration.database import Postgres
from tests.integration.privileges.world import ANNA, AWAY, BERT, CARL, NAMES, REALMS, STALE, Privileges

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
FRESH, SET_OWNER = "ironflock.auth.session.require_fresh", "ironflock.realms.app.set_owner"
APP = AssetKind.APP
PRESS = NameApp("press")


@pytest_asyncio.fixture(name="press")
async def fixture_press(privileges: Privileges) -> Privileges:
    """Anna's app press, key 4, on which Bert has flags."""
    await privileges.services.domain_put(REALMS, PutDomain("app", 4, "Press", ANNA.account_key))
    await privileges.give(BERT, APP, 4, "READ", "RELEASE")
    return privileges


async def offer(press: Privileges, to: Person = BERT, by: Person = ANNA, app: int | str = "press") -> Any:
    return await press.app_transfers.app_transfer_offer(by, OfferApp(app, NAMES[to.account_key], "holidays"))


async def offers(press: Privileges, person: Person) -> list[tuple[int, str]]:
    found = (await press.app_transfers.app_transfer_list(person, NoArguments())).transfers
    return [(each.app_key, each.to_login_name) for each in found]


def owner(postgres: Postgres) -> int:
    ((found,),) = postgres.rows("SELECT owner_account_key FROM privileges.domain WHERE kind = 'app'")
    return int(found)


async def test_whoever_accepts_owns_it_and_who_owned_it_has_nothing(press: Privileges, postgres: Postgres) -> None:
    offered = await offer(press)
    assert (offered.app_name, offered.from_account_key, offered.to_login_name) == ("Press", 5, NAMES[6])
    assert await offers(press, ANNA) == await offers(press, BERT) == [(4, NAMES[6])]
    assert await offers(press, CARL) == []

    await press.app_transfers.app_transfer_accept(BERT, PRESS)

    assert owner(postgres) == 6
    assert (await press.check(BERT, "DELETE", APP, 4)).rule is Rule.OWNER
    assert not await press.has(ANNA, "READ", APP, 4)
    assert postgres.rows("SELECT count(*) FROM privileges.held_flag") == [(0,)]
    assert press.others.app_owners == [{"app_key": 4, "owner_account_key": 6}]
    assert postgres.rows("SELECT FROM privileges.app_transfer") == []
    tags = [tag for tag, _ in postgres.audited()]
    assert tags[-4:] == ["ownership.offered", "flag.taken", "flag.taken", "ownership.transferred"]
    assert sorted(press.news[-1]["changes"][0]["accounts"]) == [5, 6]


async def test_realms_is_told_until_it_knows_and_meanwhile_it_is_theirs(press: Privileges, postgres: Postgres) -> None:
    await offer(press)
    press.others.refuses[SET_OWNER] = AWAY
    await press.app_transfers.app_transfer_accept(BERT, PRESS)
    assert owner(postgres) == 6
    with pytest.raises(ConflictError):
        await offer(press, CARL, by=BERT)
    for person in (ANNA, BERT):
        with pytest.raises(NotFoundError):
            await press.app_transfers.app_transfer_withdraw(person, PRESS)
    press.others.refuses.clear()

    for _ in range(2):
        await press.handing_apps_over.tell_owners()

    assert press.others.app_owners == [{"app_key": 4, "owner_account_key": 6}]
    await offer(press, CARL, by=BERT)


async def test_a_session_that_is_not_fresh_offers_and_accepts_nothing(press: Privileges, postgres: Postgres) -> None:
    press.others.refuses[FRESH] = STALE
    with pytest.raises(StepUpRequiredError):
        await offer(press)
    press.others.refuses.clear()
    await offer(press)
    press.others.refuses[FRESH] = STALE
    with pytest.raises(StepUpRequiredError):
        await press.app_transfers.app_transfer_accept(BERT, PRESS)

    assert owner(postgres) == 5
    await press.app_transfers.app_transfer_withdraw(ANNA, PRESS)  # to take it back needs none


async def test_the_owner_alone_offers_it_and_to_somebody_else(press: Privileges) -> None:
    with pytest.raises(NotAuthorizedError, match="owner of the app"):
        await offer(press, CARL, by=BERT)
    for missing in (4, 5, "press", "saw", "\x00", "\ud800", ""):
        with pytest.raises(NotFoundError):
            await offer(press, BERT, by=CARL, app=missing)
    with pytest.raises(ConflictError):
        await offer(press, ANNA)


async def test_whom_it_is_not_offered_to_neither_accepts_nor_declines(press: Privileges, postgres: Postgres) -> None:
    await offer(press)
    for verb in (press.app_transfers.app_transfer_accept, press.app_transfers.app_transfer_withdraw):
        for wanted in (4, 77):
            with pytest.raises(NotFoundError):
                await verb(CARL, NameApp(wanted))
    with pytest.raises(NotFoundError):
        await press.app_transfers.app_transfer_accept(ANNA, PRESS)
    await press.app_transfers.app_transfer_withdraw(BERT, PRESS)
    with pytest.raises(NotFoundError):
        await press.app_transfers.app_transfer_accept(BERT, PRESS)

    assert owner(postgres) == 5


async def test_an_offer_ends_after_7_days(press: Privileges, postgres: Postgres) -> None:
    await offer(press)
    press.clock.turn(days=7)

    with pytest.raises(ExpiredError):
        await press.app_transfers.app_transfer_accept(BERT, PRESS)

    assert (await offers(press, BERT), owner(postgres)) == ([], 5)


async def test_twenty_accepts_at_once_hand_it_over_once(press: Privileges, postgres: Postgres) -> None:
    await offer(press)

    results = await asyncio.gather(
        *(press.app_transfers.app_transfer_accept(BERT, PRESS) for _ in range(20)), return_exceptions=True
    )

    assert [result for result in results if result is None] == [None]
    assert all(result is None or isinstance(result, NotFoundError) for result in results)
    assert [tag for tag, _ in postgres.audited()].count("ownership.transferred") == 1
