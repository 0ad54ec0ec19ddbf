"""`flockctl device app` and `flockctl app env` against a router that plays the platform."""

import json
import stat
from pathlib import Path
from typing import Any

import pytest

from deploy.flockctl.commands import arriving
from tests.integration.flockctl.command_line import CommandLine, heard
from tests.integration.flockctl.fake_router import FakeRouter, Progressive, RefusedError

INSTALL, UNINSTALL, LIST, ROTATE, ENVIRONMENT = (
    f"ironflock.devices.app.{verb}" for verb in ("install", "uninstall", "list", "rotate_credential", "environment")
)
SHOW = "ironflock.realms.app.show"
INSTALLED = {"device_key": 7, "app_key": 26, "stage": "DEV", "created_at": "2026-11-29T09:00:00Z"}
SECRET = "c2VjcmV0IG9mIDI2"
VALUES = {"ENV": "DEV", "DEVICE_NAME": "press 1 = left", "APP_AUTH_ID": "app-26-dev-e1@x", "APP_AUTH_SECRET": SECRET}
WHICH: dict[str, Any] = {"device": "press-1", "app": 26, "stage": "DEV"}


@pytest.fixture(autouse=True)
def platform(router: FakeRouter) -> None:
    """Knows the app `weather` as 26."""
    answers = router.script.procedures
    answers[SHOW] = lambda **_: {"app_key": 26, "name": "weather"}
    answers[INSTALL] = lambda **_: INSTALLED
    answers[UNINSTALL] = lambda **_: None
    answers[LIST] = lambda **_: {"apps": [INSTALLED]}
    answers[ROTATE] = lambda **_: {"epoch": 2, "overlap_until": "2026-11-29T09:15:00Z"}
    answers[ENVIRONMENT] = lambda **_: {"environment": VALUES}


def test_an_app_is_installed_by_its_name_or_key(router: FakeRouter, flockctl: CommandLine) -> None:
    by_name = flockctl("device", "app", "install", "press-1", "weather", "--stage", "dev", "--json")
    by_key = flockctl("device", "app", "install", "7", "26", "--stage", "prod", "--project", "plant")

    assert by_name.json == {"app": INSTALLED}
    assert "26" in by_key.out
    assert heard(router, SHOW) == [{"app": "weather"}]
    assert heard(router, INSTALL) == [WHICH, {"device": 7, "project": "plant", "app": 26, "stage": "PROD"}]


def watched(router: FakeRouter, flockctl: CommandLine, before: Any, *said: Any, more: tuple[str, ...] = ()) -> Any:
    """`install --watch` of version 1.1.0, where that answers `before` and the device says `said` one by one."""
    wanted = {**STATUS, "stage": "PROD", "target": "RUNNING", "version": "1.1.0", "refusal": None}
    answers = iter(said)
    pull = json.dumps({"status": "Pull complete", "progressDetail": {}, "id": "3f4a"})
    router.script.procedures |= {
        INSTALL: lambda **_: {**wanted, "is_told": False, **before},
        arriving.STATUS: lambda **_: {**wanted, "is_told": True, **before, **next(answers)},
        arriving.FOLLOW: lambda **_: Progressive([{"kind": "output", "text": f"{pull}\nplain\x1b[2J"}]),
    }
    return flockctl("device", "app", "install", "press-1", "weather", "--stage", "prod", "--watch", *more)


BEFORE = {"state": "RUNNING", "state_since": "2026-11-29T09:00:00Z", "present_version": "1.0.0"}
FAILED_BEFORE = {**BEFORE, "state": "FAILED"}
FETCHED = {"state": "DOWNLOADING", "state_since": "2026-11-29T10:00:00Z"}
THERE = {"state": "RUNNING", "state_since": "2026-11-29T10:01:00Z", "present_version": "1.1.0"}
FAILED = {"state": "FAILED", "state_since": "2026-11-29T10:01:00Z"}


@pytest.fixture(name="quick")
def fixture_quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits a second between two looks."""
    monkeypatch.setattr(arriving, "LOOK_EVERY_S", 0.01)


@pytest.mark.usefixtures("quick")
@pytest.mark.parametrize(("last", "status"), [(THERE, 0), (FAILED, 1)])
@pytest.mark.parametrize("before", [BEFORE, FAILED_BEFORE])
def test_an_app_is_watched_until_the_device_has_what_is_wanted_or_has_failed_with_it(
    router: FakeRouter, flockctl: CommandLine, before: Any, last: Any, status: int
) -> None:
    done = watched(router, flockctl, before, {"is_told": False}, {}, FETCHED, FETCHED, last)

    lines = done.out.splitlines()
    states = [before["state"].lower(), "downloading", last["state"].lower()]
    assert done.status == status
    assert [line for line in lines if line in states] == states
    assert lines.count("3f4a Pull complete") == 1
    assert lines.count("plain\\x1b[2J") == 1
    assert heard(router, arriving.FOLLOW) == heard(router, arriving.STATUS)[:1] == [{**WHICH, "stage": "PROD"}]


@pytest.mark.usefixtures("quick")
def test_why_a_device_does_not_take_it_is_shown_once(router: FakeRouter, flockctl: CommandLine) -> None:
    full = {"is_told": False, "refusal": "no disk"}

    done = watched(router, flockctl, BEFORE, full, full, THERE)

    assert (done.status, done.out.count("running; the device does not take it: no disk")) == (0, 1)


@pytest.mark.usefixtures("quick")
def test_who_may_read_no_logs_sees_the_states(router: FakeRouter, flockctl: CommandLine) -> None:
    done = watched(router, flockctl, BEFORE, {"refusal": "no disk"}, THERE, more=("--json",))

    said = [each for each in map(json.loads, done.out.splitlines()) if "state" in each or "app" in each]
    assert done.status == 0
    assert said[:3] == [{"state": "RUNNING"}, {"state": "RUNNING", "refusal": "no disk"}, {"state": "RUNNING"}]
    assert said[-1]["app"]["present_version"] == "1.1.0"


def test_at_dev_there_is_nothing_to_watch(router: FakeRouter, flockctl: CommandLine) -> None:
    done = flockctl("device", "app", "install", "press-1", "weather", "--stage", "dev", "--watch", "--json")

    assert (done.status, done.error["code"], done.error["argument"]) == (1, "invalid_argument", "watch")
    assert heard(router, INSTALL) == []


STATUS = {
    **INSTALLED,
    "app_name": "weather",
    "target": "RUNNING",
    "version": "1.1.0",
    "state": "UPDATING",
    "state_since": None,
    "present_version": "1.0.0",
    "previous_version": None,
    "is_told": False,
    "refusal": "no disk",
}


@pytest.mark.parametrize("verb", ["status", "start", "stop", "remove", "rollback", "cancel", "upgrade"])
def test_what_is_wanted_of_an_app_is_said_and_shown(router: FakeRouter, flockctl: CommandLine, verb: str) -> None:
    uri = f"ironflock.devices.app.{verb}"
    router.script.procedures[uri] = lambda **_: STATUS

    as_json = flockctl("device", "app", verb, "press-1", "weather", "--stage", "dev", "--json")
    shown = flockctl("device", "app", verb, "press-1", "weather", "--stage", "dev").out

    assert as_json.json == {"app": STATUS}
    for word in ("weather", "running (to be told)", "updating: no disk", "1.0.0 -> 1.1.0"):
        assert word in shown
    assert heard(router, uri) == [WHICH, WHICH]


def test_a_version_is_named_and_a_list_confirmed(router: FakeRouter, flockctl: CommandLine) -> None:
    upgrade, confirm = "ironflock.devices.app.upgrade", "ironflock.devices.app.confirm"
    router.script.procedures |= {upgrade: lambda **_: STATUS, confirm: lambda **_: {"apps": [STATUS]}}

    flockctl("device", "app", "upgrade", "press-1", "26", "--stage", "dev", "--version", "1.1.0")
    flockctl("device", "app", "install", "press-1", "26", "--stage", "dev", "--version", "1.1.0")
    confirmed = flockctl("device", "app", "confirm", "press-1", "--json")

    assert heard(router, upgrade) == heard(router, INSTALL) == [{**WHICH, "version": "1.1.0"}]
    assert heard(router, confirm) == [{"device": "press-1"}]
    assert confirmed.json == {"apps": [STATUS]}


VARIABLES = {
    "variables": [
        {"name": "RATE", "value": "5", "is_secret": False},
        {"name": "TOKEN", "value": None, "is_secret": True},
        {
            "name": "MODE",
            "value": None,
            "is_secret": False,
            "is_set": False,
            "is_required": True,
            "choices": ["a", "b"],
            "description": "how it works",
        },
    ]
}


def test_an_environment_is_set_from_a_file_and_shown_without_secrets(
    router: FakeRouter, flockctl: CommandLine, tmp_path: Path
) -> None:
    uris = [f"ironflock.devices.app.{verb}" for verb in ("variables", "set_environment")]
    router.script.procedures |= dict.fromkeys(uris, lambda **_: VARIABLES)
    file = tmp_path / "weather.env"
    file.write_text("RATE=5\n\nTOKEN=a=b\n")
    words = ["press-1", "weather", "--stage", "dev"]

    shown = flockctl("device", "app", "variables", *words)
    more = ["--file", str(file), "--secret", "TOKEN", "--unset", "OLD", "--json"]
    done = flockctl("device", "app", "set-environment", *words, *more)

    assert "(secret)" in shown.out
    assert all(words in shown.out for words in ("no, and it is needed", "how it works (one of a, b)"))
    assert done.json == VARIABLES
    values = {"RATE": "5", "TOKEN": "a=b", "OLD": None}
    assert heard(router, uris[1]) == [{**WHICH, "values": values, "secrets": ["TOKEN"]}]


@pytest.mark.parametrize("content", ["RATE", None])
def test_what_is_no_environment_is_refused(
    router: FakeRouter, flockctl: CommandLine, tmp_path: Path, content: str | None
) -> None:
    file = tmp_path / "weather.env"
    if content is not None:
        file.write_text(content)

    ended = flockctl("device", "app", "set-environment", "press-1", "26", "--stage", "dev", "--file", str(file))

    assert ended.status != 0
    assert heard(router, "ironflock.devices.app.set_environment") == []


def test_ports_are_said_with_their_protocols(router: FakeRouter, flockctl: CommandLine) -> None:
    uri = "ironflock.devices.app.set_ports"
    router.script.procedures[uri] = lambda **_: STATUS

    flockctl("device", "app", "set-ports", "press-1", "weather", "80", "22/tcp", "--stage", "dev")

    assert heard(router, uri) == [{**WHICH, "ports": [{"port": 80}, {"port": 22, "protocol": "tcp"}]}]
    assert flockctl("device", "app", "set-ports", "press-1", "26", "ssh", "--stage", "dev").status != 0


def test_an_app_is_uninstalled(router: FakeRouter, flockctl: CommandLine) -> None:
    ended = flockctl("device", "app", "uninstall", "press-1", "26", "--stage", "dev", "--json")

    assert ended.json == {"uninstalled": WHICH}
    assert heard(router, UNINSTALL) == [WHICH]


def test_the_apps_of_a_device_are_listed(router: FakeRouter, flockctl: CommandLine) -> None:
    assert flockctl("device", "app", "list", "press-1", "--json").json == {"apps": [INSTALLED]}
    shown = flockctl("device", "app", "list", "press-1").out
    assert "26" in shown
    assert "dev" in shown
    assert heard(router, LIST)[0] == {"device": "press-1"}


def test_a_credential_is_rotated(router: FakeRouter, flockctl: CommandLine) -> None:
    ended = flockctl("device", "app", "rotate", "press-1", "weather", "--stage", "dev")

    assert "credential 2 counts" in ended.out
    assert heard(router, ROTATE) == [WHICH]


def env(flockctl: CommandLine, *more: str) -> Any:
    return flockctl("app", "env", "--device", "press-1", "--app", "weather", "--stage", "dev", *more)


def test_the_environment_is_lines_or_json_on_standard_output(router: FakeRouter, flockctl: CommandLine) -> None:
    lines, as_json = env(flockctl, "--out", "-"), env(flockctl, "--out", "-", "--json")

    assert lines.out == "".join(f"{name}={value}\n" for name, value in VALUES.items())
    assert as_json.json == VALUES
    assert heard(router, ENVIRONMENT) == [WHICH] * 2


@pytest.mark.parametrize("form", ["lines", "json"])
def test_the_environment_goes_into_a_file_of_its_owner_alone(flockctl: CommandLine, tmp_path: Path, form: str) -> None:
    file = tmp_path / "weather.env"

    ended = env(flockctl, "--out", str(file), *(["--json"] if form == "json" else []))

    text = file.read_text()
    assert (json.loads(text) if form == "json" else dict(line.split("=", 1) for line in text.splitlines())) == VALUES
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert SECRET not in ended.out + ended.err
    if form == "json":
        assert ended.json == {"file": str(file)}
    assert env(flockctl, "--out", str(file), "--json").error["code"] == "already_exists"
    assert env(flockctl, "--out", str(file), "--force").status == 0


def test_without_a_place_for_the_secret_nothing_is_asked(router: FakeRouter, flockctl: CommandLine) -> None:
    assert env(flockctl).status == 2
    assert heard(router, ENVIRONMENT) == []


def test_given_a_refusal_when_the_environment_is_asked_for_then_no_file_is_left(
    router: FakeRouter, flockctl: CommandLine, tmp_path: Path
) -> None:
    def refused(**_: Any) -> None:
        raise RefusedError("wamp.error.not_authorized", "you lack DEVELOP")

    router.script.procedures[ENVIRONMENT] = refused

    ended = env(flockctl, "--out", str(tmp_path / "x.env"), "--json")

    assert (ended.status, ended.error["code"]) == (1, "not_authorized")
    assert list(tmp_path.glob("*.env")) == []
    assert list(tmp_path.glob(".*.tmp")) == []


def test_a_value_that_would_be_two_lines_is_refused(router: FakeRouter, flockctl: CommandLine) -> None:
    router.script.procedures[ENVIRONMENT] = lambda **_: {"environment": {"DEVICE_NAME": "a\nAPP_AUTH_ID=b"}}

    assert env(flockctl, "--out", "-").status == 1
    assert env(flockctl, "--out", "-", "--json").json == {"DEVICE_NAME": "a\nAPP_AUTH_ID=b"}


@pytest.mark.parametrize("stage", ["DEV!", "", "test", "PRODUCTION"])
def test_there_are_two_stages(router: FakeRouter, flockctl: CommandLine, stage: str) -> None:
    assert flockctl("device", "app", "install", "press-1", "26", "--stage", stage).status == 2
    assert heard(router, INSTALL) == []
