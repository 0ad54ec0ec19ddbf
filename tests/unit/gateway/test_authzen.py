"""AuthZEN's questions and answers: what is understood, what is refused, and that a page leads to the next."""

import copy
import json
from collections.abc import Callable
from functools import partial
from itertools import product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.gateway.records import Answer, Batch, Decided, Entity, Evaluation, HttpRefusedError, Semantic, Sought
from services.gateway.rules import authzen
from shared.flags import FLAGS, AssetKind
from shared.identities import MAX_KEY
from shared.rights.records import Rule

ANN = {"type": "person", "id": "5"}
READ = {"name": "READ"}
PRESS = {"type": "device", "id": "7"}
ASKED: dict[str, Any] = {"subject": ANN, "action": READ, "resource": PRESS}
PLACES = [(kind, flag) for kind in AssetKind for flag in FLAGS[kind]]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
keys = st.integers(1, MAX_KEY)


def changed(path: str, value: Any) -> dict[str, Any]:
    """The question with another value at `path`; without one, with none."""
    made: dict[str, Any] = copy.deepcopy(ASKED)
    *parents, last = path.split(".")
    place = made
    for parent in parents:
        place = place[parent]
    if value is ...:
        del place[last]
    else:
        place[last] = value
    return made


@given(place=st.sampled_from(PLACES), key=keys, person=keys | st.emails())
def test_a_question_is_the_check_that_it_means(place: tuple[AssetKind, str], key: int, person: int | str) -> None:
    kind, flag = place
    body = {
        "subject": {"type": "person", "id": str(person)},
        "action": {"name": flag},
        "resource": {"type": kind.value, "id": str(key)},
    }

    check = authzen.check_of(authzen.read_evaluation(json.loads(json.dumps(body))))

    assert check == {"kind": kind.value, "key": key, "flag": flag, "account": person}


WRONG: list[tuple[str, Any]] = [
    *product(("subject", "action", "resource"), (..., None, "ann", 1, [], [{}])),
    *product(("subject.type", "subject.id", "resource.type", "resource.id", "action.name"), (..., None, 1, True, {})),
    *product(("subject.properties", "action.properties", "resource.properties", "context"), (None, "x", [], 1)),
]


@pytest.mark.parametrize(("path", "value"), WRONG, ids=repr)
def test_what_is_missing_or_of_another_type_is_a_bad_request(path: str, value: Any) -> None:
    with pytest.raises(HttpRefusedError) as refused:
        authzen.read_evaluation(changed(path, value))

    assert refused.value.code == "malformed"
    assert path.partition(".")[0] in refused.value.message


def is_understood(read: Callable[[Any], object], body: Any) -> bool:
    """Whether `body` is read; whatever else it is, it is refused as malformed."""
    try:
        read(body)
    except HttpRefusedError as error:
        return error.code != "malformed"
    return True


READERS: list[Callable[[Any], object]] = [
    authzen.read_evaluation,
    authzen.read_batch,
    *(partial(authzen.read_search, sought) for sought in Sought),
]
BODIES = JSON | st.fixed_dictionaries(
    {},
    optional={
        **{name: st.just(part) | JSON for name, part in ASKED.items()},
        "evaluations": JSON | st.lists(st.just(ASKED) | JSON, max_size=3),
        "page": JSON | st.fixed_dictionaries({}, optional={"token": JSON, "limit": JSON}),
        "options": JSON | st.fixed_dictionaries({}, optional={"evaluations_semantic": JSON}),
    },
)


@given(st.sampled_from(READERS), BODIES)
def test_whatever_comes_is_understood_or_refused(read: Callable[[Any], object], body: Any) -> None:
    is_whole = isinstance(body, dict) and {name: body.get(name) for name in ASKED} == ASKED

    assert is_understood(read, body) or not is_whole or {"evaluations", "page", "options"} & set(body)


def test_what_is_not_known_is_left_be() -> None:
    more = changed("subject.properties", {"ip_address": "172.217.22.14", "device_id": "8:65:ee:17:7e:0b"})
    more |= {"context": {"time": "1985-10-26T01:22-07:00"}, "foo": "bar", "future": {"nested": True}}

    assert authzen.read_evaluation(more) == authzen.read_evaluation(ASKED)


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("subject.type", "user"), ("subject.type", "PERSON"), ("subject.id", ""), ("subject.id", "x" * 401),
        ("resource.type", "document"), ("resource.type", "DEVICE"), ("resource.type", ""), ("resource.id", "press-1"),
        ("resource.id", "0"), ("resource.id", "07"), ("resource.id", "-7"), ("resource.id", " 7"),
        ("resource.id", "\u0667"), ("resource.id", "7.0"), ("resource.id", str(MAX_KEY + 1)), ("resource.id", ""),
    ],
)  # fmt: skip
def test_what_nobody_could_find_is_denied_without_asking(path: str, value: str) -> None:
    assert authzen.check_of(authzen.read_evaluation(changed(path, value))) == authzen.NOT_FOUND


@pytest.mark.parametrize("flag", ["read", "can_read", "", "CREATE_DEVICES", "READ ", "x" * 1000])
def test_a_flag_that_the_asset_does_not_have_is_denied_without_asking(flag: str) -> None:
    decided = authzen.check_of(authzen.read_evaluation(changed("action.name", flag)))

    assert decided == Decided(decision=False, context={"rule": "unknown_flag"})


@given(keys)
def test_a_name_of_digits_that_is_no_key_is_a_login_name(key: int) -> None:
    check = authzen.check_of(authzen.read_evaluation(changed("subject.id", f"0{key}")))

    assert isinstance(check, dict)
    assert check["account"] == f"0{key}"


@pytest.mark.parametrize("rule", Rule)
@pytest.mark.parametrize("allowed", [True, False])
def test_the_context_says_by_what_and_until_when(rule: Rule, *, allowed: bool) -> None:
    answer = {"allowed": allowed, "rule": rule.value, "grant_key": 3, "until": "2027-01-01T00:00:00Z"}

    assert authzen.decided(answer) == Decided(allowed, {name: answer[name] for name in ("rule", "grant_key", "until")})
    assert authzen.decided(answer | {"grant_key": None, "until": None}) == Decided(allowed, {"rule": rule.value})


def test_only_true_is_yes() -> None:
    assert not authzen.decided({"allowed": 1, "rule": "grant"}).decision


def batch(**more: Any) -> Batch:
    """The questions of a request that has several."""
    read = authzen.read_batch({"evaluations": [{}, {}], **ASKED, **more})
    assert read is not None
    return read


def test_defaults_stand_in_for_what_is_left_out_and_whole_entities_take_their_place() -> None:
    other = {"type": "project", "id": "3", "properties": {"status": "archived"}}

    read = batch(evaluations=[{}, {"resource": other}, {"action": {"name": "GRANT"}, "context": {"a": 1}}])

    ann, press = Entity("person", "5"), Entity("device", "7")
    assert read.evaluations == (
        Evaluation(ann, "READ", press),
        Evaluation(ann, "READ", Entity("project", "3")),
        Evaluation(ann, "GRANT", press),
    )
    assert read.semantic is Semantic.EXECUTE_ALL


def test_an_entity_is_not_filled_up_from_its_default() -> None:
    [first, _] = batch(evaluations=[{"resource": {"type": "project"}}, {}]).evaluations

    assert first == Decided(False, {"error": {"status": 400, "message": "resource.id must be a string"}})


@pytest.mark.parametrize("missing", ["subject", "action", "resource"])
def test_what_is_wrong_with_one_is_its_own_denial(missing: str) -> None:
    read = authzen.read_batch({"evaluations": [ASKED, changed(missing, ...), ASKED]})

    assert read is not None
    [first, second, third] = read.evaluations
    assert first == third == authzen.read_evaluation(ASKED)
    assert isinstance(second, Decided)
    assert second.context["error"]["status"] == 400
    assert not second.decision


@pytest.mark.parametrize("body", [ASKED, {**ASKED, "evaluations": []}], ids=["left out", "empty"])
def test_without_several_it_is_one(body: Any) -> None:
    assert authzen.read_batch(body) is None


@pytest.mark.parametrize(
    "more",
    [
        {"evaluations": None}, {"evaluations": {}}, {"evaluations": "x"}, {"evaluations": ["x"]},
        {"evaluations": [{}, None]}, {"evaluations": [{}] * (authzen.MAX_EVALUATIONS + 1)}, {"options": None},
        {"options": []}, {"options": {"evaluations_semantic": "EXECUTE_ALL"}}, {"context": "x"}, {"subject": "ann"},
        {"options": {"evaluations_semantic": None}}, {"options": {"evaluations_semantic": ["execute_all"]}},
        {"action": {}}, {"resource": {"type": "device"}},
    ],
    ids=lambda more: repr(more)[:60],
)  # fmt: skip
def test_what_is_wrong_with_the_whole_is_a_bad_request(more: dict[str, Any]) -> None:
    with pytest.raises(HttpRefusedError):
        batch(**more)


def test_as_many_as_there_may_be() -> None:
    assert len(batch(evaluations=[{}] * authzen.MAX_EVALUATIONS).evaluations) == authzen.MAX_EVALUATIONS


@pytest.mark.parametrize("semantic", Semantic)
def test_each_semantic_is_read(semantic: Semantic) -> None:
    assert batch(options={"evaluations_semantic": semantic.value, "another_option": "value"}).semantic is semantic


@given(st.lists(st.booleans(), max_size=12), st.sampled_from(Semantic))
def test_a_semantic_stops_where_the_operator_of_its_name_does(said: list[bool], semantic: Semantic) -> None:
    decisions = [Decided(each, {}) for each in said]

    shown = [each.decision for each in authzen.cut(decisions, semantic)]

    assert shown == said[: len(shown)]
    match semantic:
        case Semantic.EXECUTE_ALL:
            assert len(shown) == len(said)
        case Semantic.DENY_ON_FIRST_DENY:
            assert all(shown) == all(said)
            assert False not in shown[:-1]
        case Semantic.PERMIT_ON_FIRST_PERMIT:
            assert any(shown) == any(said)
            assert True not in shown[:-1]


def test_searches_are_the_lists_that_they_mean() -> None:
    subject = authzen.read_search(Sought.SUBJECT, ASKED)
    resource = authzen.read_search(Sought.RESOURCE, ASKED)
    action = authzen.read_search(Sought.ACTION, ASKED)

    assert (subject.procedure, subject.arguments) == (
        "ironflock.privileges.person.list", {"kind": "device", "key": 7, "flag": "READ", "limit": 100},
    )  # fmt: skip
    assert (resource.procedure, resource.arguments) == (
        "ironflock.privileges.asset.list", {"kind": "device", "flag": "READ", "account": 5, "limit": 100},
    )  # fmt: skip
    assert (action.procedure, action.arguments) == (
        "ironflock.privileges.flag.explain", {"kind": "device", "key": 7, "account": 5},
    )  # fmt: skip


@pytest.mark.parametrize(
    ("sought", "path"),
    [(Sought.SUBJECT, "subject.id"), (Sought.RESOURCE, "resource.id"), (Sought.ACTION, "action")],
)
def test_what_is_looked_for_is_not_looked_at(sought: Sought, path: str) -> None:
    assert authzen.read_search(sought, changed(path, ...)).arguments == authzen.read_search(sought, ASKED).arguments
    assert authzen.read_search(sought, changed(path, 7)).arguments == authzen.read_search(sought, ASKED).arguments


@pytest.mark.parametrize(
    ("sought", "path"),
    [
        *((Sought.SUBJECT, path) for path in ("subject", "subject.type", "action", "action.name", "resource.id")),
        *((Sought.RESOURCE, path) for path in ("subject", "subject.id", "action", "resource", "resource.type")),
        *((Sought.ACTION, path) for path in ("subject", "subject.id", "resource", "resource.type", "resource.id")),
    ],
)
def test_what_a_search_needs_must_be_there(sought: Sought, path: str) -> None:
    with pytest.raises(HttpRefusedError):
        authzen.read_search(sought, changed(path, ...))


@pytest.mark.parametrize(
    ("sought", "path", "value"),
    [
        (Sought.SUBJECT, "subject.type", "spaceship"), (Sought.SUBJECT, "resource.type", "spaceship"),
        (Sought.SUBJECT, "resource.id", "x"), (Sought.SUBJECT, "action.name", "fly"),
        (Sought.RESOURCE, "subject.type", "spaceship"), (Sought.RESOURCE, "resource.type", "spaceship"),
        (Sought.RESOURCE, "action.name", "fly"), (Sought.ACTION, "subject.type", "spaceship"),
        (Sought.ACTION, "resource.type", "spaceship"), (Sought.ACTION, "resource.id", "x"),
    ],
)  # fmt: skip
def test_where_nothing_can_be_found_nothing_is_asked(sought: Sought, path: str, value: str) -> None:
    search = authzen.read_search(sought, changed(path, value))

    assert search.arguments is None
    assert authzen.nothing(search) == {"page": {"next_token": "", "count": 0}, "results": []}


def pages(sought: Sought, limit: int, everything: list[Any]) -> list[dict[str, Any]]:
    """Every page of a search over `everything`, as privileges would answer it."""
    found, page = [], {"limit": limit}
    while True:
        search = authzen.read_search(sought, {**ASKED, "page": page})
        assert search.arguments is not None
        begin, size = int(search.arguments.get("cursor", 0)), search.arguments.get("limit", 0)
        part, rest = everything[begin : begin + size], len(everything) > begin + size
        found_by: dict[Sought, dict[str, Any]] = {
            Sought.SUBJECT: {
                "people": [{"account_key": key, "login_name": f"p{key}", "rule": "grant"} for key in part]
            },
            Sought.RESOURCE: {"keys": part},
            Sought.ACTION: {"flags": {flag: {"allowed": True} for flag in everything}},
        }
        found.append(authzen.found(search, {**found_by[sought], "next": str(begin + size) if rest else None}))
        token = found[-1]["page"]["next_token"]
        if not token:
            return found
        page = {"token": token}


@given(st.sampled_from(Sought), st.integers(1, 7), st.integers(0, 15))
def test_pages_lead_from_one_to_the_next_until_all_is_told_once(sought: Sought, limit: int, count: int) -> None:
    everything = sorted(FLAGS[AssetKind.GROUP])[:count] if sought is Sought.ACTION else list(range(1, count + 1))

    found = pages(sought, limit, everything)

    told = [each.get("name", each.get("id")) for page in found for each in page["results"]]
    assert told == [str(each) for each in everything]
    assert all(page["page"]["count"] == len(page["results"]) <= limit for page in found)
    assert list(found[0]) == ["page", "results"]


def test_what_is_found_is_named_as_it_is_asked_for() -> None:
    [people] = pages(Sought.SUBJECT, 9, [5])
    [devices] = pages(Sought.RESOURCE, 9, [7])
    flags = {"READ": {"allowed": True}, "GRANT": {"allowed": False}, "DELETE": {"allowed": True}}
    actions = authzen.found(authzen.read_search(Sought.ACTION, ASKED), {"flags": flags})

    assert people["results"] == [{"type": "person", "id": "5", "properties": {"login_name": "p5"}}]
    assert devices["results"] == [{"type": "device", "id": "7"}]
    assert actions["results"] == [{"name": "DELETE"}, {"name": "READ"}]


def test_a_page_of_nothing_tells_only_whether_there_is_more() -> None:
    search = authzen.read_search(Sought.RESOURCE, {**ASKED, "page": {"limit": 0}})
    assert search.arguments is not None

    assert search.arguments["limit"] == 1
    assert authzen.found(search, {"keys": [], "next": None})["page"]["next_token"] == ""
    some = authzen.found(search, {"keys": [7], "next": None})
    assert (some["results"], some["page"]["count"]) == ([], 0)
    again = authzen.read_search(Sought.RESOURCE, {**ASKED, "page": {"token": some["page"]["next_token"]}})
    assert again.arguments == search.arguments


@pytest.mark.parametrize(
    "page",
    [None, [], "x", {"limit": -1}, {"limit": "7"}, {"limit": True}, {"limit": 1.5}, {"token": 7}, {"token": None},
     {"token": "x"}, {"token": "\u00e4"}, {"token": "AAAA"}, {"token": "W10"}, {"token": "WzEsIiIsMV0"}],
    ids=repr,
)  # fmt: skip
def test_a_page_that_is_none_is_a_bad_request(page: Any) -> None:
    with pytest.raises(HttpRefusedError):
        authzen.read_search(Sought.RESOURCE, {**ASKED, "page": page})


def test_more_than_a_page_may_have_is_cut_to_what_it_may() -> None:
    search = authzen.read_search(Sought.RESOURCE, {**ASKED, "page": {"limit": 10**9, "properties": {"sort": "id"}}})

    assert search.page.limit == authzen.MAX_PAGE


@pytest.mark.parametrize(
    ("sought", "body"),
    [
        (Sought.SUBJECT, ASKED), (Sought.RESOURCE, changed("subject.id", "6")),
        (Sought.RESOURCE, changed("action.name", "GRANT")), (Sought.RESOURCE, changed("resource.type", "project")),
        (Sought.RESOURCE, {**ASKED, "context": {"a": 1}}), (Sought.RESOURCE, {**ASKED, "page": {"limit": 3}}),
    ],
)  # fmt: skip
def test_a_token_is_for_its_own_search(sought: Sought, body: dict[str, Any]) -> None:
    search = authzen.read_search(Sought.RESOURCE, {**ASKED, "page": {"limit": 2}})
    token = authzen.found(search, {"keys": [7, 8], "next": "8"})["page"]["next_token"]
    assert authzen.read_search(Sought.RESOURCE, {**ASKED, "page": {"token": token, "limit": 2}}).page.cursor == "8"

    with pytest.raises(HttpRefusedError):
        authzen.read_search(sought, {**body, "page": {**body.get("page", {}), "token": token}})


@given(st.text(min_size=1, max_size=60))
def test_no_other_token_is_one(token: str) -> None:
    assert not is_understood(READERS[-1], {**ASKED, "page": {"token": token}})


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(406, 400), (409, 400), (415, 400), (422, 400), (400, 400), (401, 401), (403, 403), (404, 404), (405, 405),
     (413, 413), (429, 429), (500, 500), (503, 503), (504, 504)],
)  # fmt: skip
def test_whatever_is_wrong_with_a_request_is_a_bad_request(ours: int, theirs: int) -> None:
    assert authzen.by_the_book(Answer(ours, b"x", (("a", "b"),))) == Answer(theirs, b"x", (("a", "b"),))


def test_the_document_names_every_endpoint() -> None:
    base = "https://pdp.example.com"

    assert authzen.configuration(base) == {
        "policy_decision_point": base,
        "access_evaluation_endpoint": f"{base}/access/v1/evaluation",
        "access_evaluations_endpoint": f"{base}/access/v1/evaluations",
        "search_subject_endpoint": f"{base}/access/v1/search/subject",
        "search_resource_endpoint": f"{base}/access/v1/search/resource",
        "search_action_endpoint": f"{base}/access/v1/search/action",
    }
