"""`flockctl grant`, `can`, `explain` and the rest about rights, against a router that plays the platform."""

from datetime import datetime
from typing import Any

import pytest
from attrs import evolve

from deploy.backup.reviving import RESTORED
from services.privileges.records.locks import LockList
from services.privileges.records.questions import Answer, PeoplePage
from shared.procedures import NoArguments, plain
from shared.rights.records import LockKind, Rule
from tests.integration.flockctl.command_line import CommandLine, heard
from tests.integration.flockctl.fake_fleet import DEVICE
from tests.integration.flockctl.fake_rights import (
    ANNA,
    CHANGE,
    EXPLANATION,
    FLAG,
    GRANT,
    LOCK,
    NO,
    PERSON,
    PRESS,
    YES,
    answer_with,
    know_rights,
    uri,
)
from tests.integration.flockctl.fake_router import FakeRouter, RefusedError

DEVICE_SHOW = "ironflock.devices.device.show"


@pytest.fixture(autouse=True)
def _knowing(router: FakeRouter) -> None:
    know_rights(router)


def test_flags_are_granted_on_what_a_name_means_until_an_end(router: FakeRouter, flockctl: CommandLine) -> None:
    words = ("grant", ANNA, "read,OPERATE,READ", "--on", "device:press-1", "--project", "plant")
    ends = ("--until", "2026-12-24T13:00:00+01:00", "--because", "night shift")

    ended = flockctl(*words, *ends, "--json")

    given = {"account": ANNA, "flags": ["READ", "OPERATE"], "ends_at": "2026-12-24T12:00:00Z", **PRESS}
    assert ended.json == {"granted": {**given, "is_visit": False}}
    assert heard(router, uri("grant.give")) == [{**given, "is_visit": False, "reason": "night shift"}]
    assert heard(router, DEVICE_SHOW) == [{"device": "press-1", "project": "plant"}]


def test_a_visit_lasts_as_long_as_was_said(router: FakeRouter, flockctl: CommandLine) -> None:
    ended = flockctl("grant", "5", "READ", "--on", "device:7", "--visit", "--for", "8h")

    [sent] = heard(router, uri("grant.give"))
    lasts = datetime.fromisoformat(sent["ends_at"]).timestamp() - router._reactor.seconds()
    assert 8 * 3600 - 60 < lasts <= 8 * 3600
    assert (sent["account"], sent["is_visit"]) == (5, True)
    assert ended.out.startswith("5 has READ on device 7 until 20")


@pytest.mark.parametrize(
    ("on", "asset"),
    [
        ("device:press-1", PRESS),
        ("device:8", {"kind": "device", "key": 8}),
        ("project:plant", {"kind": "project", "key": 3}),
        ("group:line-4", {"kind": "group", "key": 6}),
        ("app:7", {"kind": "app", "key": 7}),
        ("board:7", {"kind": "board", "key": 7}),
        ("data-backend:7", {"kind": "data_backend", "key": 7}),
        ("installation", {"kind": "installation", "key": 1}),
    ],
)
def test_what_a_right_is_on_is_named_by_kind_and_name_or_key(
    router: FakeRouter, flockctl: CommandLine, on: str, asset: dict[str, Any]
) -> None:
    ended = flockctl("grants", "--on", on)

    assert ended.status == 0
    assert [{name: sent[name] for name in asset} for sent in heard(router, uri("grant.list"))] == [asset]


@pytest.mark.parametrize(
    "words",
    [
        ("grant", ANNA, "READ", "--on", "press-1"),
        ("grant", ANNA, "READ", "--on", "device"),
        ("grant", ANNA, "READ", "--on", "board:line"),
        ("grant", ANNA, "READ", "--on", "installation:1"),
        ("grant", ANNA, "READ,", "--on", "device:7"),
        ("grant", ANNA, "READ", "--on", "project:plant", "--project", "plant"),
        ("grant", ANNA, "READ", "--on", "device:7", "--until", "24h"),
        ("grant", ANNA, "READ", "--on", "device:7", "--for", "0h"),
        ("grant", ANNA, "READ", "--on", "device:7", "--for", "8h", "--until", "2026-12-24"),
        ("grant", ANNA, "READ", "--on", "device:7", "--visit"),
        ("revoke", ANNA, "--on", "device:7"),
        ("revoke", ANNA, "READ", "--all", "--on", "device:7"),
        ("can", ANNA, "BERT", "READ", "--on", "device:7"),
        ("can", "READ,UPDATE", "--on", "device:7"),
        ("can", "READ"),
        ("who-can", "READ,UPDATE", "--on", "device:7"),
        ("where-can", "READ", "--on", "device:7"),
        ("rights-history", "--limit", "3", "--all"),
        ("default", "set", "READ", "--on", "press", "--project", "plant"),
        ("default", "unset", "--on", "device", "--project", "plant"),
    ],
)
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(
    router: FakeRouter, flockctl: CommandLine, words: tuple[str, ...]
) -> None:
    ended = flockctl(*words, "--json")

    assert ended.status == 2
    assert ended.error["code"] in {"usage", "invalid_argument"}
    assert router.script.sessions == []


def test_who_may_not_give_is_told_so(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.refuses[uri("grant.give")] = RefusedError(
        "wamp.error.not_authorized", "it needs GRANT there", missing="GRANT"
    )

    for_programs = flockctl("grant", ANNA, "READ", "--on", "device:7", "--json")
    for_people = flockctl("grant", ANNA, "READ", "--on", "device:7")

    assert (for_programs.status, for_programs.error["code"]) == (1, "not_authorized")
    assert for_people.err == "flockctl: it needs GRANT there (not_authorized)\n"


def test_flags_are_taken_some_or_all(router: FakeRouter, flockctl: CommandLine) -> None:
    some = flockctl("revoke", ANNA, "READ", "--on", "device:press-1", "--because", "left", "--json")
    everything = flockctl("revoke", ANNA, "--all", "--on", "device:press-1")

    assert some.json == {"revoked": {"account": ANNA, "flags": ["READ"], **PRESS}}
    assert everything.out == f"what was given to {ANNA} on device press-1 is taken\n"
    assert heard(router, uri("grant.take")) == [
        {"account": ANNA, "flags": ["READ"], **PRESS, "reason": "left"},
        {"account": ANNA, **PRESS, "reason": ""},
    ]


def test_grants_are_listed(flockctl: CommandLine) -> None:
    assert flockctl("grants", "--on", "device:7", "--json").json == {"grants": [plain(GRANT)]}
    row = flockctl("grants", "--on", "device:7").out.splitlines()[1]
    assert row.split()[:3] == ["17", ANNA, "READ"]
    assert "visit" in row


def test_yes_is_status_0_and_says_why(router: FakeRouter, flockctl: CommandLine) -> None:
    for_people = flockctl("can", ANNA, "maintain", "--on", "device:press-1")
    for_programs = flockctl("can", "MAINTAIN", "--on", "device:press-1", "--at", "2026-11-25T10:00:00Z", "--json")

    assert for_people.status == for_programs.status == 0
    assert for_people.out.startswith("yes: grant 17, on a group that the device is in, until 2026-12-2")
    assert for_programs.json == {"answer": plain(YES)}
    assert heard(router, uri("flag.check")) == [
        {"flag": "MAINTAIN", "account": ANNA, **PRESS},
        {"flag": "MAINTAIN", **PRESS, "at": "2026-11-25T10:00:00Z"},
    ]


def test_no_has_a_status_of_its_own(router: FakeRouter, flockctl: CommandLine) -> None:
    answer_with(router, "flag.check", NO)

    for_people = flockctl("can", "5", "READ", "--on", "device:7")
    for_programs = flockctl("can", "5", "READ", "--on", "device:7", "--json")

    assert (for_people.status, for_people.out) == (4, "no: no member of the project\n")
    assert (for_programs.status, for_programs.json, for_programs.err) == (4, {"answer": plain(NO)}, "")


def test_a_flag_that_there_is_not_is_a_mistake_and_no_answer(router: FakeRouter, flockctl: CommandLine) -> None:
    answer_with(router, "flag.check", Answer(False, Rule.UNKNOWN_FLAG, None, None))

    ended = flockctl("can", "REED", "--on", "device:7", "--json")

    assert (ended.status, ended.error["code"], ended.out) == (1, "unknown_flag", "")


def test_a_question_about_what_may_not_be_seen_is_no_answer(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.refuses[DEVICE_SHOW] = RefusedError("ironflock.error.not_found", "there is no such device")

    ended = flockctl("can", "READ", "--on", "device:press-1", "--json")

    assert (ended.status, ended.error["code"]) == (1, "not_found")
    assert heard(router, uri("flag.check")) == []


def test_everybody_who_can_is_listed_from_all_pages(router: FakeRouter, flockctl: CommandLine) -> None:
    def answer(**arguments: Any) -> Any:
        following = None if "cursor" in arguments else "c1"
        return plain(PeoplePage([PERSON], following))

    router.script.procedures[uri("person.list")] = answer

    for_programs = flockctl("who-can", "maintain", "--on", "device:7", "--json")
    for_people = flockctl("who-can", "maintain", "--on", "device:7")

    assert for_programs.json == {"people": [plain(PERSON)] * 2}
    assert [sent.get("cursor") for sent in heard(router, uri("person.list"))][:2] == [None, "c1"]
    assert for_people.out.splitlines()[1].split() == ["5", ANNA, "default", "of", "the", "project", "-"]


def test_where_somebody_can_has_the_names_that_one_may_see(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures["ironflock.devices.device.list"] = lambda **_: {"devices": [DEVICE], "next": None}

    for_programs = flockctl("where-can", ANNA, "READ", "--on", "device", "--json")
    boards = flockctl("where-can", "READ", "--on", "board")

    named = [{**PRESS, "name": "press-1"}, {"kind": "device", "key": 8, "name": None}]
    assert for_programs.json == {"assets": named}
    assert [line.split() for line in boards.out.splitlines()] == [["KEY", "NAME"], ["7"], ["8"]]
    assert heard(router, uri("asset.list"))[0] == {"kind": "device", "flag": "READ", "account": ANNA, "limit": 500}


def test_an_explanation_has_every_flag_with_its_reason(router: FakeRouter, flockctl: CommandLine) -> None:
    for_programs = flockctl("explain", ANNA, "--on", "device:press-1", "--at", "2026-11-25", "--json")
    for_people = flockctl("explain", "--on", "device:press-1")

    assert for_programs.json == {"explanation": plain(EXPLANATION)}
    assert [line.split()[:3] for line in for_people.out.splitlines()[1:]] == [
        ["READ", "yes", "grant"],
        ["GRANT", "no", "no"],
    ]
    first, second = heard(router, uri("flag.explain"))
    assert (first["account"], "at" in first) == (ANNA, True)
    assert second == PRESS


def test_the_history_is_of_a_thing_of_somebody_or_ones_own(router: FakeRouter, flockctl: CommandLine) -> None:
    of_both = flockctl("rights-history", ANNA, "--on", "device:press-1", "--limit", "7", "--json")
    own = flockctl("rights-history")

    assert of_both.json == {"changes": [plain(CHANGE)], "next": "more"}
    assert heard(router, uri("change.list")) == [
        {"account": ANNA, **PRESS, "limit": 7},
        {"account": 5, "limit": 50},
    ]
    assert "visit taken" in own.out
    assert "device 7" in own.out
    assert "\\x1b[31mdone" in own.out
    assert "there are more" in own.err


def test_the_table_of_flags_is_shown(flockctl: CommandLine) -> None:
    assert flockctl("flags", "--json").json == {"flags": [plain(FLAG)]}
    assert flockctl("flags").out.splitlines()[1].split() == ["device", "READ", "see", "state"]


def test_defaults_are_set_listed_and_unset(router: FakeRouter, flockctl: CommandLine) -> None:
    where = ("--on", "device", "--project", "plant")

    put = flockctl("default", "set", "READ", *where, "--until", "2026-12-24T12:00:00Z", "--json")
    listed = flockctl("default", "list", "plant")
    gone = flockctl("default", "unset", "READ", *where)
    flockctl("default", "unset", "--all", *where)

    said = {"project": "plant", "kind": "device", "flags": ["READ"]}
    assert put.json == {"default": {**said, "ends_at": "2026-12-24T12:00:00Z"}}
    assert listed.out.splitlines()[1].split() == ["device", "READ", "-"]
    assert gone.status == 0
    assert heard(router, uri("default.set")) == [{**said, "ends_at": "2026-12-24T12:00:00Z", "reason": ""}]
    assert heard(router, uri("default.unset")) == [
        {**said, "reason": ""},
        {"project": "plant", "kind": "device", "reason": ""},
    ]
    assert flockctl("default", "list", "plant", "--json").json["defaults"][0]["flag"] == "READ"


CHANGES = {
    "grant.give": ["grant", ANNA, "READ", "--on", "device:7"],
    "grant.take": ["revoke", ANNA, "READ", "--on", "device:7"],
    "default.set": ["default", "set", "READ", "--on", "device", "--project", "plant"],
    "invitation.create": ["invite", ANNA, "--project", "plant"],
    "member.remove": ["member", "remove", ANNA, "--project", "plant", "--yes"],
    "transfer.accept": ["transfer", "accept", "3"],
    "lock.create": ["lock", "device", "7"],
    "lock.end": ["lock", "end", "4"],
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_without_an_answer_is_not_sent_again(router: FakeRouter, flockctl: CommandLine, name: str) -> None:
    router.script.procedures[uri(name)] = lambda **_: router.script.session.reset()

    ended = flockctl(*CHANGES[name], "--json")

    assert (ended.status, ended.error["code"]) == (3, "outcome_unknown")
    assert len(heard(router, uri(name))) == 1


def test_after_a_restore_those_who_were_asked_are_let_in_and_no_other_lock_is_touched(
    router: FakeRouter, flockctl: CommandLine
) -> None:
    waiting = [evolve(LOCK, lock_key=8, kind=LockKind.PERSON, key="5", reason=RESTORED)]
    waiting.append(evolve(LOCK, lock_key=9, kind=LockKind.API_KEY, key="3Fh2kQ9sLm0P", reason=RESTORED))
    answer_with(router, "lock.list", LockList([LOCK, *waiting]), NoArguments)

    one = flockctl("lock", "confirm", "5", "7", "--because", "asked them", "--json")
    everybody = flockctl("lock", "confirm", "--all", "--yes", "--json")

    assert one.json == {"ended": [plain(waiting[0])]}
    assert everybody.json == {"ended": [plain(each) for each in waiting]}
    ended = [each["lock_key"] for each in heard(router, uri("lock.end"))]
    assert ended == [8, 8, 9]
    assert flockctl("lock", "confirm").status == flockctl("lock", "confirm", "5", "--all").status == 2
