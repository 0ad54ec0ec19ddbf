"""What privileges reads from its environment: every refusal names the variable."""

from pathlib import Path

import pytest

from services.privileges.settings import read
from shared.settings import Settings, SettingsError
from tests.unit.shared.environments import environment

NAME = "privileges"


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
