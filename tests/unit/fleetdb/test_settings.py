"""What fleetdb reads of its environment."""

from pathlib import Path

import pytest

from services.fleetdb import settings
from shared.settings import Settings, SettingsError
from tests.unit.shared.environments import environment


def test_the_whole_environment(tmp_path: Path) -> None:
    read = settings.read(Settings("FLEETDB", environment("fleetdb", tmp_path)))

    assert (read.cluster.host, read.cluster.port, read.cluster.connections) == ("localhost", 8446, 120)
    assert (read.bus.credential.role, read.database.login) == ("svc_fleetdb", "svc_fleetdb")
    assert "masters" not in repr(read)


def test_given_no_master_keys_in_the_file_when_read_then_the_variable_is_named(tmp_path: Path) -> None:
    variables = environment("fleetdb", tmp_path)
    (tmp_path / "masters").write_text("{}")

    with pytest.raises(SettingsError, match="MASTER_KEYS_FILE"):
        settings.read(Settings("FLEETDB", variables))
