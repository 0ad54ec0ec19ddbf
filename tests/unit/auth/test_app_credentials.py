"""Who joins which data realm, by the table and for whatever comes."""

import base64
import hmac
from hashlib import sha256
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from services.auth.records.app_credentials import (
    AppPrincipal,
    DataRealm,
    DeviceApp,
    Epoch,
    Facts,
    KnownDevice,
    LegacyPrincipal,
    Provider,
    Reason,
    Stage,
    Standing,
    Wish,
)
from services.auth.rules import app_credentials as rules

VECTORS = Path(__file__).parents[2] / "vectors" / "authenticate.tsv"
ROWS = [line.split("\t") for line in VECTORS.read_text(encoding="utf-8").splitlines()[1:]]
SERIAL = UUID("06a0bf96-a539-4d6a-8471-ac7adc67616e")
UNKNOWN = UUID("16a0bf96-a539-4d6a-8471-ac7adc67616e")
NAMES = {26: "press", 77: "weather"}  # and whatever else there is below 99
DEVICE = KnownDevice(2, frozenset({DeviceApp(26, "DEV")}), has_key=True)
FIRST = Epoch(1, None)
stages = st.sampled_from(["DEV", "PROD"])
keys = st.integers(1, 2**53 - 1)
apps = st.builds(DeviceApp, st.integers(1, 4), stages)
providers = st.none() | st.builds(Provider, st.sampled_from(["weather", "press"]), st.sampled_from(["APP", "PLATFORM"]))
standings = st.builds(
    Standing,
    providers,
    st.lists(st.sampled_from(["weather", "other", "*"]), max_size=2),
    st.sampled_from(["strict", "own_realm_only", "dual"]),
)
realms = st.builds(DataRealm, st.integers(1, 2), st.integers(1, 4), stages)
principals = st.builds(AppPrincipal, st.integers(1, 4), stages, st.integers(0, 4), st.just(str(SERIAL)))
wishes = st.builds(Wish, realms, principals | st.just(LegacyPrincipal(str(SERIAL))))
devices = st.builds(KnownDevice, st.integers(1, 2), st.frozensets(apps), st.booleans())
epochs = st.builds(Epoch, st.integers(1, 3), st.none() | st.floats(0, 2000))
facts_of_any = st.builds(Facts, st.none() | devices, epochs, st.none() | standings)


def spelled(text: str) -> str:
    """The serial numbers that the vectors write as words."""
    return text.replace("unknown", str(UNKNOWN)).replace("S", str(SERIAL))


def facts_of(wish: Wish, mode: str) -> Facts:
    """What is so in the vectors: device 42 of project 2 with app 26 (DEV), which is granted `weather`."""
    app_key = wish.realm.app_key
    provider = None if app_key == 99 else Provider(NAMES.get(app_key, f"app {app_key}"), "APP")
    whose = wish.principal.app_key if isinstance(wish.principal, AppPrincipal) else 26
    grants = ["weather"] if whose == 26 else []
    is_known = rules.serial_of(wish) == SERIAL
    return Facts(DEVICE if is_known else None, FIRST, Standing(provider, grants, mode))  # type: ignore[arg-type]


@pytest.mark.parametrize(("authid", "mode", "realm", "answer"), ROWS)
def test_every_row_of_the_table_is_answered_as_it_says(authid: str, mode: str, realm: str, answer: str) -> None:
    wish = rules.wish_of(realm, spelled(authid))

    assert (wish if isinstance(wish, Reason) else rules.decide(wish, facts_of(wish, mode))) == answer


def test_the_table_has_every_answer_but_those_of_facts_that_it_does_not_vary() -> None:
    assert {row[3] for row in ROWS} == set(Reason) - {Reason.NO_APP_CRED_KEY, Reason.UNSETTLED}
    assert len(ROWS) >= 2 * 21


OWN = Wish(DataRealm(2, 26, "DEV"), AppPrincipal(26, "DEV", 1, str(SERIAL)))


def decided(wish: Wish = OWN, **changes: Any) -> Reason:
    return rules.decide(wish, evolve(facts_of(OWN, "strict"), **changes))


@pytest.mark.parametrize(
    ("epoch", "current", "rotated_s_ago", "answer"),
    [
        (2, 2, 0.0, "app"),
        (2, 2, 1e9, "app"),
        (1, 2, 0.0, "app"),
        (1, 2, 899.9, "app"),
        (1, 2, 900.0, "stale_epoch"),
        (1, 2, 1e9, "stale_epoch"),
        (1, 2, None, "stale_epoch"),
        (0, 1, None, "stale_epoch"),
        (1, 3, 0.0, "stale_epoch"),
        (3, 2, 0.0, "stale_epoch"),
        (6, 7, 1.0, "app"),
    ],
)
def test_the_epoch_before_counts_for_fifteen_minutes(
    epoch: int, current: int, rotated_s_ago: float | None, answer: str
) -> None:
    wish = evolve(OWN, principal=AppPrincipal(26, "DEV", epoch, str(SERIAL)))

    assert decided(wish, epoch=Epoch(current, rotated_s_ago)) == answer


def test_a_device_without_a_key_lets_no_app_in_and_says_so_after_the_epoch() -> None:
    without = evolve(DEVICE, has_key=False)

    assert decided(device=without) == Reason.NO_APP_CRED_KEY
    assert decided(device=evolve(without, apps=frozenset())) == Reason.NO_APP_CRED_KEY
    assert decided(device=without, epoch=Epoch(9, None)) == Reason.STALE_EPOCH


@pytest.mark.parametrize(
    ("provider", "grants", "answer"),
    [
        (Provider("weather", "APP"), ["*"], "app_reader"),
        (Provider("weather", "PLATFORM"), ["*"], "no_grant"),
        (Provider("weather", "PLATFORM"), ["weather"], "app_reader"),
        (Provider("weather", "APP"), ["other", "weather"], "app_reader"),
        (Provider("weather", "APP"), ["Weather", "weathe", "weather "], "no_grant"),
        (Provider("weather", "APP"), [], "no_grant"),
        (None, ["*"], "unknown_provider"),
    ],
)
def test_a_foreign_realm_is_read_by_a_grant(provider: Provider | None, grants: list[str], answer: str) -> None:
    wish = evolve(OWN, realm=DataRealm(2, 77, "PROD"))

    assert decided(wish, standing=Standing(provider, grants, "strict")) == answer


def test_an_older_sdk_reads_what_any_app_of_its_device_may_and_nothing_that_is_not_there() -> None:
    wish = Wish(DataRealm(2, 77, "DEV"), LegacyPrincipal(str(SERIAL)))

    assert decided(wish, standing=Standing(Provider("weather", "APP"), ["*"], "dual")) == Reason.APP_READER
    assert decided(wish, standing=Standing(None, ["*"], "dual")) == Reason.NO_GRANT


@pytest.mark.parametrize("principal", [OWN.principal, LegacyPrincipal(str(SERIAL))], ids=["app", "legacy"])
def test_where_realms_says_nothing_who_would_have_to_be_asked_for_is_neither_refused_nor_let_in(
    principal: AppPrincipal | LegacyPrincipal,
) -> None:
    wish = Wish(DataRealm(2, 77, "DEV"), principal)

    assert decided(wish, standing=None) == Reason.UNSETTLED
    assert Reason.UNSETTLED in rules.WITH_SECRET
    assert decided(wish, standing=None, device=None) == Reason.UNKNOWN_DEVICE


def test_a_mode_that_nobody_knows_is_strict() -> None:
    wish = Wish(DataRealm(2, 26, "DEV"), LegacyPrincipal(str(SERIAL)))

    assert decided(wish, standing=Standing(None, [], "later")) == Reason.LEGACY_DENIED  # type: ignore[arg-type]


@given(wishes, facts_of_any)
def test_nobody_comes_in_but_a_device_of_the_project_with_the_app(wish: Wish, facts: Facts) -> None:
    reason, device, realm = rules.decide(wish, facts), facts.device, wish.realm

    if reason in (Reason.APP, Reason.APP_READER):
        assert device is not None
        assert device.project_key == realm.project_key
        assert device.apps or isinstance(wish.principal, LegacyPrincipal)
    if reason == Reason.APP:
        assert device is not None
        assert DeviceApp(realm.app_key, realm.stage) in device.apps
    if reason == Reason.APP_READER:
        assert facts.standing is not None
        assert facts.standing.provider is not None
        assert facts.standing.grants
    if reason in (Reason.APP, Reason.APP_READER) and isinstance(wish.principal, AppPrincipal):
        assert device is not None
        assert device.has_key
        assert DeviceApp(wish.principal.app_key, wish.principal.stage) in device.apps
        assert rules.counts(wish.principal.epoch, facts.epoch)
    if reason in (Reason.APP, Reason.APP_READER) and isinstance(wish.principal, LegacyPrincipal):
        assert facts.standing is not None
        assert facts.standing.legacy_mode != "strict"


@given(wishes, facts_of_any, standings)
def test_what_is_not_asked_for_changes_nothing(wish: Wish, facts: Facts, other: Standing) -> None:
    if facts.device is None or not rules.needs_standing(wish, facts.device):
        assert rules.decide(wish, facts) == rules.decide(wish, evolve(facts, standing=other))


@given(st.text(max_size=60), st.text(max_size=60))
def test_whatever_comes_has_a_meaning_or_a_reason(realm: str, authid: str) -> None:
    wish = rules.wish_of(realm, authid)

    if isinstance(wish, Reason):
        assert wish in (Reason.MISSING_ARGS, Reason.BAD_REALM)
    else:
        assert rules.decide(wish, facts_of(wish, "dual")) == Reason.UNKNOWN_DEVICE


@given(keys, keys, stages)
def test_a_realm_s_name_and_its_meaning_are_one(project_key: int, app_key: int, stage: Stage) -> None:
    name = f"realm-{project_key}-{app_key}-{stage.lower()}"

    assert rules.parse_realm(name) == DataRealm(project_key, app_key, stage)
    for other in (f"{name}\n", f" {name}", name.upper(), f"{name}-", name.replace("realm-", "realm-0")):
        assert rules.parse_realm(other) is None


@given(keys, stages, st.integers(1, 10**9), st.uuids(version=4))
def test_an_authid_is_read_as_it_was_made(app_key: int, stage: Stage, epoch: int, serial_number: UUID) -> None:
    authid = rules.app_authid(app_key, stage, epoch, serial_number)
    principal = rules.parse_principal(authid)

    assert principal == AppPrincipal(app_key, stage, epoch, str(serial_number))
    assert rules.serial_of(Wish(OWN.realm, principal)) == serial_number


@pytest.mark.parametrize(
    "text", [str(SERIAL).upper(), SERIAL.hex, f"{{{SERIAL}}}", f"urn:uuid:{SERIAL}", f"{SERIAL}\n"]
)
def test_a_serial_number_has_one_spelling(text: str) -> None:
    assert rules.serial_of(evolve(OWN, principal=LegacyPrincipal(text))) is None


def test_the_secret_is_made_of_the_key_s_text_as_the_agent_makes_it() -> None:
    key = "q83vEjRWeJCrze8SNFZ4kKvN7xI0VniQq83vEjRWeJA="
    message = f"ironflock/app-cred/v1|{SERIAL}|26|DEV|3".encode()

    made = rules.app_secret(key, AppPrincipal(26, "DEV", 3, str(SERIAL)))

    assert made == base64.b64encode(hmac.new(key.encode("ascii"), message, sha256).digest()).decode()
    assert made == "gUjIaAZyeaGdyL38/iz2/HfkyUkcq/WNLcBYwVEBYIA="


@given(principals, principals)
def test_no_two_credentials_have_one_secret(one: AppPrincipal, other: AppPrincipal) -> None:
    assert (rules.app_secret("key", one) == rules.app_secret("key", other)) == (one == other)
