"""When something is an alert, who is told of it and when."""

import base64
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from services.devices.records.alerts import Alert, Offline, QuietTime, SetRule, Telling
from services.devices.rules import alerts as rules
from shared.errors import InvalidArgumentError

NOW = datetime(2026, 11, 30, 12, 0, tzinfo=UTC)
ALERT = Alert(1, 3, "device_offline", "device/7", "warning", "open", {"device_name": "press"}, NOW, NOW, None, 0, 1)
NIGHT = QuietTime(["mon", "tue", "wed", "thu", "fri", "sat", "sun"], "22:00", "06:00")
EVERY_DAY = list(NIGHT.days)


def offline(key: int, second: float, *, project: int = 3, is_due: bool = True, groups_many: bool = True) -> Offline:
    since = NOW + timedelta(seconds=second)
    return Offline(project, key, f"press-{key}", since, is_due, tells_one=True, groups_many=groups_many)


def test_one_device_is_one_trouble_and_one_that_is_not_due_is_none() -> None:
    found = rules.troubles_of([offline(7, 0), offline(8, 1, is_due=False)])

    assert [(each.kind, each.subject, each.devices) for each in found] == [("device_offline", "device/7", (7,))]
    assert found[0].details["device_name"] == "press-7"


def test_more_than_twenty_within_a_minute_are_one_trouble_also_those_that_are_not_due_yet() -> None:
    devices = [offline(key, key * 2.5, is_due=key == 1) for key in range(1, 22)]

    (found,) = rules.troubles_of(devices)
    apart = rules.troubles_of([evolve(device, groups_many=False) for device in devices])

    assert (found.kind, found.subject, found.details["devices"]) == ("devices_offline", "project", 21)
    assert found.devices == tuple(range(1, 22))
    assert len(found.details["device_names"]) == rules.NAMED
    assert [each.subject for each in apart] == ["device/1"]


def test_where_single_ones_are_not_told_of_only_many_are() -> None:
    devices = [evolve(offline(key, 0 if key else -100), tells_one=False) for key in range(22)]

    (found,) = rules.troubles_of(devices)

    assert found.devices == tuple(range(1, 22))
    assert rules.troubles_of([evolve(device, groups_many=False) for device in devices]) == []


def test_twenty_are_twenty_troubles_and_those_of_two_projects_are_not_together() -> None:
    assert len(rules.troubles_of([offline(key, 0) for key in range(20)])) == 20
    assert len(rules.troubles_of([offline(key, 0, project=3 + key % 2) for key in range(40)])) == 40


@given(st.lists(st.integers(0, 600), max_size=80))
def test_each_device_is_in_one_trouble_and_is_among_many_only_where_many_went_within_a_minute(
    seconds: list[int],
) -> None:
    devices = [offline(key, second) for key, second in enumerate(seconds)]
    found = rules.troubles_of(devices)

    told = sorted(key for each in found for key in each.devices)
    assert told == list(range(len(devices)))
    for each in found:
        for key in each.devices:
            starts = [second for second in seconds if second <= seconds[key] <= second + rules.MANY_WITHIN_S]
            most = max(sum(start <= second <= start + rules.MANY_WITHIN_S for second in seconds) for start in starts)
            assert (most > rules.MANY) == (each.kind == "devices_offline")


def test_a_rule_is_as_it_comes_where_nothing_was_said() -> None:
    known = [
        SetRule("device_offline", None, "critical", 600),
        SetRule("app_failed", is_on=False, severity=None, after_s=None),
    ]

    assert rules.rule_of("device_offline", known) == evolve(
        rules.RULES["device_offline"], severity="critical", after_s=600
    )
    assert not rules.rule_of("app_failed", known).is_on
    assert rules.rule_of("rollout_stopped", known) == rules.RULES["rollout_stopped"]


@pytest.mark.parametrize(("kind", "after_s"), [("device_offline", 59), ("rollout_stopped", 0), ("devices_offline", 60)])
def test_a_delay_that_there_is_not_is_refused(kind: Any, after_s: int) -> None:
    with pytest.raises(InvalidArgumentError):
        rules.check_delay(kind, after_s)
    rules.check_delay(kind, None)
    rules.check_delay("device_offline", 60)


@pytest.mark.parametrize(
    ("now", "until"),
    [
        ("2026-11-30T21:59:59+01:00", None),
        ("2026-11-30T22:00:00+01:00", "2026-12-01T06:00:00+01:00"),
        ("2026-12-01T05:59:59+01:00", "2026-12-01T06:00:00+01:00"),
        ("2026-12-01T06:00:00+01:00", None),
        # The clock goes from 2 to 3 on 29 March: the night is an hour shorter.
        ("2026-03-28T23:00:00+01:00", "2026-03-29T06:00:00+02:00"),
        ("2026-03-29T05:59:59+02:00", "2026-03-29T06:00:00+02:00"),
        # It goes from 3 back to 2 on 25 October: the night is an hour longer.
        ("2026-10-25T02:30:00+02:00", "2026-10-25T06:00:00+01:00"),
        ("2026-10-25T02:30:00+01:00", "2026-10-25T06:00:00+01:00"),
        ("2026-10-25T06:00:00+01:00", None),
    ],
)
def test_it_is_quiet_by_the_wall_clock_of_its_zone_also_where_that_changes(now: str, until: str | None) -> None:
    found = rules.quiet_until([NIGHT], "Europe/Berlin", datetime.fromisoformat(now))

    assert found == (None if until is None else datetime.fromisoformat(until))


def test_a_night_belongs_to_the_day_on_which_it_begins() -> None:
    friday = QuietTime(["fri"], "22:00", "06:00")

    assert rules.quiet_until([friday], "UTC", datetime(2026, 11, 28, 5, tzinfo=UTC)) is not None  # Saturday
    assert rules.quiet_until([friday], "UTC", datetime(2026, 11, 27, 5, tzinfo=UTC)) is None  # Friday


@given(st.integers(0, 365 * 1_440), st.sampled_from(["Europe/Berlin", "America/St_Johns"]))
def test_a_quiet_time_of_the_whole_day_is_always_and_looks_again_at_midnight(minutes: int, name: str) -> None:
    moment = NOW + timedelta(minutes=minutes)
    whole = QuietTime(EVERY_DAY, "00:00", "00:00")

    until = rules.quiet_until([whole], name, moment)

    assert until is not None
    assert timedelta(0) < until - moment <= timedelta(hours=25)
    assert until.astimezone(ZoneInfo(name)).strftime("%H:%M") == "00:00"


def test_there_is_no_such_zone() -> None:
    for name in ("Europe/Nowhere", "../../etc/passwd", "", "a" * 64):
        with pytest.raises(InvalidArgumentError):
            rules.zone(name)


def telling(state: Any, told: Any, severity: Any = "warning") -> Telling:
    return Telling(evolve(ALERT, state=state, severity=severity), NOW, told)


def test_what_came_and_went_is_no_news_and_what_somebody_knows_neither() -> None:
    news = [
        telling("open", None),
        telling("open", "resolved"),
        telling("open", "before"),
        telling("resolved", "open"),
        telling("resolved", "before"),
    ]
    none = [
        telling("open", "open"),
        telling("resolved", None),
        telling("resolved", "resolved"),
        telling("acknowledged", None),
    ]

    found = rules.sort([*news, *none], is_quiet=False)

    assert (found.told, found.kept, found.stale) == (news, [], none)


def test_a_critical_alert_breaks_the_quiet() -> None:
    calm, grave = telling("open", None), telling("open", None, "critical")

    found = rules.sort([calm, grave], is_quiet=True)

    assert (found.told, found.kept) == ([grave], [calm])


def test_who_asks_for_less_hears_of_more() -> None:
    assert rules.reaches("info") == ["info"]
    assert rules.reaches("critical") == ["info", "warning", "critical"]


def test_pauses_double_up_to_ten_minutes() -> None:
    pauses = [rules.pause_after(attempts, 1.0) for attempts in range(12)]

    assert pauses[0] == 5.0
    assert all(before <= after for before, after in pairwise(pauses))
    assert pauses[-1] == 600.0
    assert rules.pause_after(10_000, 0.0) == 300.0


def test_a_signature_is_that_of_standard_webhooks() -> None:
    """The vector of the specification's reference libraries."""
    secret = base64.b64decode("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    body = b'{"test": 2432232314}'

    said = rules.signature(secret, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, body)

    assert said == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_the_same_news_has_the_same_id_and_other_news_another() -> None:
    first = rules.message_id(1, [ALERT])

    assert rules.message_id(1, [ALERT]) == first
    assert len({first, rules.message_id(2, [ALERT]), rules.message_id(1, [evolve(ALERT, revision=2)])}) == 3


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/", "https://", "https:///x", "https://a:b@example.com/", "https://example.com/#x",
        "ftp://example.com", "https://example.com:0/", "https://example.com:99999/", "https://exa mple.com/",
        "https://example.com/\n", "https://exämple.com/", "https://[::1", "nothing",
    ],
)  # fmt: skip
def test_what_is_no_address_of_a_webhook_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgumentError):
        rules.check_url(url)
    rules.check_url("https://hooks.example.com:8443/a/b?c=d")


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "0.0.0.1", "100.64.0.1", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fd00::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1",
        "64:ff9b::7f00:1", "64:ff9b::a00:1", "2002:7f00:1::", "2001:db8::1", "192.0.2.1",
    ],
)  # fmt: skip
def test_an_address_that_leads_back_here_is_not_public(address: str) -> None:
    assert not rules.is_public_address(address)


def test_addresses_of_the_internet_are_public() -> None:
    for address in ("93.184.216.34", "2606:2800:220:1:248:1893:25c8:1946", "64:ff9b::5db8:d822"):
        assert rules.is_public_address(address)
