"""What devices reads from its environment: every refusal names the variable."""

from pathlib import Path

import pytest

from services.devices.settings import read
from shared.settings import Settings, SettingsError
from tests.unit.shared.environments import environment

NAME = "devices"


@pytest.fixture(name="variables")
def fixture_variables(tmp_path: Path) -> dict[str, str]:
    return environment(NAME, tmp_path)


def test_a_complete_environment_is_read_and_shows_no_secret(variables: dict[str, str]) -> None:
    found = read(Settings(NAME.upper(), variables))

    assert "s3cret" not in repr(found)


def test_given_any_variable_missing_when_it_is_read_then_it_is_named(variables: dict[str, str]) -> None:
    for missing in variables:
        with pytest.raises(SettingsError, match=missing):
            read(Settings(NAME.upper(), {name: value for name, value in variables.items() if name != missing}))


def test_given_a_misspelt_variable_when_it_is_read_then_it_is_named(variables: dict[str, str]) -> None:
    misspelt = f"IRONFLOCK_{NAME.upper()}_OPS_PROT"

    with pytest.raises(SettingsError, match=misspelt):
        read(Settings(NAME.upper(), {**variables, misspelt: "1"}))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DEVICE_ENDPOINT_URL", "ws://localhost/ws-re-dev"),
        ("DEVICE_ENDPOINT_URL", "localhost"),
        ("UPDATE_URL", "http://localhost"),
        ("UPDATE_URL", "storage"),
    ],
)
def test_given_a_url_without_tls_when_it_is_read_then_the_variable_is_named(
    variables: dict[str, str], name: str, value: str
) -> None:
    with pytest.raises(SettingsError, match=f"IRONFLOCK_DEVICES_{name}"):
        read(Settings("DEVICES", {**variables, f"IRONFLOCK_DEVICES_{name}": value}))


def test_without_a_domain_none_is_written_into_flocks(variables: dict[str, str]) -> None:
    assert read(Settings("DEVICES", variables)).flock.appliance_domain is None
    named = {**variables, "IRONFLOCK_DEVICES_APPLIANCE_DOMAIN": "ironflock.example.com"}
    assert read(Settings("DEVICES", named)).flock.appliance_domain == "ironflock.example.com"
