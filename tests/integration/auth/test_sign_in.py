"""Signing in: what opens, what does not, and that nobody learns why."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from services.auth.records.sessions import NeedsFactor, SignedIn
from services.auth.rules.throttling import FREE_FAILURES, MAX_CODE_FAILURES
from shared.errors import ExpiredError, FactorRejectedError, OverLimitError, PublicError, SignInRefusedError
from tests.integration.auth.people import AWAY, HOME, NAME, PASSWORD, People, outcome

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
WRONG = "quietly nine lamps ham"


@pytest.mark.real_hashes
async def test_the_right_password_opens_a_session(people: People) -> None:
    await people.join()

    new = await people.signed_in()

    found = await people.sessions.find(new.cookie, HOME)
    assert found is not None
    assert (found.session_id, found.amr, found.factor_at) == (new.session.session_id, ["pwd"], None)


@pytest.mark.parametrize("name", ["ANNA@Example.COM", " anna@example.com ", "\uff41nna@example.com"])
async def test_a_login_name_is_the_same_in_every_form(people: People, name: str) -> None:
    await people.join()

    assert isinstance(await people.sign_in.with_password(name, PASSWORD, HOME, browser=None), SignedIn)


async def lost(people: People) -> None:
    people.postgres.run("UPDATE auth.account SET state = 'disabled'")


async def unverified(people: People) -> None:
    people.postgres.run("UPDATE auth.account SET state = 'pending'")


async def a_service(people: People) -> None:
    people.postgres.run("UPDATE auth.account SET kind = 'service'")


async def nothing(people: People) -> None:
    del people


@pytest.mark.parametrize(
    ("harm", "name", "password"),
    [
        (nothing, NAME, WRONG),
        (nothing, "nobody@example.com", PASSWORD),
        (nothing, NAME, ""),
        (nothing, "", ""),
        (nothing, NAME, PASSWORD + "\x00"),
        (nothing, NAME, "\ud800" * 20),
        (nothing, NAME + "\x00", PASSWORD),
        (nothing, "\ud800@example.com", PASSWORD),
        (nothing, "x" * 100_000, PASSWORD),
        (nothing, NAME, PASSWORD + " " * 10_000),
        (lost, NAME, PASSWORD),
        (unverified, NAME, PASSWORD),
        (a_service, NAME, PASSWORD),
    ],
)
async def test_whatever_is_wrong_looks_the_same(
    people: People, harm: Callable[[People], Awaitable[None]], name: str, password: str
) -> None:
    await people.join()
    await harm(people)

    with pytest.raises(SignInRefusedError) as refused:
        await people.sign_in.with_password(name, password, AWAY, browser=None)

    assert refused.value.details() == {
        "code": "sign_in_refused",
        "message": "login name and password do not fit together, or the account cannot be used",
    }


async def test_a_refused_attempt_is_recorded_with_a_sealed_address(people: People) -> None:
    await people.join()

    await outcome(people.sign_in.with_password(NAME, WRONG, AWAY, browser=None))

    ((outcome_said, source),) = people.postgres.rows(
        "SELECT outcome, source FROM audit.queue WHERE action = 'sign_in.refused'"
    )
    assert outcome_said == "refused"
    assert AWAY.address not in str(source)


async def test_guessing_is_slowed_down_and_unknown_names_are_counted_alike(people: People) -> None:
    await people.join()
    for name in (NAME, "nobody@example.com"):
        tried = [
            await outcome(people.sign_in.with_password(name, WRONG, AWAY, browser=None))
            for _ in range(FREE_FAILURES + 1)
        ]

        assert [type(each) for each in tried] == [*[SignInRefusedError] * FREE_FAILURES, OverLimitError]
        assert tried[-1].details()["retry_after_s"] >= 1  # type: ignore[union-attr]


@pytest.mark.real_hashes
async def test_parallel_guesses_gain_nothing(people: People) -> None:
    await people.join()

    tried = await asyncio.gather(
        *(outcome(people.sign_in.with_password(NAME, WRONG, AWAY, browser=None)) for _ in range(20))
    )

    assert sum(isinstance(each, SignInRefusedError) for each in tried) <= FREE_FAILURES
    assert all(isinstance(each, PublicError) for each in tried)


async def test_nobody_locks_another_person_out_of_a_known_browser(people: People) -> None:
    known = await people.join()
    for _ in range(FREE_FAILURES + 3):
        await outcome(people.sign_in.with_password(NAME, WRONG, AWAY, browser=None))

    assert isinstance(await outcome(people.sign_in.with_password(NAME, PASSWORD, AWAY, browser=None)), OverLimitError)
    step = await people.sign_in.with_password(NAME, PASSWORD, HOME, browser=known.browser)
    assert isinstance(step, SignedIn)
    assert step.new.browser == known.browser


async def test_the_cookie_of_a_browser_that_somebody_made_up_is_worth_nothing(people: People) -> None:
    await people.join()
    for _ in range(FREE_FAILURES):
        await outcome(people.sign_in.with_password(NAME, WRONG, AWAY, browser="made-up"))

    again = await outcome(people.sign_in.with_password(NAME, WRONG, AWAY, browser="another"))

    assert isinstance(again, OverLimitError)


async def test_with_a_second_factor_a_password_alone_opens_nothing(people: People) -> None:
    secret = await people.enrol(await people.join())
    people.later()

    step = await people.sign_in.with_password(NAME, PASSWORD, AWAY, browser=None)
    assert isinstance(step, NeedsFactor)
    assert step.methods == ("totp", "recovery")
    done = await people.sign_in.with_totp(step.token, people.code(secret), AWAY)

    assert set(done.new.session.amr) == {"pwd", "otp", "mfa"}
    assert done.new.session.factor_at is not None


async def test_of_twenty_parallel_sign_ins_with_one_code_one_succeeds(people: People) -> None:
    secret = await people.enrol(await people.join())
    people.later()
    tokens = [await people.begun() for _ in range(20)]
    code = people.code(secret)

    done = await asyncio.gather(*(outcome(people.sign_in.with_totp(token, code, AWAY)) for token in tokens))

    assert sum(isinstance(each, SignedIn) for each in done) == 1
    assert all(isinstance(each, SignedIn | FactorRejectedError | OverLimitError) for each in done)


async def test_the_code_that_confirmed_the_enrolment_is_spent(people: People) -> None:
    new = await people.join()
    offer = await people.factors.begin_totp(new.session)
    code = people.code(offer.secret)
    await people.factors.confirm_totp(new.session, code)

    with pytest.raises(FactorRejectedError):
        await people.sign_in.with_totp(await people.begun(), code, AWAY)


async def test_wrong_codes_end_the_sign_in_and_are_counted_apart_from_passwords(people: People) -> None:
    secret = await people.enrol(await people.join())
    token = await people.begun()
    for _ in range(MAX_CODE_FAILURES):
        with pytest.raises(FactorRejectedError):
            await people.sign_in.with_totp(token, "000000", AWAY)
    people.later()

    over = await outcome(people.sign_in.with_totp(token, people.code(secret), AWAY))

    assert isinstance(over, ExpiredError)
    assert isinstance(await outcome(people.sign_in.with_totp(await people.begun(), "000000", AWAY)), OverLimitError)


async def test_a_recovery_code_opens_once(people: People) -> None:
    new = await people.join()
    offer = await people.factors.begin_totp(new.session)
    codes = await people.factors.confirm_totp(new.session, people.code(offer.secret))
    typed = codes[0].lower().replace("-", " ")

    done = await people.sign_in.with_recovery_code(await people.begun(), typed, AWAY)

    assert done.new.session.account_key == new.session.account_key
    with pytest.raises(FactorRejectedError):
        await people.sign_in.with_recovery_code(await people.begun(), codes[0], AWAY)


async def test_a_half_done_sign_in_is_done_once(people: People) -> None:
    secret = await people.enrol(await people.join())
    people.later()
    token = await people.begun()
    await people.sign_in.with_totp(token, people.code(secret), AWAY)
    people.later()

    with pytest.raises(ExpiredError):
        await people.sign_in.with_totp(token, people.code(secret), AWAY)


async def test_a_token_that_was_made_up_opens_nothing(people: People) -> None:
    with pytest.raises(ExpiredError):
        await people.sign_in.with_totp("made-up", "000000", AWAY)


@pytest.mark.real_hashes
async def test_an_old_hash_is_made_anew_on_the_way(people: People) -> None:
    await people.join()
    weak = people.passwords._hasher.__class__(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    people.postgres.run(f"UPDATE auth.account SET password_hash = '{weak}'")  # noqa: S608 - made here

    await people.signed_in()

    ((stored,),) = people.postgres.rows("SELECT password_hash FROM auth.account")
    assert stored != weak
    assert "m=65536,t=3,p=4" in stored


async def test_a_made_up_browser_has_no_counter_of_its_own_for_codes(people: People) -> None:
    new = await people.join()
    secret = await people.enrol(new)
    people.later()
    for at in range(FREE_FAILURES):
        token = await people.begun(browser=new.browser)
        await outcome(people.sign_in.with_totp(token, "000000", AWAY, browser=f"made-up-{at}"))
    token = await people.begun(browser=new.browser)

    refused = await outcome(people.sign_in.with_totp(token, people.code(secret), AWAY, browser="made-up-again"))

    assert isinstance(refused, OverLimitError)
    assert isinstance(await people.sign_in.with_totp(token, people.code(secret), AWAY, browser=new.browser), SignedIn)


@pytest.mark.parametrize("token", ["\x00", "\ud800", "x" * 10_000])
async def test_a_hostile_token_opens_nothing(people: People, token: str) -> None:
    with pytest.raises(ExpiredError):
        await people.sign_in.with_totp(token, "000000", AWAY)
    assert await people.sessions.find(token, HOME) is None
