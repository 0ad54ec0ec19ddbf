"""Changing what one signs in by: a reset ends everything, an address changes once both ends agree."""

import pytest

from services.auth.rules.throttling import FREE_FAILURES
from shared.errors import AlreadyExistsError, ExpiredError, OverLimitError, SignInRefusedError
from tests.integration.auth.people import AWAY, HOME, NAME, PASSWORD, People, outcome

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
OTHER = "a kettle sings before noon"


async def test_a_reset_ends_every_session_and_browser_and_keeps_factors(people: People) -> None:
    new = await people.join()
    await people.enrol(new)
    await people.changes.ask_reset(NAME.upper(), AWAY)
    page, code = await people.link()

    await people.changes.reset(code, OTHER)

    assert page == "reset"
    assert await people.sessions.find(new.cookie, HOME) is None
    assert people.postgres.rows("SELECT count(*) FROM auth.known_browser") == [(0,)]
    assert (await people.factors.overview(new.session.account_key)).has_totp
    with pytest.raises(SignInRefusedError):
        await people.sign_in.with_password(NAME, PASSWORD, HOME, browser=None)
    await people.begun(password=OTHER)
    with pytest.raises(ExpiredError):
        await people.changes.reset(code, PASSWORD)
    assert "the password was changed" in (await people.post())[0].subject


@pytest.mark.parametrize("name", ["nobody@example.com", "", "not an address", "a\x00@b.de", "\ud800", NAME])
async def test_a_reset_for_whom_there_is_none_looks_the_same(people: People, name: str) -> None:
    await people.join()
    people.postgres.run("UPDATE auth.account SET state = 'disabled'")

    await people.changes.ask_reset(name, AWAY)

    assert await people.post() == []


async def test_another_password_ends_every_other_session(people: People) -> None:
    new, other = await people.join(), await people.signed_in()

    await people.changes.change_password(new.session, OTHER)

    assert await people.sessions.find(new.cookie, HOME) is not None
    assert await people.sessions.find(other.cookie, HOME) is None
    await people.signed_in(password=OTHER)


async def addresses(people: People) -> dict[str, str]:
    """The codes that were sent, by page."""
    found = {}
    for letter in await people.post():
        page, _, code = letter.text.partition("8441/")[2].split()[0].partition("?code=")
        assert (letter.recipient == NAME) is (page == "old-address")
        found[page] = code
    return found


@pytest.mark.parametrize("first", ["old", "new"])
async def test_an_address_changes_once_both_ends_have_confirmed(people: People, first: str) -> None:
    new = await people.join()
    await people.changes.ask_address(new.session, "anna@plant.example")
    codes = await addresses(people)
    second = "new" if first == "old" else "old"

    purposes = {"old": "old_address", "new": "new_address"}
    assert await people.changes.confirm_address(codes[f"{first}-address"], purposes[first]) is False  # type: ignore[arg-type]
    await people.signed_in()
    assert await people.changes.confirm_address(codes[f"{second}-address"], purposes[second]) is True  # type: ignore[arg-type]

    await people.signed_in("anna@plant.example")
    with pytest.raises(SignInRefusedError):
        await people.sign_in.with_password(NAME, PASSWORD, HOME, browser=None)
    ((before,),) = people.postgres.rows("SELECT before::text FROM audit.queue WHERE action = 'account.address_changed'")
    assert NAME not in before


async def test_an_address_that_somebody_took_meanwhile_is_refused(people: People) -> None:
    new = await people.join()
    await people.changes.ask_address(new.session, "bert@example.com")
    codes = await addresses(people)
    await people.join("bert@example.com")
    await people.changes.confirm_address(codes["old-address"], "old_address")

    with pytest.raises(AlreadyExistsError):
        await people.changes.confirm_address(codes["new-address"], "new_address")

    await people.signed_in()


async def test_a_half_done_sign_in_by_the_old_password_does_not_go_on(people: People) -> None:
    new = await people.join()
    secret = await people.enrol(new)
    people.later()
    for change in ("reset", "change"):
        token = await people.begun(password=PASSWORD if change == "reset" else OTHER)
        if change == "reset":
            await people.changes.ask_reset(NAME, AWAY)
            await people.changes.reset((await people.link())[1], OTHER)
        else:
            await people.changes.change_password(new.session, PASSWORD)

        with pytest.raises(ExpiredError):
            await people.sign_in.with_totp(token, people.code(secret), AWAY)


async def test_with_another_password_links_from_before_open_nothing(people: People) -> None:
    new = await people.join()
    await people.changes.ask_address(new.session, "thief@example.com")
    codes = await addresses(people)
    await people.changes.confirm_address(codes["new-address"], "new_address")
    await people.changes.ask_reset(NAME, AWAY)
    _, reset = await people.link()

    await people.changes.change_password(new.session, OTHER)

    for refused in (
        people.changes.reset(reset, PASSWORD),
        people.changes.confirm_address(codes["old-address"], "old_address"),
    ):
        with pytest.raises(ExpiredError):
            await refused


async def test_once_the_address_has_changed_a_link_that_went_to_the_old_one_opens_nothing(people: People) -> None:
    new = await people.join()
    await people.changes.ask_reset(NAME, AWAY)
    _, reset = await people.link()
    await people.changes.ask_address(new.session, "anna@plant.example")
    codes = await addresses(people)
    await people.changes.confirm_address(codes["old-address"], "old_address")
    await people.changes.confirm_address(codes["new-address"], "new_address")

    with pytest.raises(ExpiredError):
        await people.changes.reset(reset, OTHER)


async def test_whoever_was_disabled_meanwhile_is_not_told_that_a_password_was_set(people: People) -> None:
    await people.join()
    await people.changes.ask_reset(NAME, AWAY)
    _, reset = await people.link()
    people.postgres.run("UPDATE auth.account SET state = 'disabled'")

    with pytest.raises(ExpiredError):
        await people.changes.reset(reset, OTHER)


async def test_nobody_has_us_write_to_strangers_without_end(people: People) -> None:
    new = await people.join()
    tried = [
        await outcome(people.changes.ask_address(new.session, f"stranger{at}@example.com"))
        for at in range(FREE_FAILURES + 1)
    ]

    assert tried[:FREE_FAILURES] == [None] * FREE_FAILURES
    assert isinstance(tried[-1], OverLimitError)
