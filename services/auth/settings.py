"""What auth reads from its environment, once."""

from pathlib import Path

from attrs import field, frozen

from shared.database import DatabaseSettings
from shared.secrets import MasterKeys, SecretsError, parse_master_keys
from shared.service import BusSettings, CommonSettings, bus_settings, common_settings, service_database_settings
from shared.settings import Settings, SettingsError


@frozen
class AuthSettings:
    """Auth's settings; the first owner's key comes in clear from a file and is kept only as its hash."""

    common: CommonSettings
    bus: BusSettings
    database: DatabaseSettings
    masters: MasterKeys
    first_owner: str
    first_owner_key: str = field(repr=False)


def read(settings: Settings) -> AuthSettings:
    """All of them.

    Raises:
        SettingsError: One is missing, malformed or unknown.
    """
    common = common_settings(settings)
    read_settings = AuthSettings(
        common=common,
        bus=bus_settings(settings, "auth", common.ca),
        database=service_database_settings(settings, "auth", common.ca),
        masters=_masters(settings.path("MASTER_KEYS_FILE")),
        first_owner=settings.text("FIRST_OWNER", "owner@localhost"),
        first_owner_key=settings.secret("FIRST_OWNER_KEY"),
    )
    settings.refuse_unknown()
    return read_settings


def _masters(path: Path) -> MasterKeys:
    try:
        return parse_master_keys(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SecretsError) as error:
        raise SettingsError(f"IRONFLOCK_AUTH_MASTER_KEYS_FILE names {path}: {error}") from error
