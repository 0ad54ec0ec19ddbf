"""What devices reads from its environment besides what every service does: each refusal names the variable."""

from pathlib import Path

import pytest

from services.devices.settings import read
from shared.settings import Settings, SettingsError
from tests.unit.shared.environments import environment


@pytest.fixture(name="variables")
def fixture_variables(tmp_path: Path) -> dict[str, str]:
    return environment("devices", tmp_path)


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
