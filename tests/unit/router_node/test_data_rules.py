"""The decision on data realms: recorded answers, the table as text, and what holds for every URI."""

import csv
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ironflock_router.data_permissions import RESERVED, TABLE
from ironflock_router.data_rules import decide
from ironflock_router.patterns import EXACT, PREFIX, WILDCARD
from ironflock_router.rules import Caller, Reason
from ironflock_router.wire_names import Action

HERE = Path(__file__)
MATRIX = HERE.with_name("data_matrix.tsv")
VECTORS = HERE.parents[2] / "vectors" / "authorize.tsv"
REALM = "realm-2-26-dev"
DEVICES = {"S": 42, "T": 43}
APP = Caller("app", REALM, "S", device_key=42)
READER = Caller("app_reader", REALM, "S", device_key=42)
BOARD, WRITER = (Caller(role, REALM) for role in ("board_reader", "board_writer"))
FORGED = [{"session": 1, "authid": "admin", "authrole": "trusted"}]

with VECTORS.open(encoding="utf-8", newline="") as file:
    ROWS = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))

# Words near to the table's, digits of other scripts, and keys that look alike.
words = st.sampled_from(
    [
        *("2", "42", "26", "DEV", "dev", "PROD", "43", "3", "02", "2x", "٢", "D", "DEVX", "com", "myapp", "x", "t", ""),
        *("bulk", "transformed", "events", "files", "errors", "databackend", "history", "session", "on_join", "wamp"),
    ]
)
uris = st.lists(words, max_size=7).map(".".join)
own_uris = st.tuples(st.just("2.42.26.DEV."), uris).map("".join)
near_uris = st.one_of(
    uris,
    own_uris,
    # Shortened, so that prefixes end anywhere.
    st.tuples(own_uris, st.integers(1, 12)).map(lambda cut: cut[0][: cut[1]]),
    st.sampled_from([grant.uri.replace(".**", ".") for grant in TABLE]),
    st.text(max_size=12),
)
actions = st.sampled_from(list(Action))
matches = st.sampled_from([EXACT, PREFIX, WILDCARD])
callers = st.sampled_from(
    [APP, READER, BOARD, WRITER, Caller("swarm_device", REALM, "S", device_key=42), Caller("app", REALM)]
)
fillings = st.lists(words.filter(bool), min_size=8, max_size=8)


def allowed(caller: Caller, action: Action, uri: str, options: dict[str, Any] | None = None) -> bool:
    return decide(caller, action, uri, options or {}).allow


def reached(uri: str, match: str, more: list[str]) -> list[str]:
    """Some of the URIs that a pattern reaches; prefixes are texts, a wildcard's gaps are segments."""
    if match == EXACT:
        return [uri]
    if match == PREFIX:
        return [uri + more[0], f"{uri}x.{more[0]}", uri + ".".join(more), f"{uri}{more[0]}.{more[1]}"]
    return [".".join(part or word for part, word in zip(uri.split("."), more, strict=False))]


# Recorded from what the published platform asks about apps; it is not asked about boards, whose forms are written to
# such topics (wire-sdk.md section 10).
NOT_ASKED_OF_BOARDS = [row for row in ROWS if (row["action"], row["authrole"]) == ("publish", "board_writer")]


@pytest.mark.parametrize(
    "row", [row for row in ROWS if row not in NOT_ASKED_OF_BOARDS], ids=lambda row: "-".join(row.values())
)
def test_the_answer_is_the_recorded_one(row: dict[str, str]) -> None:
    caller = Caller(row["authrole"], row["realm"], row["authid"], device_key=DEVICES.get(row["authid"]))
    options = {} if row["match"] == EXACT else {"match": row["match"]}
    uri = row["uri"].replace("\\n", "\n")
    assert allowed(caller, Action(row["action"]), uri, options) is (row["allowed"] == "yes")


def test_there_are_more_rows_of_ours_than_recorded_ones_and_none_stands_twice() -> None:
    assert len(ROWS) >= 2 * 50
    assert len(NOT_ASKED_OF_BOARDS) == 1
    asked = [tuple(list(row.values())[:-1]) for row in ROWS]
    assert len(asked) == len(set(asked))


def test_the_table_is_the_checked_in_matrix() -> None:
    lines = [
        f"{grant.role}\t{grant.realm}\t{grant.action.value}\t{grant.uri}\t{','.join(sorted(grant.options))}"
        for grant in TABLE
    ]
    assert MATRIX.read_text(encoding="utf-8").splitlines()[1:] == lines
    assert len(lines) == len(set(lines))


@given(near_uris, matches, fillings, callers)
def test_nothing_that_an_app_may_register_lies_outside_its_own_device(
    uri: str, match: str, more: list[str], caller: Caller
) -> None:
    if not allowed(caller, Action.REGISTER, uri, {"match": match, "force_reregister": True}):
        return
    for one in reached(uri, match, more):
        project, device, app, stage, *_ = one.split(".")
        assert (project, device, app, stage.lower()) == ("2", "42", "26", "dev")
    assert caller.device_key == 42
    assert caller.role not in ("app_reader", "board_reader", "board_writer")


@given(own_uris, st.sampled_from([EXACT, PREFIX]))
def test_below_its_own_device_an_app_may_register_whatever_is_a_uri(uri: str, match: str) -> None:
    known = uri.split(".")[:-1] if match == PREFIX else uri.split(".")
    assert allowed(APP, Action.REGISTER, uri, {"match": match}) is all(known)


@given(callers, st.sampled_from([Action.SUBSCRIBE, Action.REGISTER]), near_uris, matches, fillings)
def test_no_pattern_reaches_what_an_exact_uri_may_not(
    caller: Caller, action: Action, uri: str, match: str, more: list[str]
) -> None:
    if allowed(caller, action, uri, {"match": match}):
        for one in reached(uri, match, more):
            # A text that is no URI at all is published by nobody.
            assert allowed(caller, action, one) or decide(caller, action, one, {}).reason is Reason.MALFORMED_URI


@given(callers, near_uris, matches, fillings)
def test_no_app_hears_what_is_written_or_what_the_router_tells(
    caller: Caller, uri: str, match: str, more: list[str]
) -> None:
    if allowed(caller, Action.SUBSCRIBE, uri, {"match": match}):
        for one in reached(uri, match, more):
            first = one.split(".")[0]
            assert not first[:1].isnumeric()
            assert first not in RESERVED - {"transformed", "databackend", "files"}


@given(st.sampled_from([Action.PUBLISH, Action.CALL]), near_uris)
def test_what_begins_with_a_digit_is_for_the_own_project_alone(action: Action, uri: str) -> None:
    if uri[:1].isnumeric() and allowed(APP, action, uri):
        assert uri == "2" or uri.startswith("2.")


@given(near_uris, matches)
def test_a_reader_publishes_and_registers_nothing(uri: str, match: str) -> None:
    for action in (Action.PUBLISH, Action.REGISTER):
        assert not allowed(READER, action, uri, {"match": match})


@given(actions, near_uris, matches)
def test_a_reader_may_nothing_that_an_app_may_not(action: Action, uri: str, match: str) -> None:
    assert not allowed(READER, action, uri, {"match": match}) or allowed(APP, action, uri, {"match": match})


@given(callers, actions, near_uris)
def test_forward_for_is_refused_for_everybody(caller: Caller, action: Action, uri: str) -> None:
    for value in (FORGED, [], None):
        assert decide(caller, action, uri, {"forward_for": value}).reason is Reason.FORWARD_FOR


@given(callers, actions, near_uris, st.text(min_size=1, max_size=12))
def test_an_unknown_option_is_refused(caller: Caller, action: Action, uri: str, option: str) -> None:
    known = {"timeout", "receive_progress", "acknowledge", "exclude_me", "match", "force_reregister"}
    if option not in known:
        assert not allowed(caller, action, uri, {option: True})


@pytest.mark.parametrize("option", ["retain", "eligible", "eligible_authid", "exclude", "exclude_authrole", "enc_algo"])
def test_an_option_that_does_harm_is_refused(option: str) -> None:
    assert allowed(APP, Action.PUBLISH, "com.x", {"acknowledge": True, "exclude_me": False})
    assert decide(APP, Action.PUBLISH, "com.x", {option: [1]}).reason is Reason.OPTION


@pytest.mark.parametrize("options", [{"invoke": "roundrobin"}, {"invoke": "last"}, {"concurrency": 2}])
def test_a_registration_is_for_one_callee(options: dict[str, Any]) -> None:
    assert decide(APP, Action.REGISTER, "2.42.26.DEV.f", options).reason is Reason.OPTION


@pytest.mark.parametrize("match", [5, True, ["prefix"], {"a": 1}])
def test_a_match_that_is_no_text_is_refused(match: Any) -> None:
    assert decide(APP, Action.SUBSCRIBE, "com.x", {"match": match}).reason is Reason.MALFORMED_URI


@given(
    st.sampled_from(["realm-2-26-prod", "realm-2-27-dev", "realm-3-26-dev", "realm1", "ironflock.system", ""]),
    actions,
    near_uris,
    matches,
)
def test_an_answer_is_for_one_realm_and_one_device(realm: str, action: Action, uri: str, match: str) -> None:
    options = {"match": match}
    here = [allowed(caller, action, uri, options) for caller in (APP, Caller("app", REALM, "T", device_key=43))]
    elsewhere = allowed(Caller("app", realm, "S", device_key=42), action, uri, options)
    # Asked again, after others: what is remembered is the same.
    assert allowed(APP, action, uri, options) is here[0]
    if action is Action.REGISTER:
        assert not (here[0] and (here[1] or elsewhere))
    if not realm.startswith("realm-"):
        assert not elsewhere


def test_what_a_session_leaves_behind_is_judged_like_anything_else() -> None:
    leaving = Caller("app", REALM, "S", is_leaving=True, device_key=42)
    assert not allowed(leaving, Action.PUBLISH, "reswarm.api.testament_device")
    assert not allowed(leaving, Action.CALL, "wamp.session.add_testament")


@given(st.sampled_from([BOARD, WRITER]), near_uris, matches)
def test_no_board_registers_anything(board: Caller, uri: str, match: str) -> None:
    assert not allowed(board, Action.REGISTER, uri, {"match": match})
    assert not allowed(board, Action.REGISTER, uri, {"match": match, "force_reregister": True})


@given(actions, near_uris, matches)
def test_a_board_that_reads_may_what_another_app_may_and_nothing_else(action: Action, uri: str, match: str) -> None:
    options = {"match": match} if action is Action.SUBSCRIBE else {}
    assert allowed(BOARD, action, uri, options) == allowed(READER, action, uri, options)


@given(actions, near_uris, matches)
def test_a_board_that_writes_may_nothing_that_the_app_may_not(action: Action, uri: str, match: str) -> None:
    options = {"match": match} if action is Action.SUBSCRIBE else {}
    if allowed(WRITER, action, uri, options):
        assert allowed(APP, action, uri, options)
    assert not allowed(BOARD, action, uri, options) or allowed(WRITER, action, uri, options)


@given(near_uris)
def test_a_board_publishes_on_topics_of_its_own_app_s_tables_alone(uri: str) -> None:
    assert not allowed(BOARD, Action.PUBLISH, uri)
    if allowed(WRITER, Action.PUBLISH, uri):
        assert uri.removeprefix("bulk.").startswith("2.26.")


@pytest.mark.parametrize(
    "uri", ["secret.reveal.t", "secret.verify.t", "sys.appaccess.list", "files.write.put", "com.app.f"]
)
def test_what_is_the_app_s_alone_no_board_calls(uri: str) -> None:
    assert not allowed(WRITER, Action.CALL, uri)
