"""Requests that are sent twice."""

import asyncio
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError

from services.gateway import keeping, serving
from tests.harness.waiting import eventually
from tests.integration.database import Postgres
from tests.integration.gateway.world import BERT, CREATE, FLASH, World, refusal, told

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
PLANT = {"name": "plant"}


@pytest.fixture(name="made")
def fixture_made(world: World) -> list[str]:
    """What was made, in order."""
    names: list[str] = []

    def create(*, name: str) -> dict[str, Any]:
        names.append(name)
        return {"project_key": len(names), "name": name}

    world.answers(CREATE, create)
    return names


async def test_the_same_request_gets_the_same_answer_and_is_done_once(world: World, made: list[str]) -> None:
    first = await world.ask("POST", "/swarms", PLANT, key="k1")
    second = await world.ask("POST", "/swarms", PLANT, key='"k1"')

    assert (first.status, first.content) == (second.status, second.content) == (201, first.content)
    assert dict(second.headers)["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in dict(first.headers)
    assert made == ["plant"]


async def test_a_refusal_is_repeated_too(world: World) -> None:
    def refuse(**_: Any) -> None:
        raise refusal("already_exists")

    world.answers(CREATE, refuse)
    answers = [await world.ask("POST", "/swarms", PLANT, key="k1") for _ in range(2)]

    assert [answer.status for answer in answers] == [409, 409]
    assert len(world.done) == 1


@pytest.mark.parametrize("other", [("/swarms", {"name": "depot"}, ""), ("/swarms/3/devices", PLANT, "")])
async def test_another_request_with_that_key_is_refused(
    world: World, made: list[str], other: tuple[str, Any, str]
) -> None:
    await world.ask("POST", "/swarms", PLANT, key="k1")
    path, body, query = other

    answer = await world.ask("POST", path, body, key="k1", query=query)

    assert (answer.status, told(answer)["code"]) == (422, "key_reused")
    assert made == ["plant"]


async def test_keys_of_two_people_have_nothing_to_do_with_each_other(world: World, made: list[str]) -> None:
    await world.ask("POST", "/swarms", PLANT, key="k1")
    await world.ask("POST", "/swarms", {"name": "depot"}, key="k1", by=BERT)

    assert made == ["plant", "depot"]


async def test_an_ended_credential_gets_no_answer_again(world: World, made: list[str]) -> None:
    await world.ask("POST", "/swarms", PLANT, key="k1")
    world.ended.add("anna-key")

    assert (await world.ask("POST", "/swarms", PLANT, key="k1")).status == 401
    assert made == ["plant"]


async def test_of_many_at_once_one_is_done(world: World, made: list[str]) -> None:
    answers = await asyncio.gather(*(world.ask("POST", "/swarms", PLANT, key="k1") for _ in range(20)))

    assert made == ["plant"]
    assert {answer.status for answer in answers} <= {201, 409}
    assert {told(answer).get("code") for answer in answers if answer.status == 409} <= {"in_progress"}
    assert (await world.ask("POST", "/swarms", PLANT, key="k1")).status == 201


async def test_while_the_first_runs_the_second_is_told_so(world: World) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def create(**arguments: Any) -> Any:
        begun.set()
        await go_on.wait()
        return arguments

    world.answers(CREATE, create)
    first = asyncio.ensure_future(world.ask("POST", "/swarms", PLANT, key="k1"))
    await begun.wait()

    second = await world.ask("POST", "/swarms", PLANT, key="k1")
    go_on.set()

    assert (second.status, told(second)["code"]) == (409, "in_progress")
    assert (await first).status == 201


async def test_a_secret_is_stored_nowhere(world: World, postgres: Postgres) -> None:
    world.answers(FLASH, lambda **_: {"device": {}, "flock": {"secret": "s3cret"}})
    first = await world.ask("POST", "/devices/7/flash", key="k1")
    second = await world.ask("POST", "/devices/7/flash", key="k1")

    assert (first.status, second.status) == (200, 409)
    assert (told(second)["code"], told(second)["done_with_status"]) == ("answer_not_kept", 200)
    assert len(world.done) == 1
    assert postgres.rows("SELECT status, content FROM gateway.answer") == [(200, None)]


async def test_an_answer_that_is_too_long_is_not_kept(
    world: World, made: list[str], postgres: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keeping, "MAX_CONTENT_OCTETS", 10)

    answers = [await world.ask("POST", "/swarms", PLANT, key="k1") for _ in range(2)]

    assert [answer.status for answer in answers] == [201, 409]
    assert made == ["plant"]


@pytest.mark.parametrize("reason", ["unavailable", "over_limit"])
async def test_where_nothing_was_changed_the_key_is_free(world: World, postgres: Postgres, reason: str) -> None:
    def refuse(**_: Any) -> None:
        raise refusal(reason)

    world.answers(CREATE, refuse)
    await world.ask("POST", "/swarms", PLANT, key="k1")
    world.answers(CREATE, lambda **arguments: arguments)

    assert (await world.ask("POST", "/swarms", PLANT, key="k1")).status == 201


async def test_an_unknown_outcome_stays_unknown(world: World) -> None:
    def lose(**_: Any) -> None:
        raise ApplicationError("wamp.error.canceled", "gone")

    world.answers(CREATE, lose)
    answers = [await world.ask("POST", "/swarms", PLANT, key="k1") for _ in range(2)]

    assert [answer.status for answer in answers] == [504, 504]
    assert len(world.done) == 1


async def test_a_fault_of_ours_leaves_an_answer(world: World) -> None:
    def fail(**_: Any) -> None:
        raise ApplicationError("other.error.unheard_of", "inside")

    world.answers(CREATE, fail)
    answers = [await world.ask("POST", "/swarms", PLANT, key="k1") for _ in range(2)]

    assert [answer.status for answer in answers] == [500, 500]
    assert answers[0].content == answers[1].content


async def test_what_nobody_waits_for_any_more_is_finished(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "TIME_LIMIT_S", 0.2)
    go_on = asyncio.Event()

    async def create(**arguments: Any) -> Any:
        await go_on.wait()
        return arguments

    world.answers(CREATE, create)
    given_up = await world.ask("POST", "/swarms", PLANT, key="k1")
    go_on.set()

    async def finished() -> bool:
        return (await world.ask("POST", "/swarms", PLANT, key="k1")).status == 201

    assert given_up.status == 504
    assert await eventually(finished, 10, "the answer is kept")
    assert len(world.done) == 1


async def test_what_a_crash_left_is_taken_over_by_the_same_request_alone(
    world: World, made: list[str], postgres: Postgres
) -> None:
    await world.ask("POST", "/swarms", PLANT, key="k1")
    postgres.run("UPDATE gateway.answer SET status = NULL, content = NULL, begun_at = now() - interval '89 seconds'")
    assert told(await world.ask("POST", "/swarms", PLANT, key="k1"))["code"] == "in_progress"
    postgres.run("UPDATE gateway.answer SET begun_at = now() - interval '91 seconds'")

    other = await world.ask("POST", "/swarms", {"name": "depot"}, key="k1")
    same = await world.ask("POST", "/swarms", PLANT, key="k1")

    assert (told(other)["code"], same.status) == ("key_reused", 201)
    assert made == ["plant", "plant"]


async def test_an_attempt_that_was_taken_over_changes_nothing_any_more(world: World, postgres: Postgres) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    async def create(**arguments: Any) -> Any:
        if len(world.done) == 1:
            begun.set()
            await go_on.wait()
        return {"number": len(world.done)}

    world.answers(CREATE, create)
    slow = asyncio.ensure_future(world.ask("POST", "/swarms", PLANT, key="k1"))
    await begun.wait()
    postgres.run("UPDATE gateway.answer SET begun_at = now() - interval '91 seconds'")
    quick = await world.ask("POST", "/swarms", PLANT, key="k1")
    go_on.set()
    await slow

    assert (await world.ask("POST", "/swarms", PLANT, key="k1")).content == quick.content


async def test_after_a_day_a_key_is_free(world: World, made: list[str], postgres: Postgres) -> None:
    await world.ask("POST", "/swarms", PLANT, key="k1")
    postgres.run("UPDATE gateway.answer SET begun_at = now() - interval '25 hours'")

    assert (await world.ask("POST", "/swarms", {"name": "depot"}, key="k1")).status == 201
    assert made == ["plant", "depot"]


async def test_what_is_older_than_a_day_is_swept(world: World, made: list[str], postgres: Postgres) -> None:
    for key in ("old", "new"):
        await world.ask("POST", "/swarms", PLANT, key=key)
    postgres.run("UPDATE gateway.answer SET begun_at = now() - interval '25 hours' WHERE key = 'old'")

    await world.keeping.sweep()

    assert postgres.rows("SELECT key FROM gateway.answer") == [("new",)]


async def test_keys_have_a_number(world: World, made: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keeping, "MAX_KEPT", 2)

    statuses = [(await world.ask("POST", "/swarms", PLANT, key=f"k{number}")).status for number in range(3)]

    assert statuses == [201, 201, 429]
    assert (await world.ask("POST", "/swarms", PLANT, key="k0")).status == 201
    assert len(made) == 2


async def test_where_the_database_is_away_nothing_is_done(world: World, made: list[str], postgres: Postgres) -> None:
    postgres.run("REVOKE SELECT ON gateway.answer FROM svc_gateway")
    try:
        answer = await world.ask("POST", "/swarms", PLANT, key="k1")
    finally:
        postgres.run("GRANT SELECT ON gateway.answer TO svc_gateway")

    assert answer.status == 500
    assert made == []


async def test_only_a_post_has_a_key(world: World, postgres: Postgres) -> None:
    world.answers("ironflock.realms.project.list", lambda **_: {"projects": [], "next": None})

    await world.ask("GET", "/swarms", key="k1")

    assert postgres.rows("SELECT count(*) FROM gateway.answer") == [(0,)]
