"""What every service reads of its environment, and how a service that cannot start ends."""

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shared import service
from shared.cells import Cell
from shared.errors import UnavailableError
from shared.health import Health
from shared.service import EXIT_SETTINGS, bus_settings, common_settings, forever
from shared.settings import Settings, SettingsError

ROOT = Path(__file__).parents[3]
COMMON = {"CA_FILE": "ca.pem", "TLS_CERTIFICATE": "x.pem", "TLS_KEY": "x.key", "OPS_PORT": "8449"}


def settings(variables: dict[str, str]) -> Settings:
    return Settings("X", {f"IRONFLOCK_X_{name}": value for name, value in variables.items()})


def test_the_operators_listener_is_local_unless_told_otherwise() -> None:
    assert common_settings(settings(COMMON)).ops_bind == "127.0.0.1"
    assert common_settings(settings({**COMMON, "OPS_BIND": "10.0.0.1"})).ops_bind == "10.0.0.1"


def test_there_is_one_certificate_for_all_unless_told_otherwise() -> None:
    inside = {"INSIDE_TLS_CERTIFICATE": "inside.pem", "INSIDE_TLS_KEY": "inside.key"}
    alike, other = common_settings(settings(COMMON)), common_settings(settings({**COMMON, **inside}))

    assert (alike.inside_certificate, alike.inside_key) == (alike.certificate, alike.key)
    assert (other.inside_certificate, other.inside_key) == (Path("inside.pem"), Path("inside.key"))
    assert other.certificate == alike.certificate


@pytest.mark.parametrize("missing", COMMON)
def test_given_a_missing_variable_when_settings_are_read_then_it_is_named(missing: str) -> None:
    with pytest.raises(SettingsError, match=f"IRONFLOCK_X_{missing}"):
        common_settings(settings({name: value for name, value in COMMON.items() if name != missing}))


def test_the_bus_is_a_list_of_cells(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("s3cret\n")
    told = {"BUS_URL": " wss://a:1/ws-svc , second=wss://b:2/ws-svc,", "BUS_SECRET_FILE": str(tmp_path / "secret")}

    found = bus_settings(settings(told), "auth", Path("ca.pem"))

    assert found.cells == (Cell("first", "wss://a:1/ws-svc"), Cell("second", "wss://b:2/ws-svc"))
    assert (found.credential.role, found.credential.secret) == ("svc_auth", "s3cret")
    assert "s3cret" not in repr(found)


@pytest.mark.parametrize(
    "url",
    [
        "",
        ",",
        "ws://a:1/ws-svc",
        "wss://a:1/ws-svc,b=ws://b:1/ws-svc",
        "wss://a:1/ws-svc,wss://b:1/ws-svc",
        "https://a",
    ],
)
def test_given_a_cell_without_tls_when_settings_are_read_then_the_variable_is_named(tmp_path: Path, url: str) -> None:
    (tmp_path / "secret").write_text("s3cret\n")

    with pytest.raises(SettingsError, match="BUS_URL"):
        bus_settings(settings({"BUS_URL": url, "BUS_SECRET_FILE": str(tmp_path / "secret")}), "auth", Path("ca.pem"))


@pytest.mark.parametrize("name", ["auth", "realms", "devices", "privileges", "gateway", "fleetdb", "tunnels"])
def test_given_an_empty_environment_when_a_service_starts_then_it_names_what_is_missing_and_ends(name: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-m", f"services.{name}"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert ended.returncode == EXIT_SETTINGS
    assert f"IRONFLOCK_{name.upper()}_" in json.loads(ended.stdout.splitlines()[-1])["reason"]
    assert "Traceback" not in ended.stdout + ended.stderr


@pytest.mark.asyncio
@pytest.mark.parametrize("failure", [UnavailableError("away"), ValueError("a fault")])
async def test_a_loop_that_failed_is_tried_again_soon_however_long_it_pauses_else(
    failure: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service, "FIRST_RETRY_S", 0.01)
    health, done, outcomes = Health(), asyncio.Event(), iter([failure, failure, None])

    async def once() -> None:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome
        done.set()

    loop = asyncio.create_task(forever("sweep", once, health, pause_s=3600.0))
    await asyncio.wait_for(done.wait(), 5)
    await asyncio.sleep(0)
    assert health.ready()
    assert not loop.done()
    loop.cancel()


@pytest.mark.parametrize(
    ("pause_s", "expected"),
    [
        (60.0, [0.25, 0.5, 1.0, 2.0, 4.0, 5.0, 5.0, 60.0, 0.25, 60.0]),
        (0.0, [0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.25, 0.0, 0.25, 0.0]),
    ],
)
@pytest.mark.asyncio
async def test_a_loop_that_goes_on_failing_is_tried_less_and_less_often_and_never_at_once(
    pause_s: float, expected: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    pauses: list[float] = []
    outcomes = iter([*[UnavailableError("away")] * 7, None, UnavailableError("away"), None])

    async def once() -> None:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 10:
            raise asyncio.CancelledError

    monkeypatch.setattr("shared.service.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await forever("sweep", once, Health(), pause_s=pause_s)
    assert pauses == expected
