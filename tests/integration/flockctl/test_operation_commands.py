"""`flockctl device exec`, `logs`, `reboot`, ... against a router that plays the platform."""

from pathlib import Path
from typing import Any

import pytest

from tests.integration.flockctl.command_line import CommandLine, heard
from tests.integration.flockctl.fake_router import FakeRouter, RefusedError

DEVICES = "ironflock.devices.device"


def plays(router: FakeRouter, verb: str, answer: Any) -> str:
    uri = f"{DEVICES}.{verb}"
    router.script.procedures[uri] = lambda **_: {"device_key": 7, "answer": answer}
    return uri


def test_a_program_is_run_and_what_it_printed_is_shown_without_what_steers(
    router: FakeRouter, flockctl: CommandLine
) -> None:
    uri = plays(router, "exec", "a\tb\n" + "x" * 300 + "\x1b[31m\n")

    ran = flockctl("device", "exec", "press-1", "--timeout", "3", "--", "ls", "-l", "/")
    as_json = flockctl("device", "exec", "7", "--project", "plant", "--json", "--", "ls")

    assert ran.out == "a\tb\n" + "x" * 300 + "\\x1b[31m\n"
    assert as_json.json["output"].startswith("a\tb")
    assert heard(router, uri) == [
        {"device": "press-1", "command": "ls", "arguments": ["-l", "/"], "timeout_s": 3},
        {"device": 7, "project": "plant", "command": "ls", "arguments": [], "timeout_s": 10},
    ]


def test_logs_of_the_agent_and_of_an_app_are_shown(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures["ironflock.realms.app.show"] = lambda **_: {"app_key": 26, "name": "weather"}
    agent, app = (plays(router, verb, {"lines": [f"one of {verb}", "two"]}) for verb in ("logs", "app_logs"))

    assert flockctl("device", "logs", "press-1", "-n", "5", "--since", "30m").out == "one of logs\ntwo\n"
    assert flockctl("device", "logs", "press-1", "--app", "weather", "--stage", "dev").out == "one of app_logs\ntwo\n"

    assert heard(router, agent) == [{"device": "press-1", "lines": 5, "since": "30m"}]
    assert heard(router, app) == [{"device": "press-1", "app": 26, "stage": "DEV", "lines": 200}]


@pytest.mark.parametrize("verb", ["reboot", "shutdown", "restart-agent", "update-agent"])
def test_what_cannot_be_taken_back_is_asked_first(router: FakeRouter, flockctl: CommandLine, verb: str) -> None:
    uri = plays(router, verb.replace("-", "_"), None)

    refused = flockctl("device", verb, "press-1")
    done = flockctl("device", verb, "press-1", "--yes")

    assert refused.status != 0
    assert done.status == 0
    assert heard(router, uri) == [{"device": "press-1"}]


@pytest.mark.parametrize(
    "verb",
    [
        "storage", "agent-metadata", "os-release", "containers", "images", "addresses", "interfaces",
        "wifi-networks", "tunnel-state",
    ],
)  # fmt: skip
def test_what_a_device_says_is_shown(router: FakeRouter, flockctl: CommandLine, verb: str) -> None:
    uri = plays(router, verb.replace("-", "_"), [{"a": "\u202e"}])

    assert "\\u202e" in flockctl("device", verb, "press-1").out
    assert flockctl("device", verb, "press-1", "--json").json == {verb.replace("-", "_"): [{"a": "\u202e"}]}
    assert heard(router, uri) == [{"device": "press-1"}] * 2


def test_a_device_that_is_away_ends_the_command_with_the_platforms_words(
    router: FakeRouter, flockctl: CommandLine
) -> None:
    def offline(**_: Any) -> None:
        raise RefusedError("ironflock.error.conflict", "the device is not connected")

    router.script.procedures[f"{DEVICES}.storage"] = offline

    ended = flockctl("device", "storage", "press-1")

    assert ended.status != 0
    assert "not connected" in ended.err


def test_only_an_apps_log_can_be_followed(flockctl: CommandLine) -> None:
    ended = flockctl("device", "logs", "press-1", "--follow")

    assert ended.status == 2
    assert "--app" in ended.err


MAC = "02:00:00:00:00:01"


@pytest.mark.parametrize(
    ("verb", "words", "named"),
    [
        ("set_address", ("eth0", MAC), {"interface": "eth0", "mac": MAC, "method": "auto"}),
        (
            "set_address",
            ("eth0", MAC, "192.0.2.7/24"),
            {"interface": "eth0", "mac": MAC, "method": "manual", "address": "192.0.2.7", "prefix": 24},
        ),
        ("remove_wifi", ("hall",), {"ssid": "hall"}),
        ("select_wifi", ("hall", MAC), {"ssid": "hall", "mac": MAC}),
        ("prune_images", ("--all",), {"include_named": True}),
        ("download_os_update", (), {}),
        ("install_os_update", (), {}),
        ("scan_wifi", (), {}),
        ("restart_wifi", (), {}),
    ],
)
def test_what_may_cut_a_device_off_is_asked_about_first(
    router: FakeRouter, flockctl: CommandLine, verb: str, words: tuple[str, ...], named: dict[str, Any]
) -> None:
    uri, name = plays(router, verb, None), verb.replace("_", "-")

    assert flockctl("device", name, "press-1", *words).status != 0
    assert heard(router, uri) == []
    assert flockctl("device", name, "press-1", *words, "--yes", "--json").json == {verb: None}
    assert heard(router, uri) == [{"device": "press-1", **named}]


def test_a_network_s_password_comes_from_a_file(router: FakeRouter, flockctl: CommandLine, tmp_path: Path) -> None:
    uri = plays(router, "add_wifi", None)
    (tmp_path / "password").write_text("correct horse\n", encoding="utf-8")

    words = ("device", "add-wifi", "press-1", "hall")
    assert flockctl(*words, "--password-file", str(tmp_path / "none")).status != 0
    assert flockctl(*words, "--password-file", str(tmp_path / "password"), "--security", "wpa-psk").status == 0
    assert heard(router, uri) == [
        {"device": "press-1", "ssid": "hall", "password": "correct horse", "priority": 0, "security": "wpa-psk"}
    ]
    assert flockctl("device", "set-address", "press-1", "eth0", MAC, "192.0.2.7", "--yes").status != 0
