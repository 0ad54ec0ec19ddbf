"""Sessions: found by cookie, listed, ended, and what ends them by itself."""

import pytest

from services.auth.sessions import source
from shared.errors import NotFoundError
from tests.integration.auth.people import AWAY, HOME, People

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


@pytest.mark.parametrize(
    "harm",
    [
        "UPDATE auth.session SET ended_at = now()",
        "UPDATE auth.session SET ends_at = now()",
        "UPDATE auth.session SET last_seen_at = now() - interval '13 hours'",
        "UPDATE auth.account SET state = 'disabled'",
    ],
)
async def test_a_session_that_is_over_is_found_by_nothing(people: People, harm: str) -> None:
    new = await people.join()
    people.postgres.run(harm)

    assert await people.sessions.find(new.cookie, HOME) is None
    assert await people.sessions.get(new.session.session_id) is None
    assert await people.sessions.of(new.session.account_key) == []


async def test_a_cookie_that_was_made_up_opens_nothing(people: People) -> None:
    new = await people.join()

    assert await people.sessions.find(new.session.session_id, HOME) is None
    assert await people.sessions.find("", HOME) is None


async def test_where_it_was_used_last_is_kept(people: People) -> None:
    new = await people.join()

    await people.sessions.find(new.cookie, AWAY)

    (found,) = await people.sessions.of(new.session.account_key)
    assert (found.address, found.last_address) == (HOME.address, AWAY.address)


async def test_people_end_their_own_sessions_only(people: People) -> None:
    anna, bert = await people.join(), await people.join("bert@example.com")
    second = await people.signed_in()

    with pytest.raises(NotFoundError):
        await people.sessions.end(people.person(bert), anna.session.session_id)
    assert await people.sessions.end_all(people.person(anna), but=anna.session.session_id) == 1

    assert await people.sessions.get(second.session.session_id) is None
    assert await people.sessions.find(anna.cookie, HOME) is not None
    await people.sessions.end(people.person(anna), anna.session.session_id)
    assert await people.sessions.find(anna.cookie, HOME) is None
    with pytest.raises(NotFoundError):
        await people.sessions.end(people.person(anna), anna.session.session_id)
    assert people.actions()[-2:] == ["session.ended", "session.ended"]


async def test_no_cookie_lies_in_clear_and_none_is_shown(people: People) -> None:
    new = await people.join()

    rows = str(people.postgres.rows("SELECT s.*::text, b.*::text FROM auth.session s, auth.known_browser b"))

    assert new.cookie not in rows + repr(new)
    assert new.browser not in rows + repr(new)


async def test_a_source_is_bounded_and_printable() -> None:
    kept = source("192.0.2.1\r\n", "Mozilla\x00" + "x" * 1_000)

    assert kept.address == "192.0.2.1"
    assert len(kept.user_agent) == 256
    assert "\x00" not in kept.user_agent
