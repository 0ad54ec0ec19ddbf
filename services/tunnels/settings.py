"""What tunnels reads from its environment, once."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from attrs import frozen

from services.tunnels.records.plugin import Fleet
from services.tunnels.records.recordings import Keeping
from services.tunnels.records.tunnels import PortRange
from services.tunnels.rules.nodes import fleet_of
from shared.database import DatabaseSettings
from shared.proxied import Proxies, read_proxies
from shared.secrets import MasterKeys, SecretsError, parse_master_keys
from shared.service import LOCAL, BusSettings, CommonSettings, bus_settings, common_settings, service_database_settings
from shared.settings import MAX_PORT, Settings, SettingsError

VISIT_LIFE_S: Final = 12 * 3_600.0
RECORDING_DAYS: Final = 30
RECORDING_OCTETS: Final = 10 << 30
VISIT_IDLE_S: Final = 15 * 60.0
_RANGE: Final = re.compile(r"([0-9]{1,5})-([0-9]{1,5})", re.ASCII)
_DOMAIN: Final = re.compile(r"(?=.{1,180}$)[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?(\.[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)*")


@frozen
class TunnelsSettings:
    """Tunnels' settings.

    Args:
        is_bound_to_address: Whether it can be seen here where frpc comes from: then projects say whether that has to be
            where its agent comes from (decision 27).
        issuer: The origin of the provider at which browsers sign in; `issuer_ca` vouches for it, None: the system's.
        public_port: Where people come to the visitors' port from outside, where something stands before it.
        fleet: The frps nodes that ask us at `frps_bind`:`frps_port`; None where there are none.
        masters: What the data keys are wrapped with under which recordings lie, as `keeping` says.
        visit_life_s: A visit ends after so long at the latest; `visit_idle_s`: and when no octet went for so long.
    """

    common: CommonSettings
    bus: BusSettings
    database: DatabaseSettings
    issuer: str
    issuer_ca: str | None
    domain: str
    bind: str
    proxies: Proxies
    edge_port: int
    visitors_port: int
    public_port: int
    raw_ports: PortRange
    visit_life_s: float
    visit_idle_s: float
    is_bound_to_address: bool
    masters: MasterKeys
    keeping: Keeping
    fleet: Fleet | None
    frps_port: int
    frps_bind: str


def read(settings: Settings) -> TunnelsSettings:
    """All of them.

    Raises:
        SettingsError: One is missing, malformed or unknown.
    """
    common = common_settings(settings)
    visitors_port = settings.port("VISITORS_PORT")
    fleet = _fleet(settings.optional_secret("FRPS_NODES"), settings.text("FRPS_FRONT", ""))
    read_settings = TunnelsSettings(
        common=common,
        bus=bus_settings(settings, "tunnels", common.ca),
        database=service_database_settings(settings, "tunnels", common.ca),
        issuer=_issuer(settings.text("ISSUER")),
        issuer_ca=str(common.ca) if _is_platform(settings.text("ISSUER_CA", "platform")) else None,
        domain=_domain(settings.text("DOMAIN")),
        bind=settings.text("BIND", LOCAL),
        proxies=read_proxies(settings),
        edge_port=settings.port("EDGE_PORT"),
        visitors_port=visitors_port,
        public_port=settings.port("PUBLIC_PORT", visitors_port),
        raw_ports=_range(settings.text("RAW_PORTS")),
        visit_life_s=settings.seconds("VISIT_LIFE", VISIT_LIFE_S),
        visit_idle_s=settings.seconds("VISIT_IDLE", VISIT_IDLE_S),
        is_bound_to_address=_yes(settings.text("SAME_ADDRESS", "yes")),
        masters=_masters(settings.path("MASTER_KEYS_FILE")),
        keeping=Keeping(
            days=settings.integer("RECORDING_DAYS", RECORDING_DAYS, minimum=1, maximum=3_650),
            octets=settings.integer("RECORDING_OCTETS", RECORDING_OCTETS, minimum=1 << 20, maximum=1 << 50),
        ),
        fleet=fleet,
        frps_port=settings.port("FRPS_PORT", None if fleet else 1),
        frps_bind=settings.text("FRPS_BIND", LOCAL),
    )
    settings.refuse_unknown()
    return read_settings


def _masters(path: Path) -> MasterKeys:
    try:
        return parse_master_keys(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SecretsError) as error:
        raise SettingsError(f"IRONFLOCK_TUNNELS_MASTER_KEYS_FILE names {path}: {error}") from error


def _fleet(text: str, own_address: str) -> Fleet | None:
    """The nodes; `own_address` is one more from which we reach them, where it is known at the start alone."""
    try:
        return fleet_of(text, own_address) if text else None
    except ValueError as error:
        raise SettingsError(f"IRONFLOCK_TUNNELS_FRPS_NODES_FILE: {error}") from error


def _yes(text: str) -> bool:
    if text not in ("yes", "no"):
        raise SettingsError("IRONFLOCK_TUNNELS_SAME_ADDRESS must be yes or no")
    return text == "yes"


def _is_platform(text: str) -> bool:
    if text not in ("platform", "system"):
        raise SettingsError("IRONFLOCK_TUNNELS_ISSUER_CA must be platform or system")
    return text == "platform"


def _issuer(text: str) -> str:
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or text != f"https://{parts.netloc}" or "@" in parts.netloc:
        raise SettingsError("IRONFLOCK_TUNNELS_ISSUER must be the origin where people sign in")
    return text


def _domain(text: str) -> str:
    domain = text.lower()
    if _DOMAIN.fullmatch(domain) is None:
        raise SettingsError("IRONFLOCK_TUNNELS_DOMAIN must be a domain, of which each web tunnel has a host")
    return domain


def _range(text: str) -> PortRange:
    found = _RANGE.fullmatch(text)
    ports = PortRange(0, 0) if found is None else PortRange(int(found[1]), int(found[2]))
    if not 1 <= ports.first <= ports.last <= MAX_PORT:
        raise SettingsError("IRONFLOCK_TUNNELS_RAW_PORTS must be the first and the last port, for example 7500-7599")
    return ports
