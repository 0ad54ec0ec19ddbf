"""API keys and service accounts: made, shown once, rotated, ended; and how far they reach."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from attrs import evolve

from services.auth.api_keys import ApiKeys
from services.auth.erasure import Erasure
from services.auth.procedures.api_keys import ApiKeyProcedures
from services.auth.procedures.tickets import TicketProcedures
from services.auth.records.api_keys import (
    MAX_KEYS,
    CreateApiKey,
    CreateServiceAccount,
    EndApiKey,
    ListApiKeys,
    NameServiceAccount,
    NewApiKey,
    RotateApiKey,
)
from services.auth.records.tickets import VerifiedTicket, VerifyTicket
from services.auth.service_accounts import ServiceAccounts
from services.auth.signing import Signing
from shared.api_keys import is_well_formed
from shared.errors import (
    AlreadyExistsError,
    ConflictError,
    InvalidArgumentError,
    NotAuthorizedError,
    NotFoundError,
    OverLimitError,
    PublicError,
    StepUpRequiredError,
)
from shared.identities import Person, ServiceIdentity
from shared.procedures import NoArguments
from shared.scopes import parse_scopes
from tests.integration.auth.neighbours import Neighbours
from tests.integration.auth.people import AWAY, People, outcome
from tests.integration.auth.surface import access_tokens_on

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
ROUTER = ServiceIdentity("router", 1)
ORDER = CreateApiKey("press line", ["read@project/3", "all@device/7"])


@pytest_asyncio.fixture
async def keys(people: People, erasure: Erasure, neighbours: Neighbours) -> ApiKeyProcedures:
    people.now = people.database_now()  # by which the rows are dated
    await neighbours.join()
    return ApiKeyProcedures(
        ApiKeys(people.database, people.mailing, lambda: people.now),
        ServiceAccounts(people.database),
        people.step_up,
        erasure,
    )


@pytest.fixture
def tickets(people: People, signing: Signing) -> TicketProcedures:
    access_tokens = access_tokens_on(people.database, people.parts.keyring, people.locks, lambda: people.now)
    return TicketProcedures(people.database, signing, access_tokens, people.locks, lambda: people.now)


async def verified(tickets: TicketProcedures, key: str, address: str = "192.0.2.7") -> VerifiedTicket | None:
    found: VerifiedTicket | None = await tickets.ticket_verify(ROUTER, VerifyTicket(key, address))
    return found


async def test_a_key_is_shown_once_and_opens_as_far_as_it_reaches(
    people: People, keys: ApiKeyProcedures, tickets: TicketProcedures
) -> None:
    person = people.person(await people.join())

    new = await keys.api_key_create(person, ORDER)

    assert is_well_formed(new.key)
    assert new.key not in repr(new)
    assert new.ends_at == datetime.fromtimestamp(people.now, UTC) + timedelta(days=90)
    assert await verified(tickets, f"\t{new.key} \n") == VerifiedTicket(
        person.account_key, new.key_id, ["all@device/7", "read@project/3"], new.ends_at.timestamp()
    )
    (shown,) = (await keys.api_key_list(person, ListApiKeys())).api_keys
    assert (shown.prefix, shown.name, shown.last_address) == (new.key[:16], "press line", "192.0.2.7")
    assert shown.last_used_at is not None
    assert people.actions()[-1] == "api_key.created"
    assert "API key" in (await people.post())[-1].text
    rows = str(people.postgres.rows("SELECT k::text FROM auth.api_key k"))
    assert new.key[16:] not in rows


async def test_making_and_rotating_asks_for_a_fresh_factor_and_ending_does_not(
    people: People, keys: ApiKeyProcedures
) -> None:
    new = await people.join()
    person = people.person(new)
    key = await keys.api_key_create(person, ORDER)
    account = await keys.service_account_create(person, CreateServiceAccount("line"))
    people.age(new, 301)

    for refused in (
        keys.api_key_create(person, ORDER),
        keys.api_key_rotate(person, RotateApiKey(key.key_id)),
        keys.service_account_create(person, CreateServiceAccount("other")),
        keys.service_account_end(person, NameServiceAccount(account.account_key)),
    ):
        with pytest.raises(StepUpRequiredError):
            await refused
    await keys.api_key_end(person, EndApiKey(key.key_id, "lost"))
    assert people.actions()[-1] == "api_key.ended"


async def test_a_key_makes_no_key(people: People, keys: ApiKeyProcedures) -> None:
    person = people.person(await people.join())
    new = await keys.api_key_create(person, CreateApiKey("all of it", ["all"]))

    with pytest.raises(StepUpRequiredError):
        await keys.api_key_create(evolve(person, credential=new.key_id), ORDER)


async def test_a_key_reaches_no_further_than_what_made_it(people: People, keys: ApiKeyProcedures) -> None:
    person = people.person(await people.join())
    wide = await keys.api_key_create(person, CreateApiKey("wide", ["all"]))
    narrow = evolve(person, scopes=parse_scopes(["all@project/3"]))

    for scopes in (["all"], ["read"], ["all@project/4"], ["all@project/3", "read@device/1"]):
        with pytest.raises(NotAuthorizedError):
            await keys.api_key_create(narrow, CreateApiKey("x", scopes))
    with pytest.raises(NotAuthorizedError):
        await keys.api_key_rotate(narrow, RotateApiKey(wide.key_id))
    assert (await keys.api_key_create(narrow, CreateApiKey("x", ["read@project/3"]))).scopes == ["read@project/3"]


@pytest.mark.parametrize(
    "change",
    [
        {"name": ""},
        {"name": "a\0b"},
        {"name": "x" * 101},
        {"scopes": []},
        {"scopes": ["admin"]},
        {"scopes": ["all"] * 21},
        {"ends_at": datetime(2020, 1, 1, tzinfo=UTC)},
        {"ends_at": datetime(2999, 1, 1, tzinfo=UTC)},
    ],
)
async def test_bad_wishes_are_refused_and_change_nothing(
    people: People, keys: ApiKeyProcedures, change: dict[str, Any]
) -> None:
    person = people.person(await people.join())

    with pytest.raises(InvalidArgumentError):
        await keys.api_key_create(person, evolve(ORDER, **change))

    assert (await keys.api_key_list(person, ListApiKeys())).api_keys == []


async def test_an_account_has_so_many_keys_and_no_more(people: People, keys: ApiKeyProcedures) -> None:
    person = people.person(await people.join())
    people.postgres.run(
        "INSERT INTO auth.api_key (key_id, account_key, name, key_hash, scopes, ends_at)"  # noqa: S608
        f" SELECT 'k' || n, {person.account_key}, 'x', sha256('x'), '{{all}}', now() + interval '1 day'"
        f" FROM generate_series(1, {MAX_KEYS - 1}) n"
    )
    last = await keys.api_key_create(person, ORDER)

    with pytest.raises(OverLimitError):
        await keys.api_key_create(person, ORDER)
    await keys.api_key_rotate(person, RotateApiKey(last.key_id))


async def test_after_a_rotation_both_open_until_the_overlap_ends(
    people: People, keys: ApiKeyProcedures, tickets: TicketProcedures
) -> None:
    person = people.person(await people.join())
    old = await keys.api_key_create(
        person, evolve(ORDER, ends_at=datetime.fromtimestamp(people.now, UTC) + timedelta(days=30))
    )

    new = await keys.api_key_rotate(person, RotateApiKey(old.key_id, overlap_s=3600))

    assert (new.name, new.scopes) == (old.name, old.scopes)
    assert abs((new.ends_at - old.ends_at).total_seconds()) < 60
    assert {(await verified(tickets, each.key)) is not None for each in (old, new)} == {True}
    with pytest.raises(ConflictError):
        await keys.api_key_rotate(person, RotateApiKey(old.key_id))
    people.now += 3601
    assert [(await verified(tickets, each.key)) is not None for each in (old, new)] == [False, True]
    assert people.actions()[-2:] == ["api_key.rotated", "api_key.created"]
    listed = {key.key_id: key for key in (await keys.api_key_list(person, ListApiKeys())).api_keys}
    assert listed[new.key_id].rotated_from == old.key_id


async def test_an_ended_key_opens_nothing_and_is_not_ended_twice(
    people: People, keys: ApiKeyProcedures, tickets: TicketProcedures
) -> None:
    person = people.person(await people.join())
    new = await keys.api_key_create(person, ORDER)

    await keys.api_key_end(person, EndApiKey(new.key_id, "left on a train"))

    assert await verified(tickets, new.key) is None
    for refused in (
        keys.api_key_end(person, EndApiKey(new.key_id)),
        keys.api_key_rotate(person, RotateApiKey(new.key_id)),
    ):
        with pytest.raises(NotFoundError):
            await refused
    (shown,) = (await keys.api_key_list(person, ListApiKeys())).api_keys
    assert (shown.ended_at is not None, shown.ended_because) == (True, "left on a train")


async def test_keys_of_others_are_not_there(people: People, keys: ApiKeyProcedures) -> None:
    anna = people.person(await people.join())
    bert = people.person(await people.join("bert@example.com"))
    key = await keys.api_key_create(anna, ORDER)
    account = await keys.service_account_create(anna, CreateServiceAccount("line"))

    for refused in (
        keys.api_key_end(bert, EndApiKey(key.key_id)),
        keys.api_key_rotate(bert, RotateApiKey(key.key_id)),
        keys.api_key_list(bert, ListApiKeys(anna.account_key)),
        keys.api_key_list(bert, ListApiKeys(account.account_key)),
        keys.api_key_create(bert, evolve(ORDER, account_key=anna.account_key)),
        keys.api_key_create(bert, evolve(ORDER, account_key=account.account_key)),
        keys.service_account_end(bert, NameServiceAccount(account.account_key)),
        keys.service_account_end(anna, NameServiceAccount(bert.account_key)),
        keys.service_account_end(anna, NameServiceAccount(anna.account_key)),
    ):
        with pytest.raises(NotFoundError):
            await refused
    assert (await keys.api_key_list(bert, ListApiKeys())).api_keys == []


async def service_key(keys: ApiKeyProcedures, person: Person, name: str = "line") -> NewApiKey:
    account = await keys.service_account_create(person, CreateServiceAccount(name))
    new: NewApiKey = await keys.api_key_create(person, evolve(ORDER, account_key=account.account_key))
    return new


async def test_a_service_account_opens_by_its_keys_until_it_is_ended(
    people: People, keys: ApiKeyProcedures, tickets: TicketProcedures
) -> None:
    person = people.person(await people.join())
    new = await service_key(keys, person)
    (account,) = (await keys.service_account_list(person, NoArguments())).service_accounts
    assert (account.name, account.account_key) == ("line", new.account_key)
    found = await verified(tickets, new.key)
    assert found is not None
    assert found.account_key == new.account_key
    assert isinstance(await outcome(keys.service_account_create(person, CreateServiceAccount(" LINE"))), PublicError)
    with pytest.raises(AlreadyExistsError):
        await keys.service_account_create(person, CreateServiceAccount("Line"))

    await keys.service_account_end(person, NameServiceAccount(account.account_key))

    assert await verified(tickets, new.key) is None
    assert (await keys.service_account_list(person, NoArguments())).service_accounts == []
    assert people.actions()[-2:] == ["api_key.ended", "service_account.ended"]
    await keys.service_account_create(person, CreateServiceAccount("line"))


async def test_a_service_account_that_owns_projects_is_ended_only_where_that_is_meant(
    people: People, keys: ApiKeyProcedures, neighbours: Neighbours
) -> None:
    person = people.person(await people.join())
    account = await keys.service_account_create(person, CreateServiceAccount("line"))
    neighbours.owned[account.account_key] = [{"kind": "project", "key": 3}]

    with pytest.raises(ConflictError):
        await keys.service_account_end(person, NameServiceAccount(account.account_key))
    await keys.service_account_end(person, NameServiceAccount(account.account_key, with_projects=True))

    assert (await keys.service_account_list(person, NoArguments())).service_accounts == []


async def test_a_service_account_is_as_disabled_as_its_owner(
    people: People, keys: ApiKeyProcedures, tickets: TicketProcedures
) -> None:
    chief = await people.join("chief@example.com")
    people.set_first_owner(chief)
    person = people.person(await people.join())
    new = await service_key(keys, person)
    administration = people.administration()

    await administration.disable(people.person(chief), person.account_key, "left")
    assert await verified(tickets, new.key) is None

    await administration.enable(people.person(chief), person.account_key, "back")
    assert await verified(tickets, new.key) is not None


async def test_nobody_signs_in_by_a_service_account(people: People, keys: ApiKeyProcedures) -> None:
    person = people.person(await people.join())
    new = await service_key(keys, person)
    (login,) = people.postgres.rows(f"SELECT login_name FROM auth.account WHERE account_key = {new.account_key}")  # noqa: S608

    refusal = await outcome(people.sign_in.with_password(login[0], "quietly nine lamps hum", AWAY, browser=None))

    assert isinstance(refusal, PublicError)
