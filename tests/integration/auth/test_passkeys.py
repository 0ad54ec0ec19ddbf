"""Passkeys: made, used as second factor and alone, refused when anything of them is wrong."""

from typing import Any

import pytest

from shared.errors import AlreadyExistsError, ExpiredError, FactorRejectedError, NotFoundError
from tests.harness.authenticator import Authenticator, b64
from tests.integration.auth.people import AWAY, HOME, ORIGIN, People

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def with_passkey(people: People) -> tuple[Any, Authenticator]:
    """A person who has a passkey."""
    new, device = await people.join(), Authenticator(ORIGIN)
    asked = await people.passkeys.begin(new.session)
    await people.passkeys.add(new.session, asked.token, "laptop", device.create(asked.options))
    await people.post()
    return new, device


async def test_a_passkey_is_kept_and_told_of(people: People) -> None:
    new, device = Authenticator(ORIGIN), None
    joined = await people.join()
    asked = await people.passkeys.begin(joined.session)

    await people.passkeys.add(joined.session, asked.token, " laptop ", new.create(asked.options))

    (view,) = (await people.factors.overview(joined.session.account_key)).passkeys
    assert (view.name, view.passkey) == ("laptop", b64(new.credential_id))
    assert "a passkey was added" in (await people.post())[0].subject
    assert people.actions()[-1] == "passkey.added"
    assert device is None


async def test_it_signs_in_alone_and_is_two_factors(people: People) -> None:
    joined, device = await with_passkey(people)
    asked = await people.sign_in.passkey_options(None)

    done = await people.sign_in.with_passkey(asked.token, device.get(asked.options), AWAY)

    assert done.new.session.account_key == joined.session.account_key
    assert "mfa" in done.new.session.amr
    assert done.new.session.factor_at is not None


async def test_it_is_a_second_factor(people: People) -> None:
    _, device = await with_passkey(people)
    token = await people.begun()
    asked = await people.sign_in.passkey_options(token)

    done = await people.sign_in.with_passkey(asked.token, device.get(asked.options), AWAY)

    assert set(done.new.session.amr) == {"pwd", "hwk", "mfa"}


async def test_another_person_s_passkey_is_no_second_factor(people: People) -> None:
    await with_passkey(people)
    other = await people.join("bert@example.com")
    device = Authenticator(ORIGIN)
    asked = await people.passkeys.begin(other.session)
    await people.passkeys.add(other.session, asked.token, "phone", device.create(asked.options))
    token = await people.begun()
    challenge = await people.sign_in.passkey_options(token)

    with pytest.raises(FactorRejectedError):
        await people.sign_in.with_passkey(challenge.token, device.get(challenge.options), AWAY)


@pytest.mark.parametrize("harm", ["origin", "user", "signature", "replay", "counter", "type", "nothing there"])
async def test_whatever_is_wrong_with_an_answer_is_refused(people: People, harm: str) -> None:
    _, device = await with_passkey(people)
    if harm == "origin":
        device.origin = "https://accounts.test.evil.example:8441"
    if harm == "user":
        device.verifies_user = False
    asked = await people.sign_in.passkey_options(None)
    answer = device.get(asked.options)
    if harm == "signature":
        answer["response"]["signature"] = b64(b"x" * 70)
    if harm == "type":
        answer["response"] = "text"
    if harm == "nothing there":
        answer = {}
    if harm in ("replay", "counter"):
        await people.sign_in.with_passkey(asked.token, answer, AWAY)
        asked = await people.sign_in.passkey_options(None)
        device.count = 0
        answer = answer if harm == "replay" else device.get(asked.options)

    with pytest.raises(FactorRejectedError):
        await people.sign_in.with_passkey(asked.token, answer, AWAY)


@pytest.mark.parametrize("harm", ["user", "other session", "twice", "made up"])
async def test_whatever_is_wrong_with_a_new_passkey_is_refused(people: People, harm: str) -> None:
    joined, known = await with_passkey(people)
    device = known if harm == "twice" else Authenticator(ORIGIN, verifies_user=harm != "user")
    asked = await people.passkeys.begin(joined.session)
    session = (await people.join("bert@example.com")).session if harm == "other session" else joined.session
    token = "made-up" if harm == "made up" else asked.token

    with pytest.raises((FactorRejectedError, ExpiredError, AlreadyExistsError)):
        await people.passkeys.add(session, token, "again", device.create(asked.options))

    assert len((await people.factors.overview(joined.session.account_key)).passkeys) == 1


async def test_a_passkey_is_renamed_and_removed_by_its_person_alone(people: People) -> None:
    joined, device = await with_passkey(people)
    other, name = people.person(await people.join("bert@example.com")), b64(device.credential_id)

    for refused in (people.passkeys.rename(other, name, "mine"), people.passkeys.remove(other, name)):
        with pytest.raises(NotFoundError):
            await refused
    await people.passkeys.rename(people.person(joined), name, "desk")
    assert (await people.factors.overview(joined.session.account_key)).passkeys[0].name == "desk"
    await people.passkeys.remove(people.person(joined), name)

    assert (await people.factors.overview(joined.session.account_key)).passkeys == []
    with pytest.raises(NotFoundError):
        await people.passkeys.remove(people.person(joined), "not base64 \u00e4")


async def test_an_answer_of_a_passkey_that_was_removed_opens_nothing(people: People) -> None:
    joined, device = await with_passkey(people)
    asked = await people.sign_in.passkey_options(None)
    await people.passkeys.remove(people.person(joined), b64(device.credential_id))

    with pytest.raises(FactorRejectedError):
        await people.sign_in.with_passkey(asked.token, device.get(asked.options), HOME)
