"""The encoding of an audit entry, and its vocabulary."""

import base64
import json
from datetime import UTC, datetime, timedelta, timezone
from hashlib import sha256
from pathlib import Path
from typing import Any

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.audit import (
    Action,
    Actor,
    ActorKind,
    Aspect,
    Asset,
    Draft,
    Entry,
    Outcome,
    Personal,
    actor_of,
    canonical_entry,
)
from shared.identities import DeviceIdentity, Person, ServiceIdentity

VECTORS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parents[2] / "vectors" / "audit_entry.json").read_text(encoding="utf-8")
)
DRAFT = Draft(Action.DEVICE_RENAMED, Aspect.NAME, Actor(ActorKind.PERSON, 5), Asset("device", 7))
ENTRY = Entry(1, datetime(2026, 11, 25, tzinfo=UTC), "svc_devices", DRAFT)


def entry_of(said: dict[str, Any]) -> Entry:
    address = said.get("address")
    draft = Draft(
        action=Action(said["action"]),
        aspect=Aspect(said["aspect"]),
        actor=Actor(**{**said["actor"], "kind": ActorKind(said["actor"]["kind"])}),
        asset=Asset(**said["asset"]),
        project_key=said.get("project"),
        before=said.get("before"),
        after=said.get("after"),
        reason=said.get("reason"),
        session=said.get("session"),
        address=Personal(address["account_key"], base64.b64decode(address["sealed"])) if address else None,
        request_id=said.get("request"),
        outcome=Outcome(said.get("outcome", "done")),
    )
    return Entry(said["id"], datetime.fromisoformat(said["time"]), said["service"], draft)


@pytest.mark.parametrize("vector", VECTORS, ids=[vector["desc"] for vector in VECTORS])
def test_the_octets_of_an_entry_are_those_of_the_vectors(vector: dict[str, Any]) -> None:
    octets = canonical_entry(entry_of(vector["input"]))

    assert octets == vector["expected"].encode()
    assert sha256(octets).hexdigest() == vector["sha256"]


def changed() -> list[Entry]:
    drafts: dict[str, list[Any]] = {
        "action": [Action.DEVICE_CREATED],
        "aspect": [Aspect.IDENTITY],
        "actor": [
            Actor(ActorKind.DEVICE, 5),
            Actor(ActorKind.PERSON, 6),
            Actor(ActorKind.PERSON, "5"),
            Actor(ActorKind.PERSON, 5, "c"),
            Actor(ActorKind.PERSON, 5, None, 6),
        ],
        "asset": [Asset("project", 7), Asset("device", 8), Asset("device", "7")],
        "project_key": [0, 1],
        "before": [{}, {"name": None}],
        "after": [{}, {"name": None}],
        "reason": ["", "x"],
        "session": [0, 1],
        "address": [Personal(5, b""), Personal(6, b"")],
        "request_id": ["", "x"],
        "outcome": [Outcome.FAILED],
    }
    assert set(drafts) == {field.name for field in attrs.fields(Draft)}
    entries = [attrs.evolve(ENTRY, draft=attrs.evolve(DRAFT, **{name: v})) for name, vs in drafts.items() for v in vs]
    later = ENTRY.recorded_at + timedelta(microseconds=1)
    return [
        *entries,
        attrs.evolve(ENTRY, entry_id=2),
        attrs.evolve(ENTRY, recorded_at=later),
        attrs.evolve(ENTRY, service="x"),
    ]


def test_no_field_can_change_without_a_change_of_the_octets() -> None:
    octets = [canonical_entry(entry) for entry in [ENTRY, *changed()]]

    assert len(set(octets)) == len(octets)


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53) + 1, 2**53 - 1)
    | st.text(alphabet=st.characters(exclude_categories=["Cs"])),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(alphabet=st.characters(exclude_categories=["Cs"])), inner, max_size=3)
    ),
    max_leaves=10,
)


@given(st.dictionaries(st.sampled_from(["name", "\u00e9", "\ufb33", "\U0001f600"]), values))
def test_the_octets_are_json_that_says_what_the_entry_says(after: dict[str, Any]) -> None:
    octets = canonical_entry(attrs.evolve(ENTRY, draft=attrs.evolve(DRAFT, after=after)))

    assert json.loads(octets)["after"] == after
    assert canonical_entry(attrs.evolve(ENTRY, draft=attrs.evolve(DRAFT, after=json.loads(octets)["after"]))) == octets


@given(st.integers(-23, 23))
def test_the_same_moment_is_the_same_octets_in_every_zone(hours: int) -> None:
    elsewhere = ENTRY.recorded_at.astimezone(timezone(timedelta(hours=hours)))

    assert canonical_entry(attrs.evolve(ENTRY, recorded_at=elsewhere)) == canonical_entry(ENTRY)


IRREGULAR = (
    "begun",
    "chosen",
    "forgotten",
    "withdrawn",
    "claimable_set",
    "default_set",
    "default_unset",
    "given",
    "left",
    "read",
    "lost",
    "reset",
    "set",
    "taken",
    "withdrawn",
)


def test_tags_are_past_tense_and_unique() -> None:
    assert Action("account.erased") is Action.ACCOUNT_ERASED
    assert len({action.value for action in Action}) == len(Action)
    for action in Action:
        noun, _, verb = action.value.partition(".")
        assert noun.replace("_", "").isalpha()
        assert verb.endswith("ed") or verb in IRREGULAR
        assert action.name == action.value.replace(".", "_").upper()


@pytest.mark.parametrize(
    ("caller", "actor"),
    [
        (Person(5, 11, "key"), Actor(ActorKind.PERSON, 5, credential="key")),
        (DeviceIdentity(3, 7, 11), Actor(ActorKind.DEVICE, 7)),
        (ServiceIdentity("devices", 11), Actor(ActorKind.SERVICE, "devices")),
    ],
)
def test_every_caller_is_an_actor(caller: Person | DeviceIdentity | ServiceIdentity, actor: Actor) -> None:
    assert actor_of(caller) == actor


def test_a_personal_value_shows_itself_nowhere_but_in_the_entry() -> None:
    assert "sealed" not in repr(Personal(5, b"sealed"))
