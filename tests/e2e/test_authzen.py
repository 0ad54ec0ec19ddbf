"""AuthZEN on a running platform: what it says is what `ironflock.privileges` says on the bus."""

import json
import uuid
from typing import Any

import pytest

from shared.flags import FLAGS, AssetKind
from tests.harness.accounts import Stranger
from tests.harness.clients import Account
from tests.harness.rest import Reply, RestClient
from tests.harness.running import RunningPlatform

pytestmark = pytest.mark.real

RIGHTS = "ironflock.privileges"
GIVEN = ["READ", "MAINTAIN"]


class Decisions:
    """The endpoints, asked with one credential."""

    def __init__(self, platform: RunningPlatform, api_key: str) -> None:
        """Ask with `api_key`."""
        self._rest = RestClient(platform, None)
        self._headers = [("authorization", f"Bearer {api_key}"), ("content-type", "application/json")]

    def ask(self, path: str, body: Any, **headers: str) -> Reply:
        """The reply of an endpoint."""
        named = [(name.replace("_", "-"), value) for name, value in headers.items()]
        return self._rest.send("POST", f"/access/v1{path}", [*self._headers, *named], json.dumps(body).encode())

    def everything(self, path: str, body: dict[str, Any], limit: int) -> list[str]:
        """What a search finds, page by page: ids, or names of actions."""
        found: list[str] = []
        page: dict[str, Any] = {"limit": limit}
        while True:
            reply = self.ask(path, {**body, "page": page})
            assert reply.status == 200, reply
            assert len(reply.json["results"]) <= limit
            found += [each.get("id") or each["name"] for each in reply.json["results"]]
            if not reply.json["page"]["next_token"]:
                return found
            page = {"token": reply.json["page"]["next_token"]}


def person(key: object) -> dict[str, str]:
    return {"type": "person", "id": str(key)}


def asset(kind: str, key: object) -> dict[str, str]:
    return {"type": kind, "id": str(key)}


@pytest.fixture(name="device")
def fixture_device(owner: Account, stranger: Stranger) -> dict[str, Any]:
    """A device of the owner's, in whose project the stranger is a member with some flags on it."""
    made = owner.device()
    asked = owner.call(f"{RIGHTS}.invitation.create", project=made["project_key"], account=stranger.login_name)
    stranger.account.call(f"{RIGHTS}.invitation.accept", invitation_key=asked["invitation_key"])
    given = {"account": stranger.account_key, "kind": "device", "key": made["device_key"], "flags": GIVEN}
    owner.call(f"{RIGHTS}.grant.give", **given)
    return made


def test_each_decision_is_that_of_the_bus(
    ironflock: RunningPlatform, owner: Account, stranger: Stranger, device: dict[str, Any]
) -> None:
    decisions = Decisions(ironflock, owner.api_key)
    places = [("device", device["device_key"]), ("project", device["project_key"])]
    owner_key = owner.call("ironflock.auth.account.me")["account_key"]
    asked = [
        {"kind": kind, "key": key, "flag": flag, "account": account}
        for kind, key in places
        for flag in FLAGS[AssetKind(kind)]
        for account in (owner_key, stranger.account_key)
    ]
    evaluations = [
        {
            "subject": person(each["account"]),
            "resource": asset(each["kind"], each["key"]),
            "action": {"name": each["flag"]},
        }
        for each in asked
    ]

    said = owner.call(f"{RIGHTS}.flag.check_many", checks=asked)["answers"]
    several = decisions.ask("/evaluations", {"evaluations": evaluations}).json["evaluations"]

    assert [each["decision"] for each in several] == [each["allowed"] for each in said]
    assert [each["context"]["rule"] for each in several] == [each["rule"] for each in said]
    assert {each["allowed"] for each in said} == {True, False}
    for evaluation, check in list(zip(evaluations, asked, strict=True))[::7]:
        one = owner.call(f"{RIGHTS}.flag.check", **check)
        assert decisions.ask("/evaluation", evaluation).json["decision"] == one["allowed"]


def test_each_search_finds_what_the_bus_lists(
    ironflock: RunningPlatform, owner: Account, stranger: Stranger, device: dict[str, Any]
) -> None:
    decisions, theirs = Decisions(ironflock, owner.api_key), Decisions(ironflock, stranger.account.api_key)
    where, read = asset("device", device["device_key"]), {"name": "READ"}
    named = {"kind": "device", "key": device["device_key"]}

    people = owner.call(f"{RIGHTS}.person.list", flag="READ", **named)["people"]
    assets = stranger.account.call(f"{RIGHTS}.asset.list", kind="device", flag="READ")["keys"]
    flags = stranger.account.call(f"{RIGHTS}.flag.explain", **named)["flags"]
    who = decisions.everything("/search/subject", {"subject": {"type": "person"}, "action": read, "resource": where}, 1)
    about = {"subject": person(stranger.account_key), "action": read, "resource": {"type": "device"}}
    what = theirs.everything("/search/action", {"subject": person(stranger.account_key), "resource": where}, 1)

    assert who == [str(each["account_key"]) for each in people]
    assert str(stranger.account_key) in who
    assert theirs.everything("/search/resource", about, 1) == [str(key) for key in assets] == [where["id"]]
    assert what == sorted(flag for flag, answer in flags.items() if answer["allowed"]) == sorted(GIVEN)


def test_what_is_taken_is_denied_at_once(
    ironflock: RunningPlatform, owner: Account, stranger: Stranger, device: dict[str, Any]
) -> None:
    theirs = Decisions(ironflock, stranger.account.api_key)
    question = {
        "subject": person(stranger.account_key),
        "action": {"name": "READ"},
        "resource": asset("device", device["device_key"]),
    }
    assert theirs.ask("/evaluation", question).json["decision"] is True

    owner.call(f"{RIGHTS}.grant.take", account=stranger.account_key, kind="device", key=device["device_key"])

    assert theirs.ask("/evaluation", question).json["decision"] is False


def test_about_others_only_whoever_grants_is_told(
    ironflock: RunningPlatform, owner: Account, stranger: Stranger, device: dict[str, Any]
) -> None:
    owner_key = owner.call("ironflock.auth.account.me")["account_key"]
    question = {
        "subject": person(owner_key),
        "action": {"name": "READ"},
        "resource": asset("device", device["device_key"]),
    }
    theirs = Decisions(ironflock, stranger.account.api_key)

    assert theirs.ask("/evaluation", question).status == 403
    assert theirs.ask("/search/subject", question).status == 403
    assert theirs.ask("/search/action", question).status == 403


def test_what_there_is_not_is_denied(ironflock: RunningPlatform, owner: Account) -> None:
    decisions, owner_key = Decisions(ironflock, owner.api_key), owner.call("ironflock.auth.account.me")["account_key"]
    question = {"subject": person(owner_key), "action": {"name": "READ"}, "resource": asset("device", 2**53 - 1)}
    several = [{}, {"subject": person("nobody@example.com")}, {"resource": asset("spaceship", 1)}]

    replies = [decisions.ask("/evaluation", {**question, **each}) for each in several]
    batch = decisions.ask("/evaluations", {**question, "evaluations": several})

    assert [(reply.status, reply.json["decision"]) for reply in replies] == [(200, False)] * 3
    assert [each["decision"] for each in batch.json["evaluations"]] == [False] * 3
    assert decisions.ask("/search/action", question).json["results"] == []


def test_a_client_finds_the_endpoints_by_itself(ironflock: RunningPlatform, owner: Account) -> None:
    nobody = RestClient(ironflock, None)
    document = nobody.send("GET", "/.well-known/authzen-configuration", []).json
    base, identifier = document["policy_decision_point"], str(uuid.uuid4())

    assert base.startswith("https://")
    assert base.endswith(f":{ironflock.ports.gateway}")
    paths = [where.removeprefix(f"{base}/access/v1") for name, where in document.items() if name.endswith("_endpoint")]
    replies = [Decisions(ironflock, owner.api_key).ask(path, {}, x_request_id=identifier) for path in paths]
    assert [(reply.status, reply.headers["x-request-id"]) for reply in replies] == [(400, identifier)] * 5
    assert nobody.send("POST", "/access/v1/evaluation", [("content-type", "application/json")], b"{}").status == 401
