"""The launcher's settings, read once."""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import frozen

from deploy.local.state import REPOSITORY, SETTING, find_state_folder
from shared.settings import Settings, SettingsError

DAY_S: Final = 86_400
CERTIFICATE_LIFE_S: Final = 2 * DAY_S
FIRST_PORT: Final = 8440
LAST_OFFSET: Final = 16
# RFC 1123 host names; what stands in a certificate and a URL is checked, not passed on.
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME: Final = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")


@frozen
class Ports:
    """The TCP ports, all counted from `base`."""

    base: int

    @property
    def accounts(self) -> int:
        """Where people sign in: auth's pages and the OpenID provider."""
        return self.base + 1

    @property
    def router_public(self) -> int:
        """Devices, people and apps."""
        return self.base + 3

    @property
    def router_services(self) -> int:
        """Services, on the loopback address only."""
        return self.base + 4

    @property
    def gateway(self) -> int:
        """HTTPS for agents and people."""
        return self.base + 5

    @property
    def postgres(self) -> int:
        """PostgreSQL, on the loopback address only."""
        return self.base + 6

    @property
    def sql(self) -> int:
        """Where people read data backends by SQL: PostgreSQL's protocol, over TLS."""
        return self.base + 16

    @property
    def audit(self) -> int:
        """The audit log's tiles, on the loopback address only."""
        return self.base + 12

    @property
    def operations(self) -> dict[str, int]:
        """Health and metrics of each process that has them, on the loopback address only."""
        names = ("router", "gateway", "auth", "realms", "devices")
        return {
            **{name: self.base + 7 + at for at, name in enumerate(names)},
            "audit": self.base + 13,
            "privileges": self.base + 14,
            "fleetdb": self.base + 15,
        }


@frozen
class LocalSettings:
    """How this platform is run."""

    state: Path
    repository: Path
    ports: Ports
    host: str
    bind: str
    postgres_user: str
    certificate_life_s: float


def local_settings(environ: Mapping[str, str]) -> LocalSettings:
    """The settings out of `IRONFLOCK_LOCAL_*`.

    Raises:
        SettingsError: One is malformed or unknown; the text names it.
    """
    settings = Settings("LOCAL", environ)
    settings.text(SETTING.removeprefix("IRONFLOCK_LOCAL_"), "-")  # known here, decided by `find_state_folder`
    found = LocalSettings(
        state=find_state_folder(environ),
        repository=REPOSITORY,
        ports=Ports(settings.integer("PORT_BASE", FIRST_PORT, minimum=1, maximum=65_535 - LAST_OFFSET)),
        host=_host(settings.text("HOST", "localhost")),
        bind=_address(settings.text("BIND", "127.0.0.1")),
        postgres_user=settings.text("POSTGRES_USER", "-").removeprefix("-"),
        certificate_life_s=settings.seconds("CERTIFICATE_LIFE", CERTIFICATE_LIFE_S, maximum=365 * DAY_S),
    )
    settings.refuse_unknown()
    return found


def is_address(host: str) -> bool:
    """Whether `host` is an IP address rather than a name."""
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def url_host(host: str) -> str:
    """`host` as it stands in a URL: IPv6 addresses in brackets (RFC 3986 section 3.2.2)."""
    return f"[{host}]" if ":" in host else host


def _host(text: str) -> str:
    host = text.lower()
    if is_address(host):
        return str(ipaddress.ip_address(host))  # the one spelling that certificates use as well
    if _HOST_NAME.fullmatch(host):
        return host
    raise SettingsError("IRONFLOCK_LOCAL_HOST must be a host name or an IP address")


def _address(text: str) -> str:
    if not is_address(text):
        raise SettingsError("IRONFLOCK_LOCAL_BIND must be an IP address, for example 0.0.0.0")
    return text
