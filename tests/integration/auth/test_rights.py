"""What privileges asks of accounts: names and keys, the first owner, fresh factors, whose an API key is."""

import pytest
from attrs import evolve

from services.auth.api_keys import ApiKeys
from services.auth.procedures.rights import RightsProcedures
from services.auth.records.accounts import NameApiKey, PublicAccount, RequireFresh, ResolveAccounts
from services.auth.records.api_keys import CreateApiKey, EndApiKey
from services.auth.service_accounts import ServiceAccounts
from shared.errors import StepUpRequiredError
from shared.identities import ServiceIdentity
from shared.procedures import NoArguments
from tests.integration.auth.people import HOME, NAME, People

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
PRIVILEGES = ServiceIdentity("privileges", 1)
BERT = "bert@example.com"


@pytest.fixture
def procedures(people: People) -> RightsProcedures:
    return RightsProcedures(people.database, people.step_up)


async def resolved(procedures: RightsProcedures, *said: int | str) -> list[PublicAccount | None]:
    found: list[PublicAccount | None] = await procedures.account_resolve(PRIVILEGES, ResolveAccounts(list(said)))
    return found


async def test_accounts_are_found_by_key_and_name_in_the_order_in_which_they_were_asked_for(
    people: People, procedures: RightsProcedures
) -> None:
    anna = (await people.join()).session.account_key
    bert = (await people.join(BERT)).session.account_key
    shown = {anna: PublicAccount(anna, NAME), bert: PublicAccount(bert, BERT)}

    found = await resolved(procedures, BERT, anna, 999, f" {NAME.upper()} ", bert, bert, "nobody@example.com", BERT)

    assert found == [shown[bert], shown[anna], None, shown[anna], shown[bert], shown[bert], None, shown[bert]]
    assert await resolved(procedures) == []


@pytest.mark.parametrize("name", ["", "\0", "a\0b", "\ud800@example.com", "x" * 400, str(2**53), " ", "erased-1"])
async def test_what_can_be_no_name_is_nobody_s(people: People, procedures: RightsProcedures, name: str) -> None:
    await people.join()

    assert await resolved(procedures, name) == [None]


async def test_a_number_in_letters_is_a_name_and_no_key(people: People, procedures: RightsProcedures) -> None:
    anna = (await people.join()).session.account_key

    assert await resolved(procedures, str(anna)) == [None]


@pytest.mark.parametrize(
    ("harm", "by_name"),
    [
        ("UPDATE auth.account SET state = 'pending'", False),
        ("UPDATE auth.account SET state = 'disabled', disabled_at = now()", True),
    ],
)
async def test_who_has_not_come_has_no_name_yet_and_who_is_disabled_still_has(
    people: People, procedures: RightsProcedures, harm: str, *, by_name: bool
) -> None:
    anna = (await people.join()).session.account_key
    people.postgres.run(harm)

    by_key, named = await resolved(procedures, anna, NAME)

    assert by_key == PublicAccount(anna, NAME)
    assert named == (by_key if by_name else None)


async def test_an_erased_account_is_known_by_its_key_alone(people: People, procedures: RightsProcedures) -> None:
    anna = (await people.join()).session.account_key
    people.postgres.run(
        "UPDATE auth.account SET login_name = 'erased-' || account_key, login_canonical = 'erased-' || account_key,"
        " state = 'disabled', erased_at = now()"
    )

    name = f"erased-{anna}"
    assert await resolved(procedures, anna, name, NAME) == [PublicAccount(anna, name), None, None]


async def test_the_first_owner_is_told_until_they_are_erased(people: People, procedures: RightsProcedures) -> None:
    assert await procedures.account_first_owner(PRIVILEGES, NoArguments()) is None
    await people.join(BERT)
    anna = await people.join()
    assert await procedures.account_first_owner(PRIVILEGES, NoArguments()) is None

    people.set_first_owner(anna)
    assert await procedures.account_first_owner(PRIVILEGES, NoArguments()) == anna.session.account_key

    people.postgres.run(
        "UPDATE auth.account SET login_name = 'erased-' || account_key, login_canonical = 'erased-' || account_key,"
        " state = 'disabled', erased_at = now() WHERE is_first_owner"
    )
    assert await procedures.account_first_owner(PRIVILEGES, NoArguments()) is None


async def test_a_factor_just_shown_lets_pass_and_nothing_else_does(
    people: People, procedures: RightsProcedures
) -> None:
    anna, bert = await people.join(), await people.join(BERT)
    asked = RequireFresh(anna.session.account_key, anna.session.session_id)

    assert await procedures.session_require_fresh(PRIVILEGES, asked) is None
    for other in (None, "", "key-1", bert.session.session_id):
        with pytest.raises(StepUpRequiredError):
            await procedures.session_require_fresh(PRIVILEGES, evolve(asked, credential=other))
    people.age(anna, 301)
    with pytest.raises(StepUpRequiredError):
        await procedures.session_require_fresh(PRIVILEGES, asked)


async def test_a_key_is_its_person_s_also_by_way_of_a_service_account(
    people: People, procedures: RightsProcedures
) -> None:
    new = await people.join()
    person = people.person(new)
    account = await ServiceAccounts(people.database).create(person, "line")
    keys = ApiKeys(people.database, people.mailing, people.database_now)
    order = CreateApiKey("x", ["all"])
    own, service = (
        await keys.create(person, order),
        await keys.create(person, evolve(order, account_key=account.account_key)),
    )
    await keys.end(person, EndApiKey(own.key_id))

    for key in (own, service):
        assert await procedures.api_key_owner(PRIVILEGES, NameApiKey(key.key_id)) == person.account_key
    for other in ("", "0" * 12, own.key, "\0" * 12, "\ud800", own.key_id + "\n"):
        assert await procedures.api_key_owner(PRIVILEGES, NameApiKey(other)) is None
    assert await people.sessions.find(new.cookie, HOME) is not None
