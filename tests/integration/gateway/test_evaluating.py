"""AuthZEN from a request to its answer, with the specification's own examples."""

import asyncio
import json
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError

from services.gateway import evaluating
from services.gateway.calling import ISSUE
from services.gateway.records import Answer, Asked, Sought
from services.gateway.rules.authzen import CHECK, CHECK_MANY, PROCEDURES
from tests.integration.gateway.world import ANNA, BERT, World, refusal, told

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
PEOPLE, ASSETS, EXPLAIN = PROCEDURES[Sought.SUBJECT], PROCEDURES[Sought.RESOURCE], PROCEDURES[Sought.ACTION]
HEADERS = {"authorization": ("Bearer anna-key",), "content-type": ("application/json",)}
ALICE = {"type": "person", "id": "alice@example.com"}
READ = {"name": "READ"}
PRESS = {"type": "device", "id": "7"}
ASKED: dict[str, Any] = {"subject": ALICE, "action": READ, "resource": PRESS}
CALL = {"account": "alice@example.com", "kind": "device", "key": 7, "flag": "READ"}
ENDPOINTS = ["/evaluation", "/evaluations", "/search/subject", "/search/resource", "/search/action"]
YES = {"allowed": True, "rule": "grant", "grant_key": 3, "until": "2027-01-01T00:00:00Z"}
NO = {"allowed": False, "rule": "no_grant", "grant_key": None, "until": None}
DENIED = {"decision": False, "context": {"rule": "no_grant"}}
NOT_FOUND = {"decision": False, "context": {"reason": "not_found"}}


async def ask(world: World, path: str, body: Any, *, by: str = ANNA) -> Answer:
    """The answer of an endpoint."""
    return await world.ask("POST", path, body, by=by, of=world.evaluating)


def answers_of(world: World, devices: dict[int, bool]) -> None:
    """Privileges knows `devices` and who may read them; it tells nothing of one that it does not know."""

    def check(*, key: int, **_: Any) -> Any:
        if key not in devices:
            raise refusal("not_found")
        return YES if devices[key] else NO

    world.answers(CHECK, check)
    world.answers(CHECK_MANY, lambda *, checks: {"answers": [check(**each) for each in checks]})


def resources(*names: object) -> list[dict[str, Any]]:
    return [{"resource": {"type": "device", "id": str(name)}} for name in names]


async def test_a_question_is_asked_as_whoever_asks(world: World) -> None:
    answers_of(world, {7: True})

    answer = await ask(world, "/evaluation", ASKED, by=BERT)

    assert (answer.status, told(answer)) == (
        200,
        {"decision": True, "context": {"rule": "grant", "grant_key": 3, "until": "2027-01-01T00:00:00Z"}},
    )
    assert world.done == [(CHECK, 6, CALL)]
    assert world.router.calls[0][2]["audience"] == "privileges"


async def test_a_denial_is_an_answer_like_any(world: World) -> None:
    answers_of(world, {7: False})

    answer = await ask(world, "/evaluation", {**ASKED, "context": {"time": "1985-10-26T01:22-07:00"}, "foo": "bar"})

    assert (answer.status, told(answer)) == (200, DENIED)


@pytest.mark.parametrize(
    "body",
    [
        {**ASKED, "resource": {"type": "device", "id": "8"}},
        {**ASKED, "subject": {"type": "user", "id": "alice@example.com"}},
        {**ASKED, "resource": {"type": "account", "id": "123"}},
    ],
)
async def test_what_there_is_not_is_denied(world: World, body: Any) -> None:
    answers_of(world, {7: True})

    answer = await ask(world, "/evaluation", body)

    assert (answer.status, told(answer)) == (200, NOT_FOUND)


async def test_whoever_may_not_ask_about_others_is_told_so(world: World) -> None:
    def refuse(**_: Any) -> None:
        raise ApplicationError("wamp.error.not_authorized", "not of others", code="x", message="not of others")

    for procedure in (CHECK, CHECK_MANY, *PROCEDURES.values()):
        world.answers(procedure, refuse)

    answers = [await ask(world, path, ASKED) for path in ENDPOINTS]
    answers.append(await ask(world, "/evaluations", {**ASKED, "evaluations": resources(7, 8)}))

    assert [(answer.status, told(answer)["error"]) for answer in answers] == [(403, "not of others")] * 6


async def test_several_are_asked_at_once_and_answered_in_their_order(world: World) -> None:
    answers_of(world, {1: True, 2: False, 3: True})

    answer = await ask(world, "/evaluations", {"subject": ALICE, "action": READ, "evaluations": resources(1, 2, 3)})

    assert [each["decision"] for each in told(answer)["evaluations"]] == [True, False, True]
    assert list(told(answer)) == ["evaluations"]
    assert [procedure for procedure, _, _ in world.done] == [CHECK_MANY]
    assert dict(answer.headers)["ratelimit-remaining"] == "99"


@pytest.mark.parametrize(
    ("semantic", "decisions"),
    [
        ("execute_all", [True, False, True]),
        ("deny_on_first_deny", [True, False]),
        ("permit_on_first_permit", [True]),
    ],
)
async def test_the_three_semantics_as_the_specification_shows_them(
    world: World, semantic: str, decisions: list[bool]
) -> None:
    answers_of(world, {1: True, 2: False, 3: True})
    options = {"evaluations_semantic": semantic}

    answer = await ask(
        world,
        "/evaluations",
        {"subject": ALICE, "action": READ, "options": options, "evaluations": resources(1, 2, 3)},
    )

    assert [each["decision"] for each in told(answer)["evaluations"]] == decisions


async def test_what_there_is_not_among_several_denies_itself_alone(world: World) -> None:
    answers_of(world, {number: True for number in range(1, 17) if number != 5})
    several = [*resources(*range(1, 17)), *resources("x"), {"action": {"name": "FLY"}}, {"resource": "x"}]

    answer = await ask(world, "/evaluations", {**ASKED, "evaluations": several})

    said = told(answer)["evaluations"]
    assert [index for index, each in enumerate(said) if not each["decision"]] == [4, 16, 17, 18]
    assert said[4] == said[16] == NOT_FOUND
    assert said[17]["context"] == {"rule": "unknown_flag"}
    assert said[18]["context"]["error"]["status"] == 400
    asked = sum(procedure in (CHECK, CHECK_MANY) for procedure, _, _ in world.done)
    assert asked == 9  # four times in halves
    assert dict(answer.headers)["ratelimit-remaining"] == str(100 - asked)


async def test_looking_for_what_is_not_there_is_bounded_by_the_count(world: World) -> None:
    answers_of(world, {})

    answer = await ask(world, "/evaluations", {**ASKED, "evaluations": resources(*range(1, 1001))})

    assert (answer.status, told(answer)["code"]) == (429, "over_limit")
    assert len(world.done) <= 100


@pytest.mark.parametrize("more", [{}, {"evaluations": []}])
async def test_without_several_it_is_one_question(world: World, more: Any) -> None:
    answers_of(world, {7: False})

    assert told(await ask(world, "/evaluations", {**ASKED, **more})) == DENIED


async def test_who_may_is_found_page_by_page(world: World) -> None:
    def people(*, limit: int, cursor: str = "0", **_: Any) -> Any:
        begin = int(cursor)
        found = [{"account_key": key, "login_name": f"p{key}"} for key in range(begin + 1, min(begin + limit, 3) + 1)]
        return {"people": found, "next": str(begin + limit) if begin + limit < 3 else None}

    world.answers(PEOPLE, people)
    search = {"subject": {"type": "person"}, "action": READ, "resource": PRESS}

    first = told(await ask(world, "/search/subject", {**search, "page": {"limit": 2}}))
    second = told(await ask(world, "/search/subject", {**search, "page": {"token": first["page"]["next_token"]}}))

    assert [each["id"] for each in first["results"]] == ["1", "2"]
    assert second == {
        "page": {"next_token": "", "count": 1},
        "results": [{"type": "person", "id": "3", "properties": {"login_name": "p3"}}],
    }
    assert world.done[0] == (PEOPLE, 5, {"kind": "device", "key": 7, "flag": "READ", "limit": 2})


async def test_where_somebody_may_is_found(world: World) -> None:
    world.answers(ASSETS, lambda **_: {"keys": [123, 456], "next": None})

    answer = await ask(world, "/search/resource", {**ASKED, "resource": {"type": "device"}})

    assert told(answer)["results"] == [{"type": "device", "id": "123"}, {"type": "device", "id": "456"}]
    assert world.done == [(ASSETS, 5, {"kind": "device", "flag": "READ", "account": ALICE["id"], "limit": 100})]


async def test_what_somebody_may_is_found(world: World) -> None:
    world.answers(EXPLAIN, lambda **_: {"flags": {"READ": YES, "UPDATE": NO, "DELETE": YES}})

    answer = await ask(world, "/search/action", {"subject": ALICE, "resource": PRESS})

    assert told(answer)["results"] == [{"name": "DELETE"}, {"name": "READ"}]
    assert world.done == [(EXPLAIN, 5, {"kind": "device", "key": 7, "account": ALICE["id"]})]


@pytest.mark.parametrize("path", ENDPOINTS[2:])
async def test_a_search_for_what_there_is_not_finds_nothing(world: World, path: str) -> None:
    def refuse(**_: Any) -> None:
        raise refusal("not_found")

    for procedure in PROCEDURES.values():
        world.answers(procedure, refuse)
    nothing = {"page": {"next_token": "", "count": 0}, "results": []}

    assert told(await ask(world, path, ASKED)) == nothing
    assert told(await ask(world, path, {**ASKED, "resource": {"type": "spaceship", "id": "1"}})) == nothing


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    "body",
    [ASKED, {"subject": {"type": "user", "id": "a"}, "action": READ, "resource": {"type": "spaceship", "id": "1"}}],
    ids=["known", "unknown"],
)
async def test_whoever_is_nobody_is_told_nothing(world: World, path: str, body: Any) -> None:
    answer = await ask(world, path, body, by="forged")

    assert (answer.status, told(answer)["code"]) == (401, "unauthorized")
    assert dict(answer.headers)["www-authenticate"] == 'Bearer realm="ironflock"'
    assert world.done == []


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ({"authorization": ()}, 401),
        ({"authorization": ("Basic YTpi",)}, 401),
        ({"authorization": ("Bearer anna-key", "Bearer anna-key")}, 401),
        ({"content-type": ("text/plain",)}, 400),
        ({"content-type": ()}, 400),
        ({"content-encoding": ("gzip",)}, 400),
    ],
    ids=repr,
)
async def test_what_its_headers_make_malformed_reaches_nobody(
    world: World, path: str, sent: dict[str, tuple[str, ...]], status: int
) -> None:
    headers = {**HEADERS, **sent}

    answer = await world.evaluating.answer(Asked("POST", path, "", headers, json.dumps(ASKED).encode(), "192.0.2.7"))

    assert answer.status == status
    assert world.router.calls == []


async def test_a_credential_in_the_query_is_none(world: World) -> None:
    asked = Asked("POST", "/evaluation", "access_token=anna-key", HEADERS, json.dumps(ASKED).encode(), "192.0.2.7")

    assert (await world.evaluating.answer(asked)).status == 400
    assert world.router.calls == []


@pytest.mark.parametrize("path", ENDPOINTS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"\xff",
        b"[]",
        b"null",
        b"{}",
        b'{"subject": {"type": "person", "id": "5"}, "subject": {}}',
        b'{"subject": {"type": "person", "id": "\\u0000"}}',
        b'{"subject": ' + b"[" * 100 + b"]" * 100 + b"}",
    ],
    ids=lambda body: repr(body)[:30],
)
async def test_a_body_that_is_malformed_reaches_nobody(world: World, path: str, body: bytes) -> None:
    answer = await world.evaluating.answer(Asked("POST", path, "", HEADERS, body, "192.0.2.7"))

    assert answer.status == 400
    assert set(told(answer)) >= {"error", "code"}
    assert world.router.calls == []


@pytest.mark.parametrize("method", ["GET", "HEAD", "PUT", "PATCH", "DELETE", "OPTIONS"])
@pytest.mark.parametrize("path", ENDPOINTS)
async def test_an_endpoint_takes_nothing_but_post(world: World, method: str, path: str) -> None:
    answer = await world.ask(method, path, ASKED, of=world.evaluating)

    assert (answer.status, dict(answer.headers)["allow"]) == (405, "POST")


@pytest.mark.parametrize(
    "path", ["", "/", "/evaluation/", "/evaluation/x", "/search", "/search/person", "//evaluation"]
)
async def test_what_is_no_endpoint_is_not_there(world: World, path: str) -> None:
    assert (await ask(world, path, ASKED)).status == 404


async def test_a_cursor_that_privileges_does_not_know_is_a_bad_request(world: World) -> None:
    def refuse(**_: Any) -> None:
        raise ApplicationError("wamp.error.invalid_argument", "no such cursor", code="x", message="no such cursor")

    world.answers(ASSETS, refuse)

    assert (await ask(world, "/search/resource", ASKED)).status == 400


async def test_requests_are_counted_with_those_of_rest(world: World) -> None:
    answers_of(world, {7: True})
    world.answers("ironflock.realms.project.list", lambda **_: {"projects": [], "next": None})
    await world.ask("GET", "/swarms")

    answers = [await ask(world, "/evaluation", ASKED) for _ in range(100)]

    assert dict(answers[0].headers)["ratelimit-remaining"] == "98"
    assert (answers[-1].status, dict(answers[-1].headers)["retry-after"]) == (429, "1")


async def test_where_privileges_or_auth_is_away_nothing_is_decided(world: World) -> None:
    alone = [await ask(world, path, ASKED) for path in ENDPOINTS]
    del world.router.answers[ISSUE]
    nobody = [await ask(world, path, ASKED) for path in ENDPOINTS]

    assert {(answer.status, told(answer)["code"]) for answer in (*alone, *nobody)} == {(503, "unavailable")}


async def test_what_takes_too_long_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(evaluating, "TIME_LIMIT_S", 0.05)
    world.answers(CHECK, lambda **_: asyncio.sleep(60))

    answer = await ask(world, "/evaluation", ASKED)

    assert (answer.status, told(answer)["code"]) == (503, "unavailable")


async def test_a_fault_of_ours_is_an_incident_and_tells_nothing(world: World) -> None:
    def fail(**_: Any) -> None:
        raise ApplicationError("other.error.unheard_of", "inside")

    world.answers(CHECK, fail)

    answer = await ask(world, "/evaluation", ASKED)

    assert (answer.status, told(answer)["code"]) == (500, "internal")
    assert b"inside" not in answer.content
