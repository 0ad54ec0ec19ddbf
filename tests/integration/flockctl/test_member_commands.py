"""`flockctl members`, `invite`, `invitation`, `transfer` and `lock` against a router that plays the platform."""

from datetime import datetime

import pytest

from shared.procedures import plain
from tests.integration.flockctl.command_line import CommandLine, heard
from tests.integration.flockctl.fake_rights import (
    ANNA,
    INVITATION,
    LOCK,
    OWNER,
    TRANSFER,
    VISITOR,
    know_rights,
    uri,
)
from tests.integration.flockctl.fake_router import FakeRouter, RefusedError


@pytest.fixture(autouse=True)
def _knowing(router: FakeRouter) -> None:
    know_rights(router)


def test_members_are_listed_with_what_they_are(router: FakeRouter, flockctl: CommandLine) -> None:
    for_programs = flockctl("member", "list", "3", "--json")
    for_people = flockctl("members", "plant")

    assert for_programs.json == {"members": [plain(OWNER), plain(VISITOR)]}
    assert [line.split()[:3] for line in for_people.out.splitlines()[1:]] == [
        ["1", "o@x.org", "owner"],
        ["5", ANNA, "visitor"],
    ]
    assert heard(router, uri("member.list")) == [{"project": 3}, {"project": "plant"}]


def test_removing_and_leaving_ask_first(router: FakeRouter, flockctl: CommandLine) -> None:
    words = ("member", "remove", ANNA, "--project", "plant")

    assert flockctl(*words, "--json").error["code"] == "not_confirmed"
    assert flockctl("member", "leave", "plant").status == 2
    assert router.script.sessions == []
    removed = flockctl(*words, "--because", "left", "--yes", "--json")
    left = flockctl("member", "leave", "plant", "-y", "--json")

    assert removed.json == {"removed": {"project": "plant", "account": ANNA}}
    assert left.json == {"left": "plant"}
    assert heard(router, uri("member.remove")) == [{"project": "plant", "account": ANNA, "reason": "left"}]
    assert heard(router, uri("member.leave")) == [{"project": "plant"}]


def test_somebody_is_invited(router: FakeRouter, flockctl: CommandLine) -> None:
    for_programs = flockctl("invite", ANNA, "--project", "plant", "--because", "night shift", "--json")
    for_people = flockctl("invite", "5", "--project", "3")

    assert for_programs.json == {"invitation": plain(INVITATION)}
    assert for_people.out.splitlines()[1].split()[:3] == ["12", "plant", ANNA]
    assert heard(router, uri("invitation.create")) == [
        {"project": "plant", "account": ANNA, "reason": "night shift"},
        {"project": 3, "account": 5, "reason": ""},
    ]


def test_invitations_are_listed_to_me_or_of_a_project(router: FakeRouter, flockctl: CommandLine) -> None:
    mine = flockctl("invitation", "list", "--json")
    theirs = flockctl("invitation", "list", "--project", "plant")

    assert mine.json == {"invitations": [plain(INVITATION)]}
    assert "night shift" in theirs.out
    assert heard(router, uri("invitation.list")) == [{}, {"project": "plant"}]


@pytest.mark.parametrize(("verb", "word"), [("accept", "accepted"), ("decline", "declined"), ("revoke", "revoked")])
def test_an_invitation_is_answered(router: FakeRouter, flockctl: CommandLine, verb: str, word: str) -> None:
    ended = flockctl("invitation", verb, "12", "--json")

    assert ended.json == {word: 12}
    assert heard(router, uri(f"invitation.{verb}")) == [{"invitation_key": 12}]


def test_an_invitation_has_a_number(router: FakeRouter, flockctl: CommandLine) -> None:
    assert flockctl("invitation", "accept", "plant", "--json").status == 2
    assert flockctl("invitation", "accept", "0", "--json").status == 2
    assert router.script.sessions == []


def test_a_project_is_offered_accepted_and_withdrawn(router: FakeRouter, flockctl: CommandLine) -> None:
    offered = flockctl("transfer", "offer", "plant", "--to", ANNA, "--because", "moves", "--json")
    listed = flockctl("transfer", "list")
    accepted = flockctl("transfer", "accept", "3", "--json")
    withdrawn = flockctl("transfer", "withdraw", "plant", "--json")

    assert offered.json == {"transfer": plain(TRANSFER)}
    assert listed.out.splitlines()[1].split()[:4] == ["3", "plant", "1", ANNA]
    assert (accepted.json, withdrawn.json) == ({"accepted": 3}, {"withdrawn": "plant"})
    assert heard(router, uri("transfer.offer")) == [{"project": "plant", "account": ANNA, "reason": "moves"}]
    assert heard(router, uri("transfer.accept")) == [{"project": 3}]
    assert heard(router, uri("transfer.withdraw")) == [{"project": "plant"}]
    assert flockctl("transfer", "list", "--json").json == {"transfers": [plain(TRANSFER)]}


def test_an_offer_asks_for_a_fresh_sign_in(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.refuses[uri("transfer.offer")] = RefusedError("ironflock.error.step_up_required", "sign in again")

    ended = flockctl("transfer", "offer", "plant", "--to", ANNA, "--json")

    assert (ended.status, ended.error["code"]) == (1, "step_up_required")


@pytest.mark.parametrize(
    ("words", "kind", "key"),
    [
        (("person", ANNA), "person", ANNA),
        (("person", "9"), "person", "9"),
        (("device", "press-1", "--project", "plant"), "device", "7"),
        (("api-key", "3Fh2kQ9sLm0P"), "api_key", "3Fh2kQ9sLm0P"),
        (("project", "plant"), "project", "3"),
    ],
)
def test_somebody_or_something_is_locked_out_for_a_while(
    router: FakeRouter, flockctl: CommandLine, words: tuple[str, ...], kind: str, key: str
) -> None:
    ended = flockctl("lock", *words, "--for", "2h", "--because", "opened by strangers", "--json")

    assert ended.json == {"lock": plain(LOCK)}
    [sent] = heard(router, uri("lock.create"))
    assert (sent["kind"], sent["key"], sent["reason"]) == (kind, key, "opened by strangers")
    assert abs(datetime.fromisoformat(sent["ends_at"]).timestamp() - router._reactor.seconds() - 7200) < 60


def test_a_lock_without_an_end_stays(router: FakeRouter, flockctl: CommandLine) -> None:
    flockctl("lock", "device", "7")

    assert heard(router, uri("lock.create")) == [{"kind": "device", "key": "7", "reason": ""}]


def test_locks_are_listed_and_ended(router: FakeRouter, flockctl: CommandLine) -> None:
    for_people, for_programs = flockctl("lock", "list"), flockctl("lock", "list", "--json")
    gone = flockctl("lock", "end", "4", "--because", "found", "--json")

    assert for_people.out.splitlines()[1].split()[:3] == ["4", "device", "7"]
    assert "opened by strangers" in for_people.out
    assert for_programs.json == {"locks": [plain(LOCK)]}
    assert gone.json == {"ended": 4}
    assert heard(router, uri("lock.end")) == [{"lock_key": 4, "reason": "found"}]


@pytest.mark.parametrize(
    "words",
    [
        ("person", ANNA, "--for", "soon"),
        ("device", "7", "--for", "2h", "--until", "2026-12-24"),
        ("end", "0"),
        ("end", "press-1"),
        ("project",),
    ],
)
def test_a_lock_that_cannot_be_meant_is_refused_before_anything_is_sent(
    router: FakeRouter, flockctl: CommandLine, words: tuple[str, ...]
) -> None:
    ended = flockctl("lock", *words, "--json")

    assert ended.status == 2
    assert router.script.sessions == []
