"""What devices reads from its environment, once."""

from pathlib import Path

from attrs import field, frozen

from services.devices.records.alerts import WebhookSettings
from services.devices.records.devices import FlockSettings
from shared.database import DatabaseSettings
from shared.secrets import MasterKeys, SecretsError, parse_master_keys
from shared.service import BusSettings, CommonSettings, bus_settings, common_settings, service_database_settings
from shared.settings import Settings, SettingsError


@frozen
class DevicesSettings:
    """Devices' settings."""

    common: CommonSettings
    bus: BusSettings
    database: DatabaseSettings
    masters: MasterKeys = field(repr=False)
    flock: FlockSettings
    webhooks: WebhookSettings


def read(settings: Settings) -> DevicesSettings:
    """All of them.

    Raises:
        SettingsError: One is missing, malformed or unknown.
    """
    common = common_settings(settings)
    read_settings = DevicesSettings(
        common=common,
        bus=bus_settings(settings, "devices", common.ca),
        database=service_database_settings(settings, "devices", common.ca),
        masters=_masters(settings.path("MASTER_KEYS_FILE")),
        flock=_flock(settings),
        webhooks=_webhooks(settings),
    )
    settings.refuse_unknown()
    return read_settings


def _flock(settings: Settings) -> FlockSettings:
    endpoint, update_url = settings.text("DEVICE_ENDPOINT_URL"), settings.text("UPDATE_URL")
    if not endpoint.startswith("wss://"):
        raise SettingsError("IRONFLOCK_DEVICES_DEVICE_ENDPOINT_URL must be a wss:// URL")
    if not update_url.startswith("https://"):
        raise SettingsError("IRONFLOCK_DEVICES_UPDATE_URL must be an https:// URL")
    return FlockSettings(
        device_endpoint_url=endpoint,
        docker_registry_url=settings.text("DOCKER_REGISTRY_URL", "localhost:5000/"),
        docker_main_repository=settings.text("DOCKER_MAIN_REPOSITORY", "apps/"),
        update_url=update_url,
        appliance_domain=settings.text("APPLIANCE_DOMAIN", "") or None,
    )


def _webhooks(settings: Settings) -> WebhookSettings:
    private = settings.text("ALERT_PRIVATE_ADDRESSES", "refuse")
    if private not in ("refuse", "allow"):
        raise SettingsError("IRONFLOCK_DEVICES_ALERT_PRIVATE_ADDRESSES must be refuse or allow")
    return WebhookSettings(settings.text("ALERT_CA_FILE", "") or None, may_be_private=private == "allow")


def _masters(path: Path) -> MasterKeys:
    try:
        return parse_master_keys(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SecretsError) as error:
        raise SettingsError(f"IRONFLOCK_DEVICES_MASTER_KEYS_FILE names {path}: {error}") from error
