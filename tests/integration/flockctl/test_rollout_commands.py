"""`flockctl rollout` against a router that plays the platform."""

import json
from typing import Any

import pytest

from tests.integration.flockctl.command_line import CommandLine, heard
from tests.integration.flockctl.fake_router import FakeRouter, Progressive

ROLLOUT = "ironflock.devices.rollout"
PACE = {
    "waves": [1, "10%"], "soak_s": 3600, "budget": "3%", "budget_of": "rollout",
    "windows": [{"begins": "22:00", "ends": "04:00", "days": ["mon", "tue", "wed", "thu", "fri"]}],
    "time_zone": "Europe/Berlin", "timeout_s": 900, "offline": "skip", "at_once": 100,
}  # fmt: skip
SAID = {"project": "plant", "action": "upgrade", "app": 26, "stage": "PROD", "version": "1.1.0", "pace": PACE}
WORDS = (
    "upgrade", "weather", "--project", "plant", "--stage", "prod", "--version", "1.1.0", "--wave", "1", "--wave", "10%",
    "--soak", "1h", "--budget", "3%", "--window", "mon-fri 22:00-04:00", "--time-zone", "Europe/Berlin",
    "--offline", "skip",
)  # fmt: skip
DEVICES: list[dict[str, Any]] = [
    {"device_key": 7, "name": "press-1", "is_online": True, "wave": 1, "left_out": None, "version": "1.0.0"},
    {"device_key": 8, "name": "press-2", "is_online": False, "wave": None, "left_out": "offline", "version": None},
]
PLAN: dict[str, Any] = {
    "digest": "ab" * 32, "version": "1.1.0", "waves": [1], "budget": 0, "left_out": {"offline": 1},
    "devices": DEVICES, "next": None,
}  # fmt: skip
WAVE = {
    "wave": 1, "devices": 1, "waiting": 0, "ordered": 0, "done": 1, "failed": 0, "skipped": 0, "rolled_back": 0
}  # fmt: skip
SHOWN: dict[str, Any] = {
    "rollout_key": 7, "project_key": 3, "action": "upgrade", "app_key": 26, "stage": "PROD", "version": "1.1.0",
    "meant": {"project": 3}, "pace": PACE, "account_key": 5, "state": "running", "reason": None, "wave": 1,
    "waves": [WAVE], "budget": 0, "failures": 0, "is_open": True, "soaks_until": None,
    "created_at": "2026-11-30T09:00:00Z", "ended_at": None,
}  # fmt: skip
TURN = {
    "device_key": 7, "name": "press-1", "wave": 1, "state": "failed", "reason": "no \x1b[31mspace", "ordered_at": None,
    "ended_at": "2026-11-30T09:00:00Z",
}  # fmt: skip


@pytest.fixture(autouse=True)
def platform(router: FakeRouter) -> None:
    answers = router.script.procedures
    answers["ironflock.realms.app.show"] = lambda **_: {"app_key": 26, "name": "weather"}
    answers[f"{ROLLOUT}.plan"] = lambda **_: PLAN
    answers[f"{ROLLOUT}.list"] = lambda **_: {"rollouts": [SHOWN], "next": None}
    answers[f"{ROLLOUT}.show"] = lambda **_: {"rollout": SHOWN, "devices": [TURN], "next": None}
    for verb in ("start", "pause", "resume", "abort"):
        answers[f"{ROLLOUT}.{verb}"] = lambda **_: SHOWN


def test_a_plan_is_said_and_shown(router: FakeRouter, flockctl: CommandLine) -> None:
    assert flockctl("rollout", "plan", *WORDS, "--json").json == {"plan": PLAN}
    shown = flockctl("rollout", "plan", *WORDS).out

    assert heard(router, f"{ROLLOUT}.plan")[0] == {**SAID, "limit": 1}
    for word in ("press-1", "press-2", "offline", "1 devices in 1 waves (1), of which 0 may fail; left out: 1 offline"):
        assert word in shown


def test_what_starts_is_what_was_planned(router: FakeRouter, flockctl: CommandLine) -> None:
    unsaid = flockctl("rollout", "start", *WORDS, "--json")
    assert (unsaid.status, unsaid.error["code"]) == (2, "not_confirmed")
    assert heard(router, f"{ROLLOUT}.start") == []

    assert flockctl("rollout", "start", *WORDS, "--yes", "--json").json == {"rollout": SHOWN}
    assert heard(router, f"{ROLLOUT}.start") == [{**SAID, "digest": PLAN["digest"]}]
    assert "rollout 7 (upgrade app 26 prod to 1.1.0): running" in flockctl("rollout", "start", *WORDS, "--yes").out


def test_devices_groups_and_agents_are_named(router: FakeRouter, flockctl: CommandLine) -> None:
    flockctl("rollout", "plan", "update-agent", "--project", "3", "--device", "press-1", "--device", "8")
    flockctl("rollout", "plan", "stop", "26", "--stage", "dev", "--project", "3", "--group", "line-4")
    first, second = heard(router, f"{ROLLOUT}.plan")[::2]

    assert (first["action"], first["devices"], "app" in first) == ("update_agent", ["press-1", 8], False)
    assert (second["action"], second["app"], second["stage"], second["group"]) == ("stop", 26, "DEV", "line-4")


@pytest.mark.parametrize(
    "wrong",
    [
        ("--wave", "101%"), ("--window", "someday 22:00-04:00"), ("--soak", "soon"), ("--offline", "maybe"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_refused_before_anything_is_sent(
    router: FakeRouter, flockctl: CommandLine, wrong: tuple[str, str]
) -> None:
    refused = flockctl("rollout", "plan", "stop", "26", "--stage", "dev", "--project", "3", *wrong, "--json")

    assert refused.status == 2
    assert heard(router, f"{ROLLOUT}.plan") == []


def test_rollouts_are_listed_shown_and_steered(router: FakeRouter, flockctl: CommandLine) -> None:
    assert flockctl("rollout", "list", "--project", "plant", "--json").json == {"rollouts": [SHOWN]}
    assert "upgrade app 26 prod to 1.1.0" in flockctl("rollout", "list", "--project", "plant").out
    found = flockctl("rollout", "show", "7", "--only", "failed", "--json").json
    assert (found["rollout"], found["devices"]) == (SHOWN, [TURN])
    assert heard(router, f"{ROLLOUT}.show")[0] == {"rollout": 7, "state": "failed", "limit": 500}
    assert "no \\x1b[31mspace" in flockctl("rollout", "show", "7").out
    for words in (("pause", "7"), ("resume", "7", "--retry"), ("abort", "7", "--roll-back", "--yes")):
        assert "rollout 7" in flockctl("rollout", *words).out
    assert heard(router, f"{ROLLOUT}.resume") == [{"rollout": 7, "retry": True}]
    assert heard(router, f"{ROLLOUT}.abort") == [{"rollout": 7, "roll_back": True}]
    assert flockctl("rollout", "abort", "7", "--json").status == 2


@pytest.mark.parametrize(("state", "status"), [("done", 0), ("stopped", 1), ("aborted", 1)])
def test_a_watch_ends_with_the_rollout_and_says_how(
    router: FakeRouter, flockctl: CommandLine, state: str, status: int
) -> None:
    ended = {**SHOWN, "state": state, "failures": 1, "reason": "why", "is_open": False}
    news = [{"rollout": SHOWN, "devices": []}, {"rollout": ended, "devices": [TURN]}]
    router.script.procedures[f"{ROLLOUT}.watch"] = lambda **_: Progressive(news, ends=True)

    as_json = flockctl("rollout", "watch", "7", "--json")
    watched = flockctl("rollout", "start", *WORDS, "--yes", "--watch")

    assert [as_json.status, watched.status] == [status, status]
    assert [json.loads(line) for line in as_json.out.splitlines()] == news
    assert f"{state}, wave 1 of 1, 1 failed of 0 that may, why" in watched.out
    assert "press-1 failed: no \\x1b[31mspace" in watched.out
