"""What auth reads from its environment, once."""

from pathlib import Path
from urllib.parse import urlsplit

from attrs import field, frozen

from services.auth.records.messages import SUBMISSIONS_PORT, SmtpSettings
from services.auth.records.upstream import UpstreamProvider
from services.auth.upstream_settings import read_providers
from shared.database import DatabaseSettings
from shared.proxied import Proxies, read_proxies
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
    person_keys: MasterKeys
    port: int
    bind: str
    proxies: Proxies
    issuer: str
    audience: str
    clients_ca: str | None
    tunnels: str | None
    mail: SmtpSettings | None
    mail_folder: Path
    upstream: tuple[UpstreamProvider, ...]
    is_sign_up_open: bool
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
        masters=_masters("MASTER_KEYS_FILE", settings.path("MASTER_KEYS_FILE")),
        person_keys=_masters("PERSON_KEYS_FILE", settings.path("PERSON_KEYS_FILE")),
        port=settings.port("PORT"),
        bind=settings.text("BIND", LOCAL),
        proxies=read_proxies(settings),
        issuer=_origin(settings, "ISSUER"),
        audience=_origin(settings, "AUDIENCE"),
        clients_ca=_clients_ca(settings, common.ca),
        tunnels=_tunnels(settings),
        mail=_smtp(settings, common.ca),
        is_sign_up_open=_is_open(settings.text("SIGN_UP", "invitation")),
        mail_folder=settings.path("MAIL_FOLDER"),
        upstream=_upstream(settings.text("UPSTREAM_FILE", "-")),
        first_owner=settings.text("FIRST_OWNER", "owner@localhost"),
        first_owner_key=settings.secret("FIRST_OWNER_KEY"),
    )
    settings.refuse_unknown()
    return read_settings


def _smtp(settings: Settings, ca: Path) -> SmtpSettings | None:
    """The mail server, where there is one; `SMTP_CA` says `platform` for our own authority, else the system's count."""
    host = settings.text("SMTP_HOST", "-")
    found = SmtpSettings(
        host=host,
        port=settings.integer("SMTP_PORT", SUBMISSIONS_PORT, minimum=1, maximum=65_535),
        user=settings.text("SMTP_USER", "-").removeprefix("-"),
        password=settings.optional_secret("SMTP_PASSWORD"),
        sender=settings.text("SMTP_FROM", f"ironflock@{host}"),
        ca=ca if settings.text("SMTP_CA", "system") == "platform" else None,
    )
    return None if host == "-" else found


def _clients_ca(settings: Settings, ca: Path) -> str | None:
    """Whom clients that are told of logouts are believed by: our own authority (`platform`), or the system's."""
    return str(ca) if settings.text("CLIENTS_CA", "system") == "platform" else None


def _upstream(path: str) -> tuple[UpstreamProvider, ...]:
    """Other providers by which people sign in; none where no file names them."""
    return () if path == "-" else read_providers("IRONFLOCK_AUTH_UPSTREAM_FILE", Path(path))


def _is_open(text: str) -> bool:
    if text not in {"invitation", "open"}:
        raise SettingsError("IRONFLOCK_AUTH_SIGN_UP must be invitation or open")
    return text == "open"


def _origin(settings: Settings, name: str) -> str:
    """An https origin without a path, as an issuer and an audience are here (RFC 6454, RFC 8414 section 2)."""
    text = settings.text(name)
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or text != f"https://{parts.netloc}" or "@" in parts.netloc:
        raise SettingsError(f"IRONFLOCK_AUTH_{name} must be an origin like https://accounts.example.com")
    return text


def _tunnels(settings: Settings) -> str | None:
    """The origin of the domain of tunnels, whose visitors sign in here; none where there is none."""
    return None if settings.text("TUNNELS", "-") == "-" else _origin(settings, "TUNNELS")


def _masters(name: str, path: Path) -> MasterKeys:
    try:
        return parse_master_keys(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SecretsError) as error:
        raise SettingsError(f"IRONFLOCK_AUTH_{name} names {path}: {error}") from error
