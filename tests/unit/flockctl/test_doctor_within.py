"""What a pod is told of the installation around it, and what comes of an installation that is away."""

from pathlib import Path

import pytest

from deploy.flockctl.doctor.checks import CHECKS, diagnose
from deploy.flockctl.doctor.within import UNSEEN, gather_within, is_within, read_within
from deploy.flockctl.errors import CommandError
from deploy.flockctl.examining import seen_from_here
from shared.settings import SettingsError
from tests.harness.ports import free_port_base
from tests.integration.flockctl.certificates import make_certificates


@pytest.fixture(name="environ")
def fixture_environ(tmp_path: Path) -> dict[str, str]:
    """Of an installation of which nothing answers."""
    base = free_port_base()
    (tmp_path / "password").write_text("secret-of-doctor")
    return {
        f"IRONFLOCK_DOCTOR_{name}": value
        for name, value in {
            "CA_FILE": str(make_certificates(tmp_path).ca),
            "DATABASE_HOST": "localhost",
            "DATABASE_PORT": str(base),
            "DATABASE_PASSWORD_FILE": str(tmp_path / "password"),
            "PARTS": f"auth=localhost:{base + 1}, audit=localhost:{base + 2}",
            "BUS_URL": "first=wss://router-0.cells.ironflock.svc:8444/ws-svc",
            "AUDIT": str(tmp_path / "audit"),
            "STATE": str(tmp_path / "state"),
            "TO": str(tmp_path),
        }.items()
    }


def test_a_password_that_another_one_follows_is_two(environ: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "password").write_text("new-of-doctor\nsecret-of-doctor\n")

    found = read_within(environ).database

    assert (found.password, found.before) == ("new-of-doctor", "secret-of-doctor")
    assert "of-doctor" not in repr(found)


@pytest.mark.parametrize(
    "name", ["CA_FILE", "DATABASE_HOST", "DATABASE_PASSWORD_FILE", "PARTS", "BUS_URL", "AUDIT", "STATE", "TO"]
)
def test_what_is_missing_is_named(environ: dict[str, str], name: str) -> None:
    with pytest.raises(SettingsError, match=name):
        read_within({**environ, f"IRONFLOCK_DOCTOR_{name}": ""})


@pytest.mark.parametrize("parts", ["auth", "auth=:9443", "=auth:9443", "auth=host:0", "auth=host:port", "a=h:1,,b=h:2"])
def test_a_part_is_a_name_and_a_place(environ: dict[str, str], parts: str) -> None:
    with pytest.raises(SettingsError, match="NAME=HOST:PORT"):
        read_within({**environ, "IRONFLOCK_DOCTOR_PARTS": parts})


def test_a_misspelt_setting_is_refused_by_a_sentence(environ: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {**environ, "IRONFLOCK_DOCTOR_PARTZ": "x"}.items():
        monkeypatch.setenv(name, value)

    with pytest.raises(CommandError, match="PARTZ"):
        seen_from_here(None, 0.0)


def test_on_one_machine_nobody_is_within() -> None:
    assert not is_within({"IRONFLOCK_LOCAL_STATE": "/state", "IRONFLOCK_AUTH_SIGN_UP": "open"})


def test_of_an_installation_that_is_away_everything_is_said(environ: dict[str, str]) -> None:
    site = {"IRONFLOCK_AUTH_SIGN_UP": "open", "IRONFLOCK_TUNNELS_SAME_ADDRESS": "no"}

    facts = gather_within(read_within(environ), {**environ, **site}, 1.8e9)

    found = {each.code: each.what for each in diagnose(facts, CHECKS)}
    assert {"part_not_ready", "database_away", "listener_silent", "open_sign_up", "any_address"} <= found.keys()
    assert not found.keys() & UNSEEN.keys()
    assert "secret-of-doctor" not in str(facts)
    assert facts.settings["BUS_URL"] == environ["IRONFLOCK_DOCTOR_BUS_URL"]
