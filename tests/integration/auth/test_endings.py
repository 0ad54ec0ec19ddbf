"""The router is told of every credential that has ended."""

import pytest

from services.auth.api_keys import ApiKeys
from services.auth.endings import PROCEDURE, Endings
from services.auth.records.api_keys import CreateApiKey, EndApiKey, RotateApiKey
from shared.errors import UnavailableError
from tests.integration.auth.neighbours import Neighbours
from tests.integration.auth.people import People

pytestmark = [pytest.mark.asyncio, pytest.mark.real]


def told(neighbours: Neighbours) -> set[str]:
    return {credential for (ended,) in neighbours.router.called(PROCEDURE) for credential in ended}


async def test_keys_and_sessions_that_ended_are_told_and_no_others(people: People, neighbours: Neighbours) -> None:
    neighbours.router.answers[PROCEDURE] = lambda _: 0
    await neighbours.join()
    endings = Endings(neighbours.bus, people.database, lambda: 0.0)
    kept, ended = await people.join(), await people.signed_in()
    person = people.person(kept)
    keys = ApiKeys(people.database, people.mailing, people.database_now)
    key, other, rotated = [await keys.create(person, CreateApiKey("x", ["all"])) for _ in range(3)]
    await endings.keep_up()
    assert told(neighbours) == set()

    await people.sessions.end(person, ended.session.session_id)
    await keys.end(person, EndApiKey(key.key_id))
    await keys.rotate(person, RotateApiKey(rotated.key_id, overlap_s=0))
    await endings.keep_up()

    assert told(neighbours) == {ended.session.session_id, key.key_id, rotated.key_id}
    assert other.key_id not in told(neighbours)


async def test_given_a_router_that_is_away_when_a_key_ends_then_it_is_told_later(
    people: People, neighbours: Neighbours
) -> None:
    await neighbours.join()
    endings = Endings(neighbours.bus, people.database, lambda: 0.0)
    new = await people.join()
    await people.sessions.end(people.person(new), new.session.session_id)
    neighbours.goes(PROCEDURE)
    with pytest.raises(UnavailableError):
        await endings.keep_up()

    neighbours.router.answers[PROCEDURE] = lambda _: 1
    await Endings(neighbours.bus, people.database, lambda: 0.0).keep_up()
    await endings.keep_up()

    assert len([call for call in neighbours.router.called(PROCEDURE) if call == ([new.session.session_id],)]) >= 2
