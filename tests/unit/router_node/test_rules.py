"""The decision, and the table itself: a changed permission is a changed line in `matrix.tsv`."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ironflock_router.patterns import EXACT, PREFIX, WILDCARD
from ironflock_router.permissions import TABLE
from ironflock_router.rules import Caller, Reason, decide
from ironflock_router.wire_names import (
    AGENT_PROCEDURES,
    DEVICE_TESTAMENT,
    NEVER_PUBLISHED,
    REALM1,
    SERVICE_ROLES,
    SYSTEM,
    Action,
)

MATRIX = Path(__file__).with_name("matrix.tsv")
DEVICE = Caller("device", REALM1, "S1")
ROLES = ["device", "device_duplicate", "user", "app", "trusted", "nobody", *sorted(SERVICE_ROLES)]
FORGED = [{"session": 1, "authid": "admin", "authrole": "trusted"}]

callers = st.builds(
    Caller,
    st.sampled_from(ROLES),
    st.sampled_from([REALM1, SYSTEM, "other"]),
    st.sampled_from([None, "S1"]),
    st.booleans(),
)
actions = st.sampled_from(list(Action))
words = st.sampled_from(
    ["re", "mgmt", "S1", "S2", "reswarm", "logs", "ironflock", "auth", "devices", "wamp", "session", "x", ""]
)
loose_uris = st.one_of(st.lists(words, max_size=6).map(".".join), st.sampled_from([grant.uri for grant in TABLE]))


def refused(caller: Caller, action: Action, uri: str, options: dict[str, Any] | None = None) -> Reason:
    verdict = decide(caller, action, uri, options or {})
    assert not verdict.allow
    return verdict.reason


def allowed(caller: Caller, action: Action, uri: str, options: dict[str, Any] | None = None) -> bool:
    return decide(caller, action, uri, options or {}).allow


def line(role: str, realm: str, action: str, uri: str, options: str) -> str:
    return f"{role}\t{realm}\t{action}\t{uri}\t{options}"


def test_the_table_is_the_checked_in_matrix() -> None:
    lines = [
        line(
            grant.role,
            grant.realm,
            grant.action.value,
            grant.uri,
            ",".join(sorted(grant.options)) + ("testament" if grant.only_as_testament else ""),
        )
        for grant in TABLE
    ]
    assert MATRIX.read_text(encoding="utf-8").splitlines()[1:] == lines


def test_no_line_stands_twice() -> None:
    keys = [(grant.role, grant.realm, grant.action, grant.uri) for grant in TABLE]
    assert len(keys) == len(set(keys))


def test_services_alone_say_which_trace_a_call_is_of_and_on_their_realm_alone() -> None:
    option = {"transaction_hash": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}

    for grant in TABLE:
        caller = Caller(grant.role, grant.realm, serial="S1")
        if grant.pattern.is_literal and not grant.only_as_testament:
            is_theirs = grant.realm == SYSTEM and grant.action is Action.CALL
            assert allowed(caller, grant.action, grant.uri, option) is is_theirs


@given(callers, actions, loose_uris)
def test_forward_for_is_refused_for_everybody(caller: Caller, action: Action, uri: str) -> None:
    for value in (FORGED, [], None):
        assert refused(caller, action, uri, {"forward_for": value}) is Reason.FORWARD_FOR


@st.composite
def pattern_requests(draw: st.DrawFn) -> tuple[Caller, Action, str]:
    """A request near a line of the table: its words kept, or left empty; shorter, as long, or longer."""
    grant = draw(st.sampled_from([grant for grant in TABLE if grant.action in {Action.SUBSCRIBE, Action.REGISTER}]))
    near = {"{serial}": ["S1", "S2", ""], "**": ["x", "", "term_write"], "*": ["x", ""]}
    parts = [draw(st.sampled_from(near.get(part, [part, part, part, ""]))) for part in grant.uri.split(".")]
    parts += draw(st.lists(st.sampled_from(["x", ""]), max_size=2))
    caller = Caller(grant.role, grant.realm, "S1" if grant.role == "device" else None)
    return caller, grant.action, ".".join(parts[: draw(st.integers(1, len(parts)))])


@given(pattern_requests(), st.sampled_from([PREFIX, WILDCARD]), st.lists(words.filter(bool), min_size=8, max_size=8))
def test_a_permitted_pattern_reaches_no_uri_that_is_refused(
    request: tuple[Caller, Action, str], match: str, more: list[str]
) -> None:
    caller, action, uri = request
    if not allowed(caller, action, uri, {"match": match}):
        return
    if match == PREFIX:
        reached = [uri + more[0], f"{uri}x.{more[0]}", uri + ".".join(more)]
    else:
        reached = [".".join(part or word for part, word in zip(uri.split("."), more, strict=False))]
    assert all(allowed(caller, action, one) for one in reached)


@given(callers, actions, loose_uris, st.text(min_size=1, max_size=12))
def test_an_unknown_option_is_refused(caller: Caller, action: Action, uri: str, option: str) -> None:
    known = {
        "timeout",
        "receive_progress",
        "acknowledge",
        "exclude_me",
        "match",
        "invoke",
        "concurrency",
        "force_reregister",
    }
    assume(option not in known)
    assert not allowed(caller, action, uri, {option: True})


@given(actions, loose_uris, st.sampled_from([EXACT, PREFIX, WILDCARD]))
def test_who_has_no_line_may_do_nothing(action: Action, uri: str, match: str) -> None:
    for role in ("device_duplicate", "app", "trusted", "nobody", "anonymous"):
        for realm in (REALM1, SYSTEM):
            assert not allowed(Caller(role, realm, "S1"), action, uri, {"match": match})


@given(actions, loose_uris)
def test_a_role_means_nothing_in_another_realm(action: Action, uri: str) -> None:
    for role in ("device", "user"):
        assert not allowed(Caller(role, SYSTEM, "S1"), action, uri)


@pytest.mark.parametrize("uri", AGENT_PROCEDURES)
def test_a_device_calls_every_procedure_of_the_agent(uri: str) -> None:
    assert allowed(DEVICE, Action.CALL, uri)
    assert not allowed(DEVICE, Action.REGISTER, uri)


def test_nobody_publishes_the_event_that_ends_all_agents() -> None:
    for role in ROLES:
        for realm in (REALM1, SYSTEM):
            assert refused(Caller(role, realm, "S1"), Action.PUBLISH, NEVER_PUBLISHED) is Reason.NEVER_PUBLISHED


def test_a_testament_is_published_by_a_session_that_ends_only() -> None:
    assert refused(DEVICE, Action.PUBLISH, DEVICE_TESTAMENT) is Reason.NOT_A_TESTAMENT
    assert allowed(Caller("device", REALM1, "S1", is_leaving=True), Action.PUBLISH, DEVICE_TESTAMENT)


def test_force_reregister_is_for_a_devices_own_uris() -> None:
    force = {"force_reregister": True}
    assert allowed(DEVICE, Action.REGISTER, "re.mgmt.S1.x", force)
    assert not allowed(DEVICE, Action.REGISTER, "re.mgmt.S2.x", force)
    for role in SERVICE_ROLES:
        own = f"ironflock.{role.removeprefix('svc_')}.x.y"
        assert allowed(Caller(role, SYSTEM), Action.REGISTER, own)
        assert refused(Caller(role, SYSTEM), Action.REGISTER, own, force) is Reason.OPTION


def test_a_shared_registration_is_for_services_and_round_robin() -> None:
    service = Caller("svc_devices", REALM1)
    assert allowed(service, Action.REGISTER, "ironflock.devices.x", {"invoke": "roundrobin"})
    for policy in ("first", "last", "random", "load", ""):
        assert refused(service, Action.REGISTER, "ironflock.devices.x", {"invoke": policy}) is Reason.OPTION
    assert refused(DEVICE, Action.REGISTER, "re.mgmt.S1.x", {"invoke": "roundrobin"}) is Reason.OPTION


@pytest.mark.parametrize("role", sorted(SERVICE_ROLES))
def test_a_service_registers_its_own_uris_and_no_other_services(role: str) -> None:
    for other in sorted(SERVICE_ROLES):
        name = other.removeprefix("svc_")
        for realm in (REALM1, SYSTEM):
            assert allowed(Caller(role, realm), Action.REGISTER, f"ironflock.{name}.x") is (role == other)
            assert allowed(Caller(role, realm), Action.REGISTER, f"ironflock.{name}.", {"match": PREFIX}) is (
                role == other
            )
    for uri in ("ironflock", "ironflock.", "wamp.session.list", "crossbar.x", "re.mgmt.S1.x"):
        for match in (EXACT, PREFIX):
            assert not allowed(Caller(role, REALM1), Action.REGISTER, uri, {"match": match})


@pytest.mark.parametrize("uri", ["ironflock.auth.device_credential.find", "ironflock.auth.app_credential.find"])
def test_the_secrets_are_for_the_router_itself(uri: str) -> None:
    for role in ROLES:
        for realm in (REALM1, SYSTEM):
            assert not allowed(Caller(role, realm, "S1"), Action.CALL, uri)


@pytest.mark.parametrize(
    "uri",
    ["wamp.session.kill_by_authrole", "wamp.subscription.get_events", "wamp.registration.remove_callee", "crossbar.x"],
)
def test_what_nobody_needs_nobody_may_call(uri: str) -> None:
    for role in ROLES:
        assert not allowed(Caller(role, REALM1, "S1"), Action.CALL, uri)


@pytest.mark.parametrize("match", [PREFIX, WILDCARD])
@pytest.mark.parametrize("uri", ["", "wamp.", "wamp..on_join", "wamp.session.", "reswarm.", "..", "ironflock."])
def test_wide_patterns_are_refused(uri: str, match: str) -> None:
    for role in ROLES:
        for realm in (REALM1, SYSTEM):
            assert not allowed(Caller(role, realm, "S1"), Action.SUBSCRIBE, uri, {"match": match})


def test_an_empty_match_is_an_exact_one() -> None:
    assert allowed(DEVICE, Action.SUBSCRIBE, "wamp.subscription.on_create", {"match": None})
    assert refused(DEVICE, Action.SUBSCRIBE, "wamp.subscription.on_create", {"match": "fuzzy"}) is Reason.MALFORMED_URI
