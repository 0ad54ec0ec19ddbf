"""What gateway reads from its environment besides what every service does: each refusal names the variable."""

from pathlib import Path

import pytest

from services.gateway.settings import read
from shared.settings import Settings, SettingsError
from tests.unit.shared.environments import environment


@pytest.fixture(name="variables")
def fixture_variables(tmp_path: Path) -> dict[str, str]:
    return environment("gateway", tmp_path)


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
