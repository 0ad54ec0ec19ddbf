"""What privileges reads from its environment, once."""

from attrs import frozen

from shared.database import DatabaseSettings
from shared.service import BusSettings, CommonSettings, bus_settings, common_settings, service_database_settings
from shared.settings import Settings


@frozen
class PrivilegesSettings:
    """Privileges' settings."""

    common: CommonSettings
    bus: BusSettings
    database: DatabaseSettings


def read(settings: Settings) -> PrivilegesSettings:
    """All of them.

    Raises:
        SettingsError: One is missing, malformed or unknown.
    """
    common = common_settings(settings)
    read_settings = PrivilegesSettings(
        common=common,
        bus=bus_settings(settings, "privileges", common.ca),
        database=service_database_settings(settings, "privileges", common.ca),
    )
    settings.refuse_unknown()
    return read_settings
