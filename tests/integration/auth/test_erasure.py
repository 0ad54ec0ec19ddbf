"""A person is erased: nothing opens, nothing names them, and the log says that it happened."""

import asyncio
from datetime import timedelta

import pytest

from services.auth import first_owner
from services.auth.erasure import Erasure
from services.auth.keyring import Keyring
from services.auth.records.accounts import AccountKeys, EraseAccount
from services.auth.records.tickets import VerifyTicket
from shared.database import Database
from shared.errors import ConflictError, InvalidArgumentError, StepUpRequiredError, UnavailableError
from shared.health import Health
from shared.identities import CONTROL_REALM, Person, ServiceIdentity
from shared.service import forever
from tests.harness.waiting import eventually
from tests.integration.auth.material import MOMENT, OTHER_KEY, OWNER_KEY, masters
from tests.integration.auth.neighbours import KILL_BY_AUTHID, OWNED, Neighbours
from tests.integration.auth.persons import LOGIN, opened, recorded
from tests.integration.auth.surface import Procedures
from tests.integration.database import Postgres

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
ROUTER, DEVICES = ServiceIdentity("router", 1), ServiceIdentity("devices", 1)


async def test_nothing_opens_and_nothing_names_the_person_once_they_are_erased(
    procedures: Procedures, anna: Person, postgres: Postgres
) -> None:
    item = recorded(postgres, anna)
    assert await opened(procedures, item) == [LOGIN]

    receipt = await procedures.account_erase(anna, EraseAccount(LOGIN))

    key, name = anna.account_key, f"erased-{anna.account_key}"
    assert (receipt.account_key, receipt.entry) == (key, "account.erased")
    assert await opened(procedures, item) == [None]
    assert await procedures.ticket_verify(ROUTER, VerifyTicket(OWNER_KEY)) is None
    assert postgres.rows("SELECT count(*) FROM auth.person_key") == [(0,)]
    rows = postgres.rows("SELECT login_name, login_canonical, state, erased_at FROM auth.account")
    assert rows == [(name, name, "disabled", receipt.erased_at)]
    assert postgres.rows("SELECT name, ended_at FROM auth.api_key") == [("erased", receipt.erased_at)]
    assert await procedures.account_find_erased(DEVICES, AccountKeys([key, key + 1])) == [key]


async def test_the_log_says_who_was_erased_by_key_alone(
    procedures: Procedures, anna: Person, postgres: Postgres
) -> None:
    await procedures.account_erase(anna, EraseAccount(LOGIN))

    assert [action for action, _ in postgres.audited()] == [
        "account.created",
        "api_key.created",
        "api_key.ended",
        "account.erased",
    ]
    entries = str(postgres.rows("SELECT queue::text FROM audit.queue"))
    assert "nna" not in entries
    assert "example" not in entries
    [(asset, actor)] = postgres.rows("SELECT asset, actor FROM audit.queue WHERE action = 'account.erased'")
    assert (asset["key"], actor["key"], actor["kind"]) == (anna.account_key, anna.account_key, "person")


async def test_a_name_that_differs_by_case_and_blanks_confirms_too(procedures: Procedures, anna: Person) -> None:
    assert (await procedures.account_erase(anna, EraseAccount(f" {LOGIN.upper()} "))).account_key == anna.account_key


@pytest.mark.parametrize("confirm", ["", "anna", LOGIN + "m", "erased-1", "yes"])
async def test_given_another_name_when_it_should_confirm_then_nothing_is_changed(
    procedures: Procedures, anna: Person, postgres: Postgres, confirm: str
) -> None:
    with pytest.raises(InvalidArgumentError) as refused:
        await procedures.account_erase(anna, EraseAccount(confirm))

    assert LOGIN not in refused.value.message
    assert await opened(procedures, recorded(postgres, anna)) == [LOGIN]
    assert await procedures.ticket_verify(ROUTER, VerifyTicket(OWNER_KEY)) is not None
    assert len(postgres.audited()) == 2


async def test_an_owner_of_projects_is_erased_only_when_they_say_so(
    procedures: Procedures, anna: Person, neighbours: Neighbours, postgres: Postgres
) -> None:
    neighbours.owned[anna.account_key] = [{"kind": "project", "key": 3}, {"kind": "app", "key": 4}]

    with pytest.raises(ConflictError) as refused:
        await procedures.account_erase(anna, EraseAccount(LOGIN))
    assert refused.value.details()["projects"] == 2
    assert len(postgres.audited()) == 2

    assert await procedures.account_erase(anna, EraseAccount(LOGIN, with_projects=True))


async def test_given_privileges_away_when_somebody_would_be_erased_then_nothing_is_changed(
    procedures: Procedures, anna: Person, neighbours: Neighbours, postgres: Postgres
) -> None:
    neighbours.goes(OWNED)

    with pytest.raises(UnavailableError):
        await procedures.account_erase(anna, EraseAccount(LOGIN))

    assert len(postgres.audited()) == 2


async def test_an_account_that_never_was_cannot_be_erased(procedures: Procedures, anna: Person) -> None:
    with pytest.raises(StepUpRequiredError):
        await procedures.account_erase(Person(anna.account_key + 1, 1), EraseAccount(LOGIN))


async def test_erasing_again_and_at_once_changes_nothing_and_answers_the_same_receipt(
    procedures: Procedures, anna: Person, postgres: Postgres
) -> None:
    receipts = await asyncio.gather(*(procedures.account_erase(anna, EraseAccount(LOGIN)) for _ in range(4)))
    receipts.append(await procedures.account_erase(anna, EraseAccount(LOGIN)))

    assert len(set(receipts)) == 1
    assert len(postgres.audited()) == 4


async def test_given_a_log_that_takes_nothing_when_somebody_would_be_erased_then_they_are_not(
    procedures: Procedures, anna: Person, postgres: Postgres
) -> None:
    postgres.run("UPDATE audit.action SET service = 'nobody' WHERE tag = 'account.erased'")
    try:
        with pytest.raises(Exception, match="may not record"):
            await procedures.account_erase(anna, EraseAccount(LOGIN))
    finally:
        postgres.run("UPDATE audit.action SET service = 'svc_auth' WHERE tag = 'account.erased'")

    assert await opened(procedures, recorded(postgres, anna)) == [LOGIN]
    assert await procedures.ticket_verify(ROUTER, VerifyTicket(OWNER_KEY)) is not None


async def test_every_session_ends_and_the_others_are_told_once(
    procedures: Procedures, erasure: Erasure, anna: Person, neighbours: Neighbours
) -> None:
    running = asyncio.create_task(forever("erasures", erasure.keep_up, Health(), pause_s=0.01))
    try:
        await procedures.account_erase(anna, EraseAccount(LOGIN))

        async def ended() -> bool:
            return neighbours.killed() != []

        await eventually(ended, 5, "the sessions are ended")
    finally:
        running.cancel()
    await erasure.follow_up()

    assert set(neighbours.killed()) == {str(anna.account_key)}
    assert neighbours.heard == [anna.account_key]


async def test_given_a_process_that_died_in_between_when_the_next_one_starts_then_it_ends_the_sessions(
    procedures: Procedures, auth_database: Database, anna: Person, neighbours: Neighbours, postgres: Postgres
) -> None:
    await procedures.account_erase(anna, EraseAccount(LOGIN))
    assert neighbours.killed() == []

    await Erasure(neighbours.bus, auth_database).follow_up()

    assert neighbours.killed() == [str(anna.account_key)]
    assert neighbours.heard == [anna.account_key]
    postgres.run("UPDATE auth.account SET erased_at = erased_at - interval '2 hours'")
    much_later = Erasure(neighbours.bus, auth_database)
    await much_later.follow_up()
    await much_later.follow_up()
    assert (len(neighbours.killed()), len(neighbours.heard)) == (2, 1)


async def test_given_the_router_away_when_somebody_is_erased_then_their_sessions_end_once_it_is_back(
    procedures: Procedures, erasure: Erasure, anna: Person, neighbours: Neighbours
) -> None:
    [_, control] = neighbours.router.sessions
    control.lose()
    running = asyncio.create_task(forever("erasures", erasure.keep_up, Health(), pause_s=0.01))
    try:
        await procedures.account_erase(anna, EraseAccount(LOGIN))
        assert neighbours.killed() == []

        await neighbours.router.join(neighbours.bus, CONTROL_REALM)

        async def ended() -> bool:
            return neighbours.killed() != []

        await eventually(ended, 5, "the sessions are ended")
    finally:
        running.cancel()
    assert neighbours.router.called(KILL_BY_AUTHID)[0][0] == str(anna.account_key)


@pytest.mark.parametrize("key", [OWNER_KEY, OTHER_KEY])
async def test_an_erased_first_owner_is_not_made_again(
    procedures: Procedures, auth_database: Database, anna: Person, postgres: Postgres, key: str
) -> None:
    await procedures.account_erase(anna, EraseAccount(LOGIN))

    said = await first_owner.ensure(
        auth_database,
        Keyring(masters("m1"), auth_database, masters("p1")),
        LOGIN,
        key,
        now=MOMENT + timedelta(seconds=1),
    )

    assert said == first_owner.HAS_ACCOUNTS
    assert postgres.rows("SELECT count(*) FROM auth.account") == [(1,)]
    assert await procedures.ticket_verify(ROUTER, VerifyTicket(key)) is None


async def test_nobody_takes_the_name_that_an_erased_account_will_have(postgres: Postgres, anna: Person) -> None:
    for name in (f"erased-{anna.account_key}", "erased-99"):
        with pytest.raises(Exception, match="account_erased_has_no_name"):
            postgres.run(
                "INSERT INTO auth.account (login_name, login_canonical, state) VALUES (%s, %s, 'active')", name, name
            )


async def test_whoever_is_disabled_is_off_the_bus_and_nobody_is_told_of_an_erasure(
    erasure: Erasure, anna: Person, neighbours: Neighbours, postgres: Postgres
) -> None:
    postgres.run("UPDATE auth.account SET state = 'disabled', disabled_at = now()")

    await erasure.follow_up()

    assert neighbours.killed() == [str(anna.account_key)]
    assert neighbours.heard == []
    postgres.run("UPDATE auth.account SET state = 'active', disabled_at = NULL")
    await erasure.follow_up()
    assert neighbours.killed() == [str(anna.account_key)]
