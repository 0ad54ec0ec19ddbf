"""What auth reads from its environment besides what every service does: each refusal names the variable."""

from pathlib import Path

import pytest

from services.auth.settings import read
from shared.settings import Settings, SettingsError
from tests.unit.shared.environments import environment


@pytest.fixture(name="variables")
def fixture_variables(tmp_path: Path) -> dict[str, str]:
    return environment("auth", tmp_path)


@pytest.mark.parametrize("content", ["", "{}", "s3cret", '{"active": "m1", "keys": {"m1": "c2hvcnQ="}}'])
def test_given_unfit_master_keys_when_they_are_read_then_the_variable_is_named(
    variables: dict[str, str], content: str
) -> None:
    Path(variables["IRONFLOCK_AUTH_MASTER_KEYS_FILE"]).write_text(content)

    with pytest.raises(SettingsError, match="IRONFLOCK_AUTH_MASTER_KEYS_FILE") as refused:
        read(Settings("AUTH", variables))

    assert "s3cret" not in str(refused.value)
