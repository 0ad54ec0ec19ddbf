"""From a request to its answer."""

import asyncio
import json
from typing import Any

import pytest
from autobahn.wamp.exception import ApplicationError

from services.gateway import entrance, serving
from services.gateway.calling import ISSUE
from services.gateway.records import Asked
from tests.integration.gateway.world import BERT, CREATE, FLASH, LIST, World, hash_of, refusal, told

pytestmark = [pytest.mark.asyncio, pytest.mark.real]
DEVICE_CREATE, DEVICE_DELETE = "ironflock.devices.device.create", "ironflock.devices.device.delete"


async def test_auth_proves_each_wish_and_the_callee_gets_the_proof(world: World) -> None:
    world.answers(CREATE, lambda **arguments: {"project_key": 3, **arguments})

    answer = await world.ask("POST", "/swarms", {"name": "plant"})

    assert (answer.status, told(answer)) == (201, {"project_key": 3, "name": "plant"})
    assert world.done == [(CREATE, 5, {"name": "plant"})]
    procedure, _, asked = world.router.calls[0]
    assert procedure == ISSUE
    assert {name: asked[name] for name in ("ticket", "audience", "procedure", "arguments_hash")} == {
        "ticket": "anna-key",
        "audience": "realms",
        "procedure": CREATE,
        "arguments_hash": hash_of({"name": "plant"}),
    }


async def test_whoever_holds_another_credential_is_somebody_else(world: World) -> None:
    world.answers(LIST, lambda **_: {"projects": [], "next": None})

    await world.ask("GET", "/swarms", by=BERT)

    assert world.done == [(LIST, 6, {})]


async def test_every_place_of_a_request_becomes_its_argument(world: World) -> None:
    world.answers("ironflock.audit.retention.set", lambda **_: {"project_key": 3, "days": 7})
    world.answers("ironflock.audit.entry.list", lambda **_: {"entries": [], "next": None, "top": "x"})

    await world.ask("PUT", "/swarms/3/retention", {"days": None})
    await world.ask("GET", "/audit/entries", query="project=plant&actor=7&limit=2&since=2026-11-25T00%3A00%3A00Z")

    assert [arguments for _, _, arguments in world.done] == [
        {"project": 3, "days": None},
        {"project": "plant", "actor": 7, "limit": 2, "since": "2026-11-25T00:00:00Z"},
    ]


async def test_rights_are_given_asked_for_and_taken_as_privileges_has_it(world: World) -> None:
    rights = "ironflock.privileges"
    for procedure in (
        "grant.give",
        "grant.take",
        "flag.check",
        "flag.check_many",
        "member.remove",
        "invitation.accept",
    ):
        world.answers(f"{rights}.{procedure}", lambda **_: None)

    await world.ask("POST", "/grants", {"account": "bert", "kind": "device", "key": 7, "flags": ["READ"]}, key="k1")
    await world.ask("GET", "/checks", query="kind=device&key=7&flag=READ&account=6&at=2026-11-25T00%3A00%3A00Z")
    await world.ask("POST", "/checks", {"checks": [{"kind": "device", "key": 7, "flag": "READ"}]})
    await world.ask("DELETE", "/grants", query="account=b%40example.com&kind=device&key=7&flags=READ,GRANT")
    await world.ask("DELETE", "/swarms/3/members/6", query="reason=left")
    await world.ask("POST", "/swarm-invitations/4/accept")

    assert [(procedure.removeprefix(f"{rights}."), arguments) for procedure, _, arguments in world.done] == [
        ("grant.give", {"account": "bert", "kind": "device", "key": 7, "flags": ["READ"]}),
        ("flag.check", {"kind": "device", "key": 7, "flag": "READ", "account": 6, "at": "2026-11-25T00:00:00Z"}),
        ("flag.check_many", {"checks": [{"kind": "device", "key": 7, "flag": "READ"}]}),
        ("grant.take", {"account": "b@example.com", "kind": "device", "key": 7, "flags": ["READ", "GRANT"]}),
        ("member.remove", {"project": 3, "account": 6, "reason": "left"}),
        ("invitation.accept", {"invitation_key": 4}),
    ]


async def test_a_page_links_to_the_next(world: World) -> None:
    world.answers(LIST, lambda **_: {"projects": [], "next": "azE"})

    answer = await world.ask("GET", "/swarms", query="limit=1")

    assert ("link", '</v1/ironflock/swarms?limit=1&cursor=azE>; rel="next"') in answer.headers


async def test_nothing_is_answered_with_no_content(world: World) -> None:
    world.answers(DEVICE_DELETE, lambda **_: None)

    answer = await world.ask("DELETE", "/swarms/3/devices/7")

    assert (answer.status, answer.content) == (204, b"")
    assert world.done == [(DEVICE_DELETE, 5, {"project": 3, "device": 7})]


async def test_several_are_made_one_by_one_and_each_is_proved(world: World) -> None:
    def create(*, name: str, project: int) -> dict[str, Any]:
        if name == "taken":
            raise refusal("already_exists", name=name)
        return {"name": name, "project_key": project}

    world.answers(DEVICE_CREATE, create)

    answer = await world.ask("POST", "/swarms/3/devices", [{"name": "a"}, {"name": "taken"}, {"name": "b"}])

    assert answer.status == 207
    assert told(answer) == {
        "devices": [{"name": "a", "project_key": 3}, {"name": "b", "project_key": 3}],
        "errors": [{"index": 1, "status": 409, "error": "no", "code": "already_exists", "name": "taken"}],
    }
    assert sum(procedure == ISSUE for procedure, _, _ in world.router.calls) == 3


async def test_one_in_an_array_is_answered_as_several(world: World) -> None:
    world.answers(DEVICE_CREATE, lambda **arguments: arguments)

    answer = await world.ask("POST", "/swarms/3/devices", [{"name": "a"}])

    assert (answer.status, told(answer)) == (201, {"devices": [{"name": "a", "project": 3}], "errors": []})


async def test_several_are_deleted_by_their_keys(world: World) -> None:
    def delete(*, device: int, project: int) -> None:
        if device == 8:
            raise refusal("not_found")

    world.answers(DEVICE_DELETE, delete)

    whole = await world.ask("DELETE", "/swarms/3/devices", query="ids=7,9")
    part = await world.ask("DELETE", "/swarms/3/devices", query="ids=8,10")

    assert (whole.status, told(whole)) == (200, {"deleted": [7, 9], "errors": []})
    assert (part.status, told(part)["deleted"], told(part)["errors"][0]["code"]) == (207, [10], "not_found")
    assert world.done[0] == (DEVICE_DELETE, 5, {"project": 3, "device": 7})


@pytest.mark.parametrize("error", [(403, "wamp.error.not_authorized"), (404, "ironflock.error.not_found")])
async def test_what_the_callee_refuses_is_refused(world: World, error: tuple[int, str]) -> None:
    def refuse(**_: Any) -> None:
        raise ApplicationError(error[1], "not yours", code="x", message="not yours")

    world.answers(CREATE, refuse)

    answer = await world.ask("POST", "/swarms", {"name": "plant"})

    assert (answer.status, told(answer)["error"]) == (error[0], "not yours")
    assert "www-authenticate" not in dict(answer.headers)


async def test_a_credential_that_opens_nothing_is_refused_and_nothing_is_called(world: World) -> None:
    world.answers(CREATE, lambda **_: None)

    answer = await world.ask("POST", "/swarms", {"name": "plant"}, by="forged")

    assert answer.status == 401
    assert dict(answer.headers)["www-authenticate"] == 'Bearer realm="ironflock"'
    assert world.done == []


async def test_a_credential_that_ends_between_two_calls_ends_the_request(world: World) -> None:
    def create(**arguments: Any) -> Any:
        world.ended.add("anna-key")
        return arguments

    world.answers(DEVICE_CREATE, create)

    answer = await world.ask("POST", "/swarms/3/devices", [{"name": "a"}, {"name": "b"}])

    assert len(world.done) == 1
    assert answer.status == 207
    assert told(answer)["errors"][0]["code"] == "unauthorized"


async def test_where_auth_is_away_nothing_is_called(world: World) -> None:
    del world.router.answers[ISSUE]

    answer = await world.ask("POST", "/swarms", {"name": "plant"})

    assert (answer.status, told(answer)["code"]) == (503, "unavailable")
    assert dict(answer.headers)["retry-after"] == "1"


async def test_where_the_callee_is_lost_the_outcome_is_unknown(world: World) -> None:
    def lose(**_: Any) -> None:
        raise ApplicationError("wamp.error.canceled", "gone")

    world.answers(CREATE, lose)

    answer = await world.ask("POST", "/swarms", {"name": "plant"})

    assert (answer.status, told(answer)["code"]) == (504, "outcome_unknown")


async def test_what_takes_too_long_is_given_up(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serving, "TIME_LIMIT_S", 0.05)
    world.answers(CREATE, lambda **_: asyncio.sleep(60))

    answer = await world.ask("POST", "/swarms", {"name": "plant"})

    assert (answer.status, told(answer)["code"]) == (504, "outcome_unknown")


async def test_a_fault_of_ours_is_an_incident_and_tells_nothing(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(**_: Any) -> None:
        raise ApplicationError("other.error.unheard_of", "inside")

    world.answers(CREATE, fail)

    answer = await world.ask("POST", "/swarms", {"name": "plant"})

    assert (answer.status, told(answer)["code"]) == (500, "internal")
    assert len(told(answer)["incident"]) == 16
    assert b"inside" not in answer.content


async def test_requests_are_counted_by_credential(world: World) -> None:
    world.answers(LIST, lambda **_: {"projects": [], "next": None})
    answers = [await world.ask("GET", "/swarms") for _ in range(101)]

    assert [answer.status for answer in answers] == [200] * 100 + [429]
    assert dict(answers[0].headers)["ratelimit-remaining"] == "99"
    assert (dict(answers[-1].headers)["ratelimit-remaining"], dict(answers[-1].headers)["retry-after"]) == ("0", "1")
    assert (await world.ask("GET", "/swarms", by=BERT)).status == 200
    world.clock.now += 60
    assert (await world.ask("GET", "/swarms")).status == 200


async def test_several_in_one_request_count_as_several(world: World) -> None:
    world.answers(DEVICE_CREATE, lambda **arguments: arguments)

    answer = await world.ask("POST", "/swarms/3/devices", [{"name": str(number)} for number in range(60)])
    refused = await world.ask("POST", "/swarms/3/devices", [{"name": str(number)} for number in range(60)])

    assert dict(answer.headers)["ratelimit-remaining"] == "40"
    assert (refused.status, len(world.done)) == (429, 60)


async def test_an_address_that_guesses_is_slowed_and_whoever_is_known_is_not(world: World) -> None:
    world.answers(LIST, lambda **_: {"projects": [], "next": None})
    assert (await world.ask("GET", "/swarms")).status == 200
    guessed = [(await world.ask("GET", "/swarms", by=f"guess-{number}")).status for number in range(5)]

    assert guessed == [401, 401, 401, 429, 429]
    assert (await world.ask("GET", "/swarms")).status == 200
    assert (await world.ask("GET", "/swarms", by=BERT)).status == 429
    world.clock.now += 60
    assert (await world.ask("GET", "/swarms", by=BERT)).status == 200


async def test_guesses_at_once_gain_nothing(world: World) -> None:
    answers = await asyncio.gather(*(world.ask("GET", "/swarms", by=f"guess-{number}") for number in range(20)))

    assert sorted(answer.status for answer in answers) == [401] * 3 + [429] * 17


async def test_whoever_comes_with_no_credential_holds_nobody_back(world: World) -> None:
    world.answers(LIST, lambda **_: {"projects": [], "next": None})
    for _ in range(10):
        nobody = Asked("GET", "/swarms", "", {}, b"", "192.0.2.7")
        assert (await world.serving.answer(nobody)).status == 401

    assert (await world.ask("GET", "/swarms")).status == 200


async def test_while_auth_is_away_nobody_is_taken_for_a_guesser(world: World) -> None:
    world.answers(LIST, lambda **_: {"projects": [], "next": None})
    issue = world.router.answers.pop(ISSUE)
    assert [(await world.ask("GET", "/swarms")).status for _ in range(10)] == [503] * 10
    world.router.answers[ISSUE] = issue

    assert (await world.ask("GET", "/swarms")).status == 200


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        (("GET", "/nothing", ""), 404, "not_found"),
        (("GET", "/swarms/../swarms", ""), 404, "not_found"),
        (("POST", "/devices/7", ""), 405, "method_not_allowed"),
        (("OPTIONS", "/devices", ""), 405, "method_not_allowed"),
        (("GET", "/devices/x", ""), 422, "invalid_argument"),
        (("GET", "/devices", "limit=x"), 422, "invalid_argument"),
        (("GET", "/devices", "limit=1&limit=2"), 422, "invalid_argument"),
        (("GET", "/devices", "access_token=x"), 422, "invalid_argument"),
        (("GET", "/devices", "%"), 400, "malformed"),
        (("DELETE", "/swarms/3/devices", ""), 422, "invalid_argument"),
        (("DELETE", "/swarms/3/devices", "ids=1,1"), 422, "invalid_argument"),
    ],
    ids=str,
)
async def test_what_cannot_be_understood_reaches_nobody(
    world: World, asked: tuple[str, str, str], status: int, code: str
) -> None:
    method, path, query = asked

    answer = await world.ask(method, path, query=query)

    assert (answer.status, told(answer)["code"]) == (status, code)
    assert world.router.calls == []


async def test_another_method_is_told_which_there_are(world: World) -> None:
    answer = await world.ask("PUT", "/devices/7")

    assert dict(answer.headers)["allow"] == "GET, HEAD, PATCH"


@pytest.mark.parametrize(
    ("body", "headers", "status", "code"),
    [
        (b"{", {}, 400, "malformed"),
        (b'{"name": "a", "name": "b"}', {}, 400, "malformed"),
        (b"", {}, 400, "malformed"),
        (b"[]", {}, 422, "invalid_argument"),
        (b"null", {}, 422, "invalid_argument"),
        (b'{"name": "a", "assertion": "x"}', {}, 422, "invalid_argument"),
        (b'{"name": "a", "owner_account_key": 6}', {}, 422, "invalid_argument"),
        (b'{"name": 9007199254740993}', {}, 422, "invalid_argument"),
        (b'{"name": "a"}', {"content-type": ("text/plain",)}, 415, "unsupported_media_type"),
        (b'{"name": "a"}', {"content-type": ()}, 415, "unsupported_media_type"),
        (b'{"name": "a"}', {"content-encoding": ("gzip",)}, 415, "unsupported_media_type"),
        (b'{"name": "a"}', {"accept": ("text/html",)}, 406, "not_acceptable"),
        (b'{"name": "a"}', {"idempotency-key": ("a", "b")}, 400, "malformed"),
        (b'{"name": "a"}', {"authorization": ("Bearer anna-key", "Bearer anna-key")}, 401, "unauthorized"),
    ],
    ids=lambda value: repr(value)[:40],
)
async def test_what_is_malformed_reaches_nobody(
    world: World, body: bytes, headers: dict[str, tuple[str, ...]], status: int, code: str
) -> None:
    sent = {"authorization": ("Bearer anna-key",), "content-type": ("application/json",), **headers}

    answer = await world.serving.answer(Asked("POST", "/swarms", "", sent, body, "192.0.2.7"))

    assert (answer.status, told(answer)["code"]) == (status, code)
    assert world.router.calls == []


async def test_a_body_where_none_is_taken_is_refused(world: World) -> None:
    answer = await world.ask("GET", "/devices", {"project": 7})

    assert (answer.status, told(answer)["code"]) == (400, "malformed")


@pytest.mark.parametrize("body", [None, {}])
async def test_where_no_field_is_taken_the_body_may_be_left_out(world: World, body: Any) -> None:
    world.answers(FLASH, lambda **_: {"device": {}, "flock": {}})

    assert (await world.ask("POST", "/devices/7/flash", body)).status == 200


async def test_memory_of_who_has_opened_is_bounded(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entrance, "MAX_REMEMBERED", 1)
    world.answers(LIST, lambda **_: {"projects": [], "next": None})

    for by in ("anna-key", BERT):
        await world.ask("GET", "/swarms", by=by)

    assert len(world.entrance._opened) == 1


async def test_no_credential_is_kept_in_memory(world: World) -> None:
    world.answers(LIST, lambda **_: {"projects": [], "next": None})
    await world.ask("GET", "/swarms")

    kept = json.dumps([list(world.entrance._opened), list(world.limits.requests._arrivals)])
    assert "anna-key" not in kept
