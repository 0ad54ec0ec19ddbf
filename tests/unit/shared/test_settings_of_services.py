"""What each service reads from its environment: every refusal names the variable."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from services.audit import settings as audit
from services.auth import settings as auth
from services.devices import settings as devices
from services.fleetdb import settings as fleetdb
from services.gateway import settings as gateway
from services.privileges import settings as privileges
from services.realms import settings as realms
from services.tunnels import settings as tunnels
from shared.settings import Settings, SettingsError
from tests.unit.shared.environments import environment

READ: Final[dict[str, Callable[[Settings], Any]]] = {
    "audit": audit.read,
    "auth": auth.read,
    "devices": devices.read,
    "fleetdb": fleetdb.read,
    "gateway": gateway.read,
    "privileges": privileges.read,
    "realms": realms.read,
    "tunnels": tunnels.read,
}

SERVICES: Final = Path(__file__).parents[3] / "services"
each_service = pytest.mark.parametrize("service", READ)


def read(service: str, variables: dict[str, str]) -> Any:
    return READ[service](Settings(service.upper(), variables))


def test_every_service_is_here() -> None:
    assert {folder.parent.name for folder in SERVICES.glob("*/settings.py")} == READ.keys()


@each_service
def test_a_complete_environment_is_read_and_shows_no_secret(service: str, tmp_path: Path) -> None:
    assert "s3cret" not in repr(read(service, environment(service, tmp_path)))


@each_service
def test_given_any_variable_missing_when_it_is_read_then_it_is_named(service: str, tmp_path: Path) -> None:
    variables = environment(service, tmp_path)
    for missing in variables:
        with pytest.raises(SettingsError, match=missing):
            read(service, {name: value for name, value in variables.items() if name != missing})


@each_service
def test_given_a_misspelt_variable_when_it_is_read_then_it_is_named(service: str, tmp_path: Path) -> None:
    misspelt = f"IRONFLOCK_{service.upper()}_OPS_PROT"

    with pytest.raises(SettingsError, match=misspelt):
        read(service, {**environment(service, tmp_path), misspelt: "1"})
