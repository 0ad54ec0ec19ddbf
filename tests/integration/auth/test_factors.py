"""Typed factors: set up, renewed, removed; each change is told to the person and recorded."""

import pytest

from shared.errors import ExpiredError, FactorRejectedError, NotFoundError
from tests.integration.auth.people import AWAY, People

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def test_an_offer_is_a_qr_code_and_opens_nothing_before_its_first_code(people: People) -> None:
    new = await people.join()

    offer = await people.factors.begin_totp(new.session)

    assert offer.uri.startswith("otpauth://totp/IronFlock:anna%40example.com?secret=")
    assert offer.qr_svg.startswith("<svg")
    assert not (await people.factors.overview(new.session.account_key)).has_any
    assert offer.secret not in repr(offer)


async def test_the_first_factor_brings_recovery_codes_and_the_next_does_not(people: People) -> None:
    new = await people.join()
    offer = await people.factors.begin_totp(new.session)
    codes = await people.factors.confirm_totp(new.session, people.code(offer.secret))
    people.later()
    again = await people.factors.begin_totp(new.session)

    assert len(set(codes)) == 10
    assert await people.factors.confirm_totp(new.session, people.code(again.secret)) == []
    assert people.actions()[-3:] == ["totp.enrolled", "recovery_codes.renewed", "totp.enrolled"]
    assert [letter.subject.rpartition(": ")[2] for letter in await people.post()] == [
        "codes of an authenticator app were set up",
        "new recovery codes were made",
        "codes of an authenticator app were set up",
    ]


async def test_while_a_new_secret_waits_the_old_one_goes_on(people: People) -> None:
    new = await people.join()
    old = await people.enrol(new)
    await people.factors.begin_totp(new.session)
    people.later()

    done = await people.sign_in.with_totp(await people.begun(), people.code(old), AWAY)

    assert done.new.session.account_key == new.session.account_key


async def test_a_wrong_first_code_changes_nothing(people: People) -> None:
    new = await people.join()
    await people.factors.begin_totp(new.session)

    with pytest.raises(FactorRejectedError):
        await people.factors.confirm_totp(new.session, "000000")

    assert not (await people.factors.overview(new.session.account_key)).has_any


async def test_a_secret_that_waits_too_long_is_over(people: People) -> None:
    new = await people.join()
    offer = await people.factors.begin_totp(new.session)
    people.postgres.run("UPDATE auth.totp SET pending_until = now() - interval '1 s'")

    with pytest.raises(ExpiredError):
        await people.factors.confirm_totp(new.session, people.code(offer.secret))


async def test_codes_are_removed_once(people: People) -> None:
    new = await people.join()
    await people.enrol(new)

    await people.factors.remove_totp(people.person(new))

    assert not (await people.factors.overview(new.session.account_key)).has_any
    assert "removed" in (await people.post())[0].subject
    with pytest.raises(NotFoundError):
        await people.factors.remove_totp(people.person(new))


async def test_new_recovery_codes_end_the_old_ones(people: People) -> None:
    new = await people.join()
    offer = await people.factors.begin_totp(new.session)
    old = await people.factors.confirm_totp(new.session, people.code(offer.secret))

    fresh = await people.factors.renew_recovery_codes(new.session.account_key, new.session.session_id)

    with pytest.raises(FactorRejectedError):
        await people.sign_in.with_recovery_code(await people.begun(), old[0], AWAY)
    await people.sign_in.with_recovery_code(await people.begun(), fresh[0], AWAY)
    assert (await people.factors.overview(new.session.account_key)).recovery_codes_left == 9


async def test_no_secret_and_no_code_lies_in_clear_in_any_row(people: People) -> None:
    new = await people.join()
    offer = await people.factors.begin_totp(new.session)
    codes = await people.factors.confirm_totp(new.session, people.code(offer.secret))

    rows = str(people.postgres.rows("SELECT t.*::text, r.*::text FROM auth.totp t, auth.recovery_code r"))

    assert offer.secret not in rows
    assert not any(code in rows for code in codes)
