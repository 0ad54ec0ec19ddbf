"""How people come: by invitation, by signing up, by the first owner's set-up link; nobody learns who is here."""

import pytest

from services.auth.rules.throttling import FREE_FAILURES
from shared.errors import (
    AlreadyExistsError,
    ConflictError,
    ExpiredError,
    InvalidArgumentError,
    NotAuthorizedError,
    OverLimitError,
)
from shared.identities import Person
from tests.integration.auth.people import AWAY, HOME, NAME, PASSWORD, People, elsewhere, outcome

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


async def invited(people: People, name: str = "bert@example.com") -> tuple[Person, str]:
    """The first owner, and the code of an invitation."""
    owner = await people.join()
    people.set_first_owner(owner)
    await people.registration.invite(people.person(owner), name, "de")
    page, code = await people.link()
    assert page == "invitation"
    return people.person(owner), code


async def accepted(people: People, code: str, password: str = PASSWORD) -> object:
    return await people.registration.accept(
        code, "invitation", display_name="Bert", password=password, locale="de", source=HOME
    )


async def test_who_is_invited_comes_by_the_link_once(people: People) -> None:
    _, code = await invited(people)
    assert (await people.links.look(code, "invitation")).login_name == "bert@example.com"

    await accepted(people, code)

    await people.signed_in("bert@example.com")
    for again in (people.links.look(code, "invitation"), accepted(people, code)):
        with pytest.raises(ExpiredError):
            await again


async def test_looking_at_a_link_spends_nothing(people: People) -> None:
    _, code = await invited(people)
    for _ in range(3):
        await people.links.look(code, "invitation")

    await accepted(people, code)


async def test_a_password_that_is_not_good_enough_spends_nothing(people: People) -> None:
    _, code = await invited(people)
    with pytest.raises(InvalidArgumentError):
        await accepted(people, code, "too short")

    await accepted(people, code)


async def test_a_link_opens_for_its_purpose_alone(people: People) -> None:
    _, code = await invited(people)

    for refused in (
        people.changes.reset(code, PASSWORD),
        people.changes.confirm_address(code, "old_address"),
        people.links.look(code, "setup"),
    ):
        with pytest.raises(ExpiredError):
            await refused
    await accepted(people, code)


async def test_inviting_again_sends_another_link_and_the_first_is_over(people: People) -> None:
    owner, first = await invited(people)
    await people.registration.invite(owner, " BERT@example.com", "de")
    _, second = await people.link()

    with pytest.raises(ExpiredError):
        await people.links.look(first, "invitation")
    await accepted(people, second)
    with pytest.raises(AlreadyExistsError):
        await people.registration.invite(owner, "bert@example.com", "de")


async def test_nobody_invites_without_the_flag(people: People) -> None:
    _, code = await invited(people)
    await accepted(people, code)
    bert = people.person(await people.signed_in("bert@example.com"))

    with pytest.raises(NotAuthorizedError, match="INVITE on the installation"):
        await people.registration.invite(bert, "carl@example.com", "en")


async def test_signing_up_with_a_known_address_tells_its_person_and_nobody_else(people: People) -> None:
    await people.join()

    assert await people.registration.sign_up(NAME.upper(), "en", AWAY) is None  # type: ignore[func-returns-value]

    (letter,) = await people.post()
    assert letter.recipient == NAME
    assert "You have an account" in letter.subject
    assert "code=" not in letter.text


async def test_sign_ups_from_one_place_are_slowed_down(people: People) -> None:
    tried = [await outcome(people.registration.sign_up(f"p{at}@example.com", "en", AWAY)) for at in range(8)]

    assert tried[0] is None
    assert isinstance(tried[-1], OverLimitError)


async def test_by_invitation_nobody_signs_up(people: People) -> None:
    object.__setattr__(people.parts, "is_open", False)

    with pytest.raises(NotAuthorizedError):
        await people.registration.sign_up(NAME, "en", HOME)


async def test_the_first_owner_gets_a_password_by_a_link_once(people: People) -> None:
    owner = await people.join()
    people.set_first_owner(owner)
    people.postgres.run("UPDATE auth.account SET password_hash = NULL")
    link = await people.registration.setup_link(people.person(owner))
    code = link.url.partition("?code=")[2]

    await people.registration.accept(code, "setup", display_name="Anna", password=PASSWORD, locale="en", source=HOME)

    await people.signed_in()
    with pytest.raises(ConflictError):
        await people.registration.setup_link(people.person(owner))
    assert link.url not in repr(link)


async def test_no_code_lies_in_clear_in_any_row(people: People) -> None:
    owner = await people.join()
    people.set_first_owner(owner)
    await people.registration.invite(people.person(owner), "bert@example.com", "de")
    rows = str(people.postgres.rows("SELECT l.*::text, m.*::text FROM auth.link l, auth.message m"))

    _, code = await people.link()

    assert code not in rows
    assert "bert@example.com" not in rows


async def both_links(people: People) -> tuple[str, str]:
    """The codes of an invitation and of a sign-up of one person, both open."""
    _, invitation = await invited(people)
    await people.registration.sign_up("bert@example.com", "en", AWAY)
    page, verification = await people.link()
    assert page == "verification"
    return invitation, verification


@pytest.mark.parametrize("state", ["active", "disabled"])
async def test_whoever_has_come_by_one_link_does_not_come_again_by_another(people: People, state: str) -> None:
    invitation, verification = await both_links(people)
    await accepted(people, invitation)
    people.postgres.run(f"UPDATE auth.account SET state = '{state}' WHERE NOT is_first_owner")  # noqa: S608

    with pytest.raises(ExpiredError):
        await people.registration.accept(
            verification, "verification", display_name="x", password="another good sentence", locale="en", source=AWAY
        )

    assert people.postgres.rows("SELECT state FROM auth.account WHERE NOT is_first_owner") == [(state,)]
    if state == "active":
        await people.signed_in("bert@example.com")


@pytest.mark.parametrize("state", ["active", "disabled"])
async def test_a_link_that_is_still_there_opens_nobody_s_account(people: People, state: str) -> None:
    _, verification = await both_links(people)
    people.postgres.run(f"UPDATE auth.account SET state = '{state}' WHERE NOT is_first_owner")  # noqa: S608

    with pytest.raises(ExpiredError):
        await people.registration.accept(
            verification, "verification", display_name="x", password=PASSWORD, locale="en", source=AWAY
        )


async def test_a_set_up_link_opens_nothing_once_there_is_a_password(people: People) -> None:
    owner = await people.join()
    people.set_first_owner(owner)
    people.postgres.run("UPDATE auth.account SET password_hash = NULL")
    link = await people.registration.setup_link(people.person(owner))
    await people.changes.ask_reset(NAME, AWAY)
    await people.changes.reset((await people.link())[1], "a kettle sings before noon")

    with pytest.raises(ExpiredError):
        await people.registration.accept(
            link.url.partition("?code=")[2], "setup", display_name="x", password=PASSWORD, locale="en", source=AWAY
        )


async def test_nobody_s_mailbox_is_filled_from_many_places(people: People) -> None:
    tried = [
        await outcome(people.registration.sign_up(NAME, "en", elsewhere(AWAY, f"198.51.100.{at}")))
        for at in range(FREE_FAILURES + 1)
    ]

    assert isinstance(tried[-1], OverLimitError)
