"""What needs a fresh factor, and who has one."""

import pytest

from shared.errors import StepUpRequiredError
from shared.identities import Person
from tests.integration.auth.people import HOME, People

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_a_fresh_password_is_enough_where_there_is_no_second_factor(people: People) -> None:
    new = await people.join()
    await people.step_up.require(people.person(new))

    people.age(new, 301)
    found = await people.sessions.get(new.session.session_id)
    assert found is not None

    with pytest.raises(StepUpRequiredError) as refused:
        await people.step_up.require(people.person(new))
    assert refused.value.details()["max_age_s"] == 300
    assert not await people.step_up.is_fresh(found)


async def test_with_a_second_factor_a_password_is_not_enough(people: People) -> None:
    new = await people.join()
    secret = await people.enrol(new)

    with pytest.raises(StepUpRequiredError):
        await people.step_up.require(people.person(new))

    people.later()
    done = await people.sign_in.with_totp(await people.begun(), people.code(secret), HOME)
    await people.step_up.require(people.person(done.new))


async def test_an_api_key_never_steps_up_except_where_nobody_can_sign_in(people: People) -> None:
    new = await people.join()
    key = Person(new.session.account_key, 0, "an-api-key")
    with pytest.raises(StepUpRequiredError, match="API key"):
        await people.step_up.require(key)

    people.postgres.run("UPDATE auth.account SET password_hash = NULL")

    await people.step_up.require(key)
    people.postgres.run("UPDATE auth.account SET kind = 'service'")
    with pytest.raises(StepUpRequiredError):
        await people.step_up.require(key)


async def test_another_person_s_session_steps_nobody_up(people: People) -> None:
    anna, bert = await people.join(), await people.join("bert@example.com")

    with pytest.raises(StepUpRequiredError):
        await people.step_up.require(Person(anna.session.account_key, 0, bert.session.session_id))


async def test_a_session_that_is_over_steps_nobody_up(people: People) -> None:
    new = await people.join()
    await people.sessions.end_all(people.person(new))

    with pytest.raises(StepUpRequiredError):
        await people.step_up.require(people.person(new))
