"""What gateway reads from its environment: every refusal names the variable."""

from pathlib import Path

import pytest

from services.gateway.settings import read
from shared.settings import Settings, SettingsError
from tests.unit.shared.environments import environment

NAME = "gateway"


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


@pytest.mark.parametrize("version", ["latest", "1.2", "1.2.3.4", "v1.2.3", "1.2.3-x", "1.2.\u0663"])
def test_given_no_version_that_agents_read_when_it_is_read_then_the_variable_is_named(
    variables: dict[str, str], version: str
) -> None:
    with pytest.raises(SettingsError, match="IRONFLOCK_GATEWAY_AGENT_VERSION"):
        read(Settings("GATEWAY", {**variables, "IRONFLOCK_GATEWAY_AGENT_VERSION": version}))


@pytest.mark.parametrize(
    "url",
    ["http://localhost:8445", "https://localhost:8445/", "https://a@localhost", "https://", "localhost", "https://x?y"],
)
def test_given_no_origin_when_it_is_read_then_the_variable_is_named(variables: dict[str, str], url: str) -> None:
    with pytest.raises(SettingsError, match="IRONFLOCK_GATEWAY_URL"):
        read(Settings("GATEWAY", {**variables, "IRONFLOCK_GATEWAY_URL": url}))
