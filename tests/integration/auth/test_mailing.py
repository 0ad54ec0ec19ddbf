"""Letters: written with their cause or not at all, delivered at least once, sealed while they wait."""

import pytest

from services.auth.mailing import DeliveryError
from services.auth.records.messages import Letter
from services.auth.records.people import LOCALES
from services.auth.store.people import person_find
from tests.integration.auth.people import HOME, NAME, People

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
TEMPLATES = ("invitation", "verification", "known_address", "reset", "old_address", "new_address", "changed")


class Failing:
    """Takes a message at its third try."""

    def __init__(self) -> None:
        self.tries = 0
        self.taken: list[Letter] = []

    async def deliver(self, message_id: str, letter: Letter) -> None:
        self.tries += 1
        if self.tries < 3:
            raise DeliveryError("away")
        self.taken.append(letter)


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("locale", LOCALES)
async def test_every_letter_exists_in_every_language(people: People, template: str, locale: str) -> None:
    new = await people.join()
    people.postgres.run(f"UPDATE auth.account SET locale = '{locale}'")  # noqa: S608 - a constant
    words = {"inviter": "Anna", "address": "x@example.com", "what": "y"}
    async with people.database.transaction() as connection:
        person = await person_find(connection, new.session.account_key)
        assert person is not None
        await people.mailing.write_in_txn(connection, person, template, **words)

    (letter,) = await people.post()

    assert "accounts.test:8441" in letter.subject
    assert ("Guten Tag" if locale == "de" else "Hello") in letter.text
    assert "{{" not in letter.subject + letter.text


async def test_what_is_not_taken_is_tried_again_later_and_then_gone(people: People) -> None:
    await people.registration.sign_up(NAME, "en", HOME)
    failing = Failing()
    for _ in range(3):
        await people.mailing.deliver_due(failing)
        people.postgres.run("UPDATE auth.message SET next_attempt_at = now()")

    assert [letter.recipient for letter in failing.taken] == [NAME]
    assert people.postgres.rows("SELECT count(*) FROM auth.message") == [(0,)]


async def test_after_a_failure_it_waits(people: People) -> None:
    await people.registration.sign_up(NAME, "en", HOME)
    failing = Failing()

    await people.mailing.deliver_due(failing)
    await people.mailing.deliver_due(failing)

    assert failing.tries == 1
    assert people.postgres.rows("SELECT attempts, failure FROM auth.message") == [(1, "away")]


async def test_after_three_days_it_is_given_up(people: People) -> None:
    await people.registration.sign_up(NAME, "en", HOME)
    await people.mailing.deliver_due(Failing())
    people.postgres.run("UPDATE auth.message SET created_at = now() - interval '73 hours'")

    await people.mailing.deliver_due(Failing())

    assert people.postgres.rows("SELECT count(*) FROM auth.message") == [(0,)]


async def test_a_cause_that_is_rolled_back_writes_nothing(people: People) -> None:
    new = await people.join()

    async def cause() -> None:
        async with people.database.transaction() as connection:
            person = await person_find(connection, new.session.account_key)
            assert person is not None
            await people.mailing.tell_in_txn(connection, person, "password")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        await cause()
    assert await people.post() == []
