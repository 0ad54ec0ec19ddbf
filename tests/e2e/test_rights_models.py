"""Random rights on a running platform: the bus, REST and AuthZEN say what the oracle says.

The many models, with clocks, are in tests/integration/privileges/test_models.py; here a few go through every door.
"""

import json
from typing import Any

import pytest
from attrs import evolve, frozen
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from shared.flags import FLAGS, AssetKind
from tests.harness.accounts import Stranger, add_stranger
from tests.harness.clients import Account
from tests.harness.rest import RestClient
from tests.harness.running import RunningPlatform
from tests.integration.router_node.wire import WampError
from tests.unit.shared.rights.oracle import Given, World

pytestmark = pytest.mark.real
RIGHTS = "ironflock.privileges"
PROJECT, DEVICE = AssetKind.PROJECT, AssetKind.DEVICE
SOON = "2099-01-01T00:00:00Z"
NOW = 1_700_000_000.0


@frozen
class Change:
    """One change: what, to which of two people, which flag, on the project or its device."""

    what: str
    person: int
    kind: AssetKind
    flag: str
    has_end: bool


def flags(kind: AssetKind) -> Any:
    return st.sampled_from(list(FLAGS[kind]))


CHANGES = st.sampled_from([PROJECT, DEVICE]).flatmap(
    lambda kind: st.builds(
        Change,
        what=st.sampled_from(["give", "give", "give", "take", "default", "no default", "leave", "come"]),
        person=st.integers(0, 1),
        kind=st.just(kind),
        flag=flags(kind),
        has_end=st.booleans(),
    )
)


class Doors:
    """One project with one device, changed over the bus, asked through every door."""

    def __init__(self, platform: RunningPlatform, owner: Account, people: list[Stranger]) -> None:
        self._owner, self._people = owner, people
        self._rest = RestClient(platform, owner.api_key)
        self._plain = RestClient(platform, None)
        made = owner.device()
        self.keys = {PROJECT: made["project_key"], DEVICE: made["device_key"]}
        me = owner.call("ironflock.auth.account.me")["account_key"]
        self.accounts = [me, *(each.account_key for each in people)]
        self.model = World(me, frozenset(), (), (), {}, 0, is_app_public=False)

    def do(self, change: Change) -> None:
        """Make the change, in the platform and in the model, where it can be made."""
        person = self._people[change.person]
        asset = (change.kind, self.keys[change.kind])
        named = {"account": person.account_key, "kind": change.kind.value, "key": asset[1], "flags": [change.flag]}
        is_member = person.account_key in self.model.members
        match change.what:
            case "give" if is_member:
                self._owner.call(f"{RIGHTS}.grant.give", **named, ends_at=SOON if change.has_end else None)
                self.model = evolve(self.model, given=(*self._without(change), self._given(change)))
            case "take":
                self._owner.call(f"{RIGHTS}.grant.take", **named)
                self.model = evolve(self.model, given=self._without(change))
            case "default" | "no default":
                self._default(change)
            case "come" if not is_member:
                self._come(person)
                self.model = evolve(self.model, members=self.model.members | {person.account_key})
            case "leave" if is_member:
                person.account.call(f"{RIGHTS}.member.leave", project=self.keys[PROJECT])
                left = tuple(each for each in self.model.given if each.person != person.account_key)
                self.model = evolve(self.model, members=self.model.members - {person.account_key}, given=left)
            case _:
                with pytest.raises(WampError):
                    self._owner.call(f"{RIGHTS}.member.remove", project=self.keys[PROJECT], account=self.accounts[0])

    def compare(self) -> None:
        """Every door says what the model says, of everybody and every flag."""
        asked = [
            {"kind": kind.value, "key": key, "flag": flag, "account": account}
            for kind, key in self.keys.items()
            for flag in FLAGS[kind]
            for account in self.accounts
        ]
        expected = [
            self.model.has(each["account"], each["flag"], (AssetKind(each["kind"]), each["key"]), NOW) for each in asked
        ]
        bus = self._owner.call(f"{RIGHTS}.flag.check_many", checks=asked)["answers"]
        rest = self._rest.ask("POST", "/checks", {"checks": asked}).json["answers"]
        assert [each["allowed"] for each in bus] == expected
        assert rest == bus
        assert self._authzen(asked) == expected
        for account in self.accounts[1:]:
            self._compare_of(account)

    def _compare_of(self, account: int) -> None:
        """What the platform itself does for a person follows from the same flags."""
        theirs = next(each.account for each in self._people if each.account_key == account)
        sees = self.model.has(account, "READ", (DEVICE, self.keys[DEVICE]), NOW)
        listed = [each["device_key"] for each in theirs.call("ironflock.devices.device.list")["devices"]]
        assert (self.keys[DEVICE] in listed) is sees
        sees_project = self.model.has(account, "READ", (PROJECT, self.keys[PROJECT]), NOW)
        projects = [each["project_key"] for each in theirs.call("ironflock.realms.project.list")["projects"]]
        assert (self.keys[PROJECT] in projects) is sees_project

    def _authzen(self, asked: list[dict[str, Any]]) -> list[bool]:
        evaluations = [
            {
                "subject": {"type": "person", "id": str(each["account"])},
                "resource": {"type": each["kind"], "id": str(each["key"])},
                "action": {"name": each["flag"]},
            }
            for each in asked
        ]
        headers = [("authorization", f"Bearer {self._owner.api_key}"), ("content-type", "application/json")]
        body = json.dumps({"evaluations": evaluations}).encode()
        reply = self._plain.send("POST", "/access/v1/evaluations", headers, body)
        return [each["decision"] for each in reply.json["evaluations"]]

    def _default(self, change: Change) -> None:
        named = {"project": self.keys[PROJECT], "kind": change.kind.value, "flags": [change.flag]}
        others = tuple(each for each in self.model.defaults if each[:2] != (change.kind, change.flag))
        if change.what == "default":
            self._owner.call(f"{RIGHTS}.default.set", **named)
            self.model = evolve(self.model, defaults=(*others, (change.kind, change.flag, None)))
        else:
            self._owner.call(f"{RIGHTS}.default.unset", **named)
            self.model = evolve(self.model, defaults=others)

    def _come(self, person: Stranger) -> None:
        asked = self._owner.call(f"{RIGHTS}.invitation.create", project=self.keys[PROJECT], account=person.login_name)
        person.account.call(f"{RIGHTS}.invitation.accept", invitation_key=asked["invitation_key"])

    def _given(self, change: Change) -> Given:
        asset = (change.kind, self.keys[change.kind])
        end = NOW + 10**9 if change.has_end else None
        return Given(self._people[change.person].account_key, change.flag, asset, end, is_visit=False)

    def _without(self, change: Change) -> tuple[Given, ...]:
        gone = self._given(change)
        return tuple(
            each
            for each in self.model.given
            if (each.person, each.flag, each.asset) != (gone.person, gone.flag, gone.asset)
        )


def test_every_door_says_the_same(ironflock: RunningPlatform, owner: Account) -> None:
    people = [add_stranger(ironflock), add_stranger(ironflock)]

    @settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None)
    @given(changes=st.lists(CHANGES, min_size=6, max_size=12))
    def try_it(changes: list[Change]) -> None:
        doors = Doors(ironflock, owner, people)
        for change in [Change("come", 0, PROJECT, "READ", has_end=False), *changes]:
            doors.do(change)
        doors.compare()

    try_it()
