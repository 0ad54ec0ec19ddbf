"""Showing again who one is: the cookie changes, and guessing is slowed there too."""

import pytest

from services.auth.rules.throttling import FREE_FAILURES
from shared.errors import ExpiredError, FactorRejectedError, OverLimitError, SignInRefusedError
from tests.harness.authenticator import Authenticator
from tests.integration.auth.people import HOME, ORIGIN, PASSWORD, People, outcome

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_a_password_again_refreshes_and_changes_the_cookie(people: People) -> None:
    new = await people.join()
    people.age(new, 3_600)

    renewed = await people.again.with_password(new.session, PASSWORD, HOME)

    assert renewed.session.session_id == new.session.session_id
    assert await people.sessions.find(new.cookie, HOME) is None
    assert await people.sessions.find(renewed.cookie, HOME) is not None
    await people.step_up.require(people.person(new))
    assert people.actions()[-1] == "session.reauthenticated"


async def test_with_a_second_factor_it_is_that_which_counts(people: People) -> None:
    new = await people.join()
    secret = await people.enrol(new)
    people.later()
    with pytest.raises(FactorRejectedError):
        await people.again.with_password(new.session, PASSWORD, HOME)
    code = people.code(secret)

    renewed = await people.again.with_code(new.session, "totp", code, HOME)

    await people.step_up.require(people.person(renewed))
    with pytest.raises(FactorRejectedError):
        await people.again.with_code(renewed.session, "totp", code, HOME)


async def test_a_passkey_again(people: People) -> None:
    new, device = await people.join(), Authenticator(ORIGIN)
    asked = await people.passkeys.begin(new.session)
    await people.passkeys.add(new.session, asked.token, "laptop", device.create(asked.options))
    again = await people.again.passkey_options(new.session)

    renewed = await people.again.with_passkey(new.session, again.token, device.get(again.options), HOME)

    await people.step_up.require(people.person(renewed))
    with pytest.raises(ExpiredError):
        await people.again.with_passkey(new.session, again.token, device.get(again.options), HOME)


async def test_the_challenge_of_another_session_is_worth_nothing(people: People) -> None:
    anna, bert, device = await people.join(), await people.join("bert@example.com"), Authenticator(ORIGIN)
    asked = await people.passkeys.begin(anna.session)
    await people.passkeys.add(anna.session, asked.token, "laptop", device.create(asked.options))
    again = await people.again.passkey_options(bert.session)

    with pytest.raises(ExpiredError):
        await people.again.with_passkey(anna.session, again.token, device.get(again.options), HOME)


async def test_guessing_on_a_stolen_session_is_slowed_down(people: People) -> None:
    new = await people.join()
    for _ in range(FREE_FAILURES):
        with pytest.raises(SignInRefusedError):
            await people.again.with_password(new.session, "not the password", HOME)

    assert isinstance(await outcome(people.again.with_password(new.session, PASSWORD, HOME)), OverLimitError)
    await people.signed_in()


async def test_a_challenge_to_make_a_passkey_is_none_to_show_one(people: People) -> None:
    new, device = await people.join(), Authenticator(ORIGIN)
    asked = await people.passkeys.begin(new.session)
    await people.passkeys.add(new.session, asked.token, "laptop", device.create(asked.options))
    again, enrolment = await people.again.passkey_options(new.session), await people.passkeys.begin(new.session)

    with pytest.raises(ExpiredError):
        await people.again.with_passkey(new.session, enrolment.token, device.get(again.options), HOME)


async def test_a_wrong_passkey_is_counted_and_recorded_like_a_wrong_code(people: People) -> None:
    new, device = await people.join(), Authenticator(ORIGIN)
    asked = await people.passkeys.begin(new.session)
    await people.passkeys.add(new.session, asked.token, "laptop", device.create(asked.options))
    for _ in range(FREE_FAILURES):
        again = await people.again.passkey_options(new.session)
        with pytest.raises(FactorRejectedError):
            await people.again.with_passkey(new.session, again.token, Authenticator(ORIGIN).get(again.options), HOME)

    again = await people.again.passkey_options(new.session)
    tried = await outcome(people.again.with_passkey(new.session, again.token, device.get(again.options), HOME))

    assert isinstance(tried, OverLimitError)
    assert people.actions().count("sign_in.refused") == FREE_FAILURES
