"""What auth reads from its environment, once."""

from pathlib import Path
from urllib.parse import urlsplit

from attrs import field, frozen

from shared.database import DatabaseSettings
from shared.secrets import MasterKeys, SecretsError, parse_master_keys
from shared.service import (
    LOCAL,
    BusSettings,
    CommonSettings,
    bus_settings,
    common_settings,
    service_database_settings,
)
from shared.settings import Settings, SettingsError


@frozen
class AuthSettings:
    """Auth's settings; the first owner's key comes in clear from a file and is kept only as its hash."""

    common: CommonSettings
    bus: BusSettings
    database: DatabaseSettings
    masters: MasterKeys
    port: int
    bind: str
    issuer: str
    audience: str
    mail_folder: Path
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
        port=settings.port("PORT"),
        bind=settings.text("BIND", LOCAL),
        issuer=_origin(settings, "ISSUER"),
        audience=_origin(settings, "AUDIENCE"),
        mail_folder=settings.path("MAIL_FOLDER"),
        first_owner=settings.text("FIRST_OWNER", "owner@localhost"),
        first_owner_key=settings.secret("FIRST_OWNER_KEY"),
    )
    settings.refuse_unknown()
    return read_settings


def _origin(settings: Settings, name: str) -> str:
    """An https origin without a path, as an issuer and an audience are here (RFC 6454, RFC 8414 section 2)."""
    text = settings.text(name)
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or text != f"https://{parts.netloc}" or "@" in parts.netloc:
        raise SettingsError(f"IRONFLOCK_AUTH_{name} must be an origin like https://accounts.example.com")
    return text


def _masters(path: Path) -> MasterKeys:
    try:
        return parse_master_keys(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SecretsError) as error:
        raise SettingsError(f"IRONFLOCK_AUTH_MASTER_KEYS_FILE names {path}: {error}") from error
