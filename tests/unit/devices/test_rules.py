"""The decisions of devices."""

import json
import math
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.devices.records.agents import CheckPrivilege
from services.devices.records.apps import AppCredential
from services.devices.records.devices import Device, FlockSettings, Group, Machine, PublicDevice
from services.devices.rules import devices as rules
from shared.flags import AssetKind
from shared.identities import DeviceIdentity
from shared.rights.records import Asset, Default, Grant, Standing
from shared.rights.rules import decide
from shared.scopes import EVERYTHING, Scopes, parse_scopes

NOW = datetime(2026, 11, 25, tzinfo=UTC)
SERIAL = UUID("0b5e8a1c-2f6d-4e3a-9c7b-1a2b3c4d5e6f")
DEVICE = Device(
    device_key=7,
    project_key=3,
    project_name="plant",
    owner_account_key=5,
    owner_name="owner@localhost",
    name="press-1",
    description="the first",
    serial_number=SERIAL,
    state="flashed",
    flash_id=UUID(int=1),
    status="CONNECTED",
    status_since=NOW,
    session=11,
    created_at=NOW,
    flashed_at=NOW,
    architecture=None,
    os=None,
    agent_version=None,
    moved_from=None,
    is_claimable=False,
    groups=frozenset({20}),
)
SETTINGS = FlockSettings("wss://localhost:8443/ws-re-dev", "localhost:5000/", "apps/", "https://localhost:8445", None)
# Source: wire-agent section 1, the struct of the agent's loader; what it does not read may be any JSON.
FLOCK_TYPES: dict[str, type] = {
    "secret": str,
    "swarm_key": int,
    "device_key": int,
    "serial_number": str,
    "device_endpoint_url": str,
    "docker_registry_url": str,
    "docker_main_repository": str,
    "name": str,
    "swarm_name": str,
    "swarm_owner_name": str,
    "environment": str,
    "appliance_domain": str,
    "update_url": str,
    "board": dict,
    "insecure-registries": str,
    "authentication": dict,
    "status": str,
    "password": str,
    "wlanssid": str,
    "description": str,
    "architecture": str,
    "config_passphrase": str,
}
REQUIRED = (
    "secret",
    "swarm_key",
    "device_key",
    "serial_number",
    "device_endpoint_url",
    "docker_registry_url",
    "docker_main_repository",
    "update_url",
)
texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]))


def test_the_flock_of_a_device_is_exactly_this() -> None:
    assert rules.flock(DEVICE, "s3cret", SETTINGS) == {
        "name": "press-1",
        "description": "the first",
        "swarm_name": "plant",
        "swarm_owner_name": "owner@localhost",
        "swarm_key": 3,
        "device_key": 7,
        "serial_number": "0b5e8a1c-2f6d-4e3a-9c7b-1a2b3c4d5e6f",
        "secret": "s3cret",
        "device_endpoint_url": "wss://localhost:8443/ws-re-dev",
        "docker_registry_url": "localhost:5000/",
        "docker_main_repository": "apps/",
        "update_url": "https://localhost:8445",
        "environment": "production",
        "status": "DISCONNECTED",
        "architecture": "",
        "board": {},
        "authentication": {"key": "", "certificate": ""},
    }


@given(texts, texts, st.integers(1, 2**53 - 1), st.none() | st.just("ironflock.example.com"), st.none() | texts)
def test_every_value_of_a_flock_has_the_type_that_the_agent_reads(
    name: str, description: str, key: int, domain: str | None, architecture: str | None
) -> None:
    device = attrs.evolve(DEVICE, name=name, description=description, device_key=key, architecture=architecture)

    flock = json.loads(json.dumps(rules.flock(device, "s3cret", attrs.evolve(SETTINGS, appliance_domain=domain))))

    assert {name: type(value) for name, value in flock.items()} == {name: FLOCK_TYPES[name] for name in flock}
    assert all(flock[name] for name in REQUIRED)
    assert flock["device_key"] == key
    assert "." not in flock["serial_number"]
    assert ("appliance_domain" in flock) == (domain is not None)
    assert all(type(value) is str for value in flock["authentication"].values())
    assert "model" not in flock["board"]  # `appliance` would have the agent call the registry's clean-up


# Source: wire-sdk section 1, what SDKs read; the agent alone adds the rest.
READ_BY_SDKS = {
    "DEVICE_SERIAL_NUMBER",
    "DEVICE_KEY",
    "DEVICE_NAME",
    "SWARM_KEY",
    "APP_KEY",
    "APP_NAME",
    "ENV",
    "DEVICE_ENDPOINT_URL",
    "RESWARM_URL",
    "APP_AUTH_ID",
    "APP_AUTH_SECRET",
    "TUNNEL_DOMAIN",
}


@given(
    st.integers(1, 2**53 - 1),
    st.none() | texts,
    st.sampled_from(["DEV", "PROD"]),
    st.none() | st.just("ironflock.example.com"),
)
def test_an_environment_is_texts_and_names_the_device_and_its_app(
    key: int, name: str | None, stage: str, domain: str | None
) -> None:
    settings = attrs.evolve(SETTINGS, appliance_domain=domain)

    found = rules.environment(DEVICE, rules.ContainerApp(key, name, stage), AppCredential("id", "s3cret"), settings)

    assert set(found) == (READ_BY_SDKS | {"DEVICE_URL"}) - ({"APP_NAME"} if name is None else set())
    assert all(type(value) is str for value in found.values())
    assert (found["APP_KEY"], found["ENV"], found.get("APP_NAME")) == (str(key), stage, name)
    assert (found["SWARM_KEY"], found["DEVICE_KEY"], found["DEVICE_SERIAL_NUMBER"]) == ("3", "7", str(SERIAL))
    assert (found["APP_AUTH_ID"], found["APP_AUTH_SECRET"]) == ("id", "s3cret")
    assert found["TUNNEL_DOMAIN"] == (domain or "app.ironflock.com")
    assert found["DEVICE_URL"] == "https://localhost:8445/owner@localhost/swarms/plant/settings/devices/press-1"
    assert "DEVICE_SECRET" not in found  # which would open the control realm


@pytest.mark.parametrize("project_key", [None, 3])
def test_a_device_speaks_for_itself(project_key: int | None) -> None:
    assert rules.is_own(DeviceIdentity(3, 7, 11), 7, project_key)


@pytest.mark.parametrize(("device_key", "project_key"), [(8, None), (8, 3), (7, 4), (0, None), (3, 7), (7, 0)])
def test_a_device_does_not_speak_for_another(device_key: int, project_key: int | None) -> None:
    assert not rules.is_own(DeviceIdentity(3, 7, 11), device_key, project_key)


ASKED = CheckPrivilege("READ", "DEVICE", 7, 5, 3)


@pytest.mark.parametrize("privilege", ["READ", "NETWORK", "MAINTAIN", "DEVELOP", "OPERATE", "INSTALL"])
def test_what_an_agent_asks_about_a_device_has_an_answer(privilege: str) -> None:
    assert rules.is_answerable(attrs.evolve(ASKED, privilege=privilege)) is True


@pytest.mark.parametrize(
    "change",
    [
        {"privilege": "OWN"},
        {"privilege": "read"},
        {"privilege": ""},
        {"privilege": "GRANT"},
        {"privilege": "DELETE"},
        {"entity": "SWARM"},
        {"entity": "device"},
        {"requestor_account_key": 0},
    ],
)
def test_anything_else_is_refused_before_anybody_is_asked(change: dict[str, Any]) -> None:
    assert rules.is_answerable(attrs.evolve(ASKED, **change)) is False


values = st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers())


@given(st.none() | st.dictionaries(st.sampled_from(sorted(rules.STATS)) | st.text(), values))
def test_stats_are_known_names_with_finite_numbers_only(stats: dict[str, Any] | None) -> None:
    known = rules.known_stats(stats)

    assert set(known) <= rules.STATS
    assert all(math.isfinite(value) for value in known.values())
    json.dumps(known, allow_nan=False)
    for name, value in (stats or {}).items():
        if name in rules.STATS and isinstance(value, bool | int) and abs(value) < 2**53:
            assert known[name] == value


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf, 10**400, "1", None, [1], {"a": 1}])
def test_given_a_value_that_is_no_number_to_keep_when_stats_are_read_then_it_is_left_out(value: Any) -> None:
    assert rules.known_stats({"cpu_usage": value, "cpu_count": 4}) == {"cpu_count": 4}


def test_the_stats_of_the_published_agent_are_kept_whole() -> None:
    said = {
        "cpu_count": 4,
        "cpu_usage": 12.5,
        "memory_total": 8_000_000_000,
        "memory_used": 1,
        "memory_available": 2,
        "storage_total": 3,
        "storage_used": 4,
        "storage_free": 5,
        "docker_apps_total": 6,
        "docker_apps_used": 7,
        "docker_apps_free": 8,
        "docker_apps_mounted": True,
    }

    assert rules.known_stats({**said, "later": 1}) == said


def test_people_see_a_device_without_its_session_and_flash() -> None:
    public = rules.public(DEVICE)

    names = {field.name for field in attrs.fields(PublicDevice)}
    assert names.isdisjoint({"session", "flash_id", "owner_name", "owner_account_key", "groups", "moved_from"})
    assert all(getattr(public, name) == getattr(DEVICE, name) for name in names)


PROJECTS = (3, 4)
NOW_S = 1_000.0
ends = st.sampled_from([None, NOW_S - 1, NOW_S, NOW_S + 1])
grants = st.builds(
    Grant,
    st.integers(1, 9),
    st.sampled_from(["READ", "UPDATE"]),
    st.sampled_from([AssetKind.DEVICE, AssetKind.GROUP, AssetKind.PROJECT]),
    st.integers(7, 9) | st.integers(20, 22),
    ends,
    st.booleans(),
)
defaults = st.builds(
    Default, st.sampled_from(["READ", "UPDATE"]), st.sampled_from([AssetKind.DEVICE, AssetKind.GROUP]), ends
)
standings = st.builds(
    Standing,
    is_owner=st.sampled_from([False, False, True]),
    is_member=st.booleans(),
    grants=st.lists(grants, max_size=4).map(tuple),
    defaults=st.lists(defaults, max_size=1).map(tuple),
    is_locked_out=st.sampled_from([False, False, False, True]),
)
models = st.dictionaries(st.sampled_from(PROJECTS), standings)
scopes = st.sampled_from(
    [["all"], ["read"], ["all@project/3"], ["all@device/7"], ["all@device/8", "all@project/4"], ["all@project/20"]]
).map(parse_scopes)


@given(models, scopes, st.integers(7, 9), st.frozensets(st.integers(20, 22), max_size=2))
def test_the_reach_of_a_person_is_what_the_rule_lets_them_read(
    model: dict[int, Standing], scopes: Scopes, key: int, groups: frozenset[int]
) -> None:
    """A list and a single look are one answer."""
    found = rules.reach(model, scopes, now=NOW_S)

    for project in PROJECTS:
        standing = model.get(project, Standing(is_owner=False, is_member=False))
        reads = decide(standing, "READ", Asset(AssetKind.DEVICE, key, groups), now=NOW_S).allowed
        assert found.has(project, key, groups) == (reads and scopes.reaches(project, key))
        assert found.has(project, key, groups) <= (project in found.every_project)
        assert found.is_whole(project) <= found.has(project, key, groups)


@given(models, scopes, st.integers(20, 22))
def test_the_groups_that_a_person_sees_are_those_that_the_rule_lets_them_read(
    model: dict[int, Standing], scopes: Scopes, key: int
) -> None:
    found = rules.reach_of_groups(model, scopes, now=NOW_S)

    for project in PROJECTS:
        standing = model.get(project, Standing(is_owner=False, is_member=False))
        reads = decide(standing, "READ", Asset(AssetKind.GROUP, key), now=NOW_S).allowed
        assert found.has(project, key) == (reads and scopes.reaches(project))


def test_a_grant_on_a_device_does_not_follow_it_into_another_project() -> None:
    held = Standing(is_owner=False, is_member=True, grants=(Grant(1, "READ", AssetKind.DEVICE, 7, None),))

    found = rules.reach({3: held, 4: Standing(is_owner=False, is_member=True)}, EVERYTHING, now=NOW_S)

    assert (found.has(3, 7), found.has(4, 7)) == (True, False)


@pytest.mark.parametrize("typed", ["abcd-efgh", " ABCD EFGH\n", "ab-cdef-gh"])
def test_a_claim_code_is_the_same_however_it_is_typed(typed: str) -> None:
    assert rules.claim_digest(typed) == rules.claim_digest("ABCD-EFGH")


@given(st.text(), st.text())
def test_another_claim_code_has_another_digest(one: str, other: str) -> None:
    said = ["".join(code.upper().replace("-", "").split()) for code in (one, other)]

    assert (rules.claim_digest(one) == rules.claim_digest(other)) == (said[0] == said[1])
    assert len(rules.claim_digest(one)) == 32


def test_rights_know_a_device_with_its_groups_and_a_group_by_its_key() -> None:
    group = Group(20, 3, "plant", "line-1", "", NOW)

    assert rules.asset(DEVICE) == Asset(AssetKind.DEVICE, 7, frozenset({20}))
    assert rules.asset(group) == Asset(AssetKind.GROUP, 20)


@pytest.mark.parametrize(
    ("after", "was", "becomes"),
    [
        (Machine("amd64", "linux", "1"), {}, {}),
        (Machine("amd64", "linux", "2"), {"agent_version": "1"}, {"agent_version": "2"}),
        (Machine("arm64", None, "1"), {"architecture": "amd64", "os": "linux"}, {"architecture": "arm64", "os": None}),
    ],
)
def test_a_difference_has_the_changed_fields_only(
    after: Machine, was: dict[str, str | None], becomes: dict[str, str | None]
) -> None:
    assert rules.difference(Machine("amd64", "linux", "1"), after) == (was, becomes)
