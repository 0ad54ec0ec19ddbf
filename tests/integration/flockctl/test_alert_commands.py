"""`flockctl alert` against a router that plays the platform."""

from typing import Any

from tests.integration.flockctl.command_line import CommandLine, heard
from tests.integration.flockctl.fake_router import FakeRouter

ALERTS = "ironflock.devices.alert"
ALERT: dict[str, Any] = {
    "alert_key": 7,
    "project_key": 3,
    "kind": "device_offline",
    "subject": "device/9",
    "severity": "warning",
    "state": "open",
    "details": {"device_key": 9, "device_name": "press-\x1b[31m1"},
    "opened_at": "2026-11-30T09:00:00Z",
    "state_since": "2026-11-30T09:00:00Z",
    "acknowledged_by": None,
    "reopenings": 2,
    "revision": 5,
}
RULE: dict[str, Any] = {"kind": "device_offline", "is_on": True, "severity": "critical", "after_s": 600}
CHANNEL: dict[str, Any] = {
    "channel_key": 4,
    "project_key": 3,
    "name": "duty",
    "url": "https://hooks.example.com/duty",
    "account_key": None,
    "min_severity": "warning",
    "time_zone": "UTC",
    "quiet": [],
    "created_at": "2026-11-30T09:00:00Z",
    "failing_since": None,
    "failure": "the receiver answered 503",
    "gave_up_at": None,
    "told_at": None,
}
SECRET = "whsec_AAAA"


def test_alerts_are_listed_and_acknowledged(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures[f"{ALERTS}.list"] = lambda **_: {"alerts": [ALERT], "next": None}
    router.script.procedures[f"{ALERTS}.acknowledge"] = lambda **_: {**ALERT, "state": "acknowledged"}

    listed = flockctl("alert", "list", "--project", "plant")
    known = flockctl("alert", "acknowledge", "7", "--json")

    assert listed.out.splitlines()[1].split()[:3] == ["7", "warning", "device_offline"]
    assert "\x1b" not in listed.out
    assert known.json["alert"]["state"] == "acknowledged"
    assert heard(router, f"{ALERTS}.acknowledge") == [{"alert": 7}]
    assert flockctl("alert", "list", "--project", "3", "--only", "open", "--json").json == {"alerts": [ALERT]}


def test_rules_are_listed_and_set(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures[f"{ALERTS}_rule.list"] = lambda **_: [RULE]
    router.script.procedures[f"{ALERTS}_rule.set"] = lambda **_: RULE

    listed = flockctl("alert", "rule", "list", "--project", "plant")
    words = ("--after-s", "600", "--severity", "critical", "--off")
    flockctl("alert", "rule", "set", "device_offline", "--project", "plant", *words)

    assert listed.out.splitlines()[1].split() == ["device_offline", "on", "critical", "600"]
    said = {"project": "plant", "kind": "device_offline", "is_on": False, "severity": "critical", "after_s": 600}
    assert heard(router, f"{ALERTS}_rule.set") == [said]


def test_a_webhook_s_secret_is_alone_on_standard_output(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures[f"{ALERTS}_channel.create"] = lambda **_: {"channel": CHANNEL, "secret": SECRET}
    router.script.procedures["ironflock.auth.account.me"] = lambda **_: {"account_key": 5}
    create = ("alert", "channel", "create", "duty", "--project", "plant")

    made = flockctl(*create, "--webhook", CHANNEL["url"], "--quiet", "sat,sun@00:00-00:00", "--quiet", "22:00-06:00")
    flockctl(*create, "--mail", "me", "--json")
    wrong = flockctl(*create, "--webhook", CHANNEL["url"], "--quiet", "noon", "--json")
    nobody = flockctl(*create, "--mail", "anna", "--json")

    assert made.out == SECRET + "\n"
    first, second = heard(router, f"{ALERTS}_channel.create")
    assert first["quiet"][0] == {"days": ["sat", "sun"], "begins": "00:00", "ends": "00:00"}
    assert first["quiet"][1]["days"] == ["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
    assert second == {"project": "plant", "name": "duty", "account": 5}
    assert (wrong.status, wrong.error["argument"], nobody.error["argument"]) == (1, "quiet", "mail")


def test_channels_are_listed_tested_and_deleted(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures[f"{ALERTS}_channel.list"] = lambda **_: [CHANNEL]
    router.script.procedures[f"{ALERTS}_channel.delete"] = lambda **_: None
    router.script.procedures[f"{ALERTS}_channel.test"] = lambda **_: {"is_delivered": False, "failure": "answered 503"}

    listed = flockctl("alert", "channel", "list", "--project", "plant")
    tested = flockctl("alert", "channel", "test", "4", "--json")
    deleted = flockctl("alert", "channel", "delete", "4", "--yes", "--json")

    assert listed.out.splitlines()[1].split()[:3] == ["4", "duty", CHANNEL["url"]]
    assert (tested.status, tested.error["code"]) == (1, "not_delivered")
    assert deleted.json == {"deleted": 4}
