"""Others' accounts in the hands of those who run the installation, and what lapses by itself."""

import pytest

from services.auth.administration import Administration
from shared.errors import ConflictError, ExpiredError, NotAuthorizedError, NotFoundError
from tests.integration.auth.people import HOME, NAME, People, outcome

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


@pytest.fixture
def administration(people: People) -> Administration:
    return people.administration()


async def test_who_is_disabled_is_out_at_once_and_in_again_when_enabled(
    people: People, administration: Administration
) -> None:
    bert, anna = await people.join("bert@example.com"), await people.join()
    people.set_first_owner(anna)
    owner, key = people.person(anna), bert.session.account_key

    await administration.disable(owner, key, "left the company")
    await administration.disable(owner, key, "left the company")

    assert await people.sessions.find(bert.cookie, HOME) is None
    assert people.times_shut_out == 1
    assert "disabled" in (await people.post())[0].subject
    await administration.enable(owner, key, "is back")
    await people.signed_in("bert@example.com")
    assert await people.sessions.find(bert.cookie, HOME) is None
    assert people.actions().count("account.disabled") == people.actions().count("account.enabled") == 1


async def test_nobody_else_does_it_and_nobody_to_themselves(people: People, administration: Administration) -> None:
    bert, anna = await people.join("bert@example.com"), await people.join()
    people.set_first_owner(anna)
    mine, other = anna.session.account_key, bert.session.account_key

    for refused, kind in (
        (administration.disable(people.person(bert), mine, ""), NotAuthorizedError),
        (administration.enable(people.person(bert), other, ""), NotAuthorizedError),
        (administration.invitations(people.person(bert)), NotAuthorizedError),
        (administration.revoke_invitation(people.person(bert), other), NotAuthorizedError),
        (administration.disable(people.person(anna), mine, ""), ConflictError),
        (administration.disable(people.person(anna), 10**9, ""), NotFoundError),
        (administration.revoke_invitation(people.person(anna), other), NotFoundError),
    ):
        assert isinstance(await outcome(refused), kind)


async def test_an_invitation_is_listed_and_revoked_without_a_trace(
    people: People, administration: Administration
) -> None:
    anna = await people.join()
    people.set_first_owner(anna)
    owner = people.person(anna)
    key = await people.registration.invite(owner, "bert@example.com", "de")
    _, code = await people.link()
    assert [each.address for each in await administration.invitations(owner)] == ["bert@example.com"]

    await administration.revoke_invitation(owner, key)

    assert await administration.invitations(owner) == []
    with pytest.raises(ExpiredError):
        await people.links.look(code, "invitation")
    assert "bert" not in str(people.postgres.rows("SELECT a.*::text FROM auth.account a"))


async def test_who_never_comes_is_forgotten(people: People, administration: Administration) -> None:
    await people.join()
    await people.registration.sign_up("bert@example.com", "en", HOME)
    await administration.sweep()
    assert "bert" in str(people.postgres.rows("SELECT a.*::text FROM auth.account a"))
    people.postgres.run("UPDATE auth.link SET ends_at = now() WHERE purpose = 'verification'")

    await administration.sweep()

    rows = str(people.postgres.rows("SELECT a.*::text FROM auth.account a"))
    assert "bert" not in rows
    assert NAME in rows
    await people.signed_in()
