"""The launcher's settings, read once."""

import ipaddress
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from attrs import field, frozen

from deploy.local.state import REPOSITORY, SETTING, find_state_folder
from shared.settings import MAX_PORT, Settings, SettingsError

DAY_S: Final = 86_400
CERTIFICATE_LIFE_S: Final = 2 * DAY_S
FIRST_PORT: Final = 8440
LAST_OFFSET: Final = 19
TUNNEL_PORT: Final = 7000
"""Where agents look for the edge of tunnels (wire-agent.md section 6)."""
TUNNEL_PORT_HERE: Final = 7400
"""The same, of agents whose platform is on their own machine."""
HERE: Final = frozenset({"localhost", "127.0.0.1", "host.docker.internal"})
"""The hosts by which agents know that it is."""
RAW_PORTS: Final = 100
SECOND_CELL: Final = LAST_OFFSET + 1 + RAW_PORTS
"""Behind the ports of tunnels come those of the second cell's router, where there is one."""
SECOND_CELL_PORTS: Final = 3
SECOND_ROUTER: Final = "router-second"
"""Its process, and its certificate."""
# RFC 1123 host names; what stands in a certificate and a URL is checked, not passed on.
_LABEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
_HOST_NAME: Final = re.compile(rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*")


@frozen
class Ports:
    """The TCP ports, all counted from `base`."""

    base: int
    chosen_tunnel: int | None = None
    has_second_cell: bool = False
    is_here: bool = True
    """Whether devices know the platform as on their own machine."""

    @property
    def tunnel(self) -> int:
        """What devices' tunnel clients dial: it is not told to them, they know one port for each kind of host."""
        if self.chosen_tunnel is not None:
            return self.chosen_tunnel
        if self.base != FIRST_PORT:
            return self.base + LAST_OFFSET
        return TUNNEL_PORT_HERE if self.is_here else TUNNEL_PORT

    @property
    def visitors(self) -> int:
        """Where people come to what devices offer."""
        return self.base + 18

    @property
    def raw(self) -> str:
        """Those that tunnels may have of their own, `first-last`: none is open before somebody makes one public."""
        first = TUNNEL_PORT_HERE + RAW_PORTS if self.base == FIRST_PORT else self.base + LAST_OFFSET + 1
        return f"{min(first, MAX_PORT)}-{min(first + RAW_PORTS - 1, MAX_PORT)}"

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
    def second(self) -> int:
        """The second PostgreSQL, where there is one, on the loopback address only."""
        return self.base + 2

    @property
    def second_router_public(self) -> int:
        """Devices, people and apps of the second cell, where there is one."""
        return self.base + SECOND_CELL

    @property
    def second_router_services(self) -> int:
        """Services in the second cell, on the loopback address only."""
        return self.base + SECOND_CELL + 1

    @property
    def more_routers(self) -> tuple[str, ...]:
        """The processes of routers beside the first."""
        return (SECOND_ROUTER,) if self.has_second_cell else ()

    @property
    def sql(self) -> int:
        """Where people read data backends by SQL: PostgreSQL's protocol, over TLS."""
        return self.base + 16

    @property
    def audit(self) -> int:
        """The audit log's tiles and heads: whoever verifies it."""
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
            "tunnels": self.base + 17,
            **dict.fromkeys(self.more_routers, self.base + SECOND_CELL + 2),
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
    tunnel_domain: str
    traces: Mapping[str, str] = field(factory=dict)
    """What services are told of where traces are sent, by the last words of their settings; nothing where nowhere."""
    has_second: bool = False
    """Whether there is a second PostgreSQL, to which projects can be moved."""


def local_settings(environ: Mapping[str, str]) -> LocalSettings:
    """The settings out of `IRONFLOCK_LOCAL_*`.

    Raises:
        SettingsError: One is malformed or unknown; the text names it.
    """
    settings = Settings("LOCAL", environ)
    settings.text(SETTING.removeprefix("IRONFLOCK_LOCAL_"), "-")  # known here, decided by `find_state_folder`
    host = _host(settings.text("HOST", "localhost"))
    found = LocalSettings(
        state=find_state_folder(environ),
        repository=REPOSITORY,
        ports=_ports(settings, host),
        host=host,
        bind=_address(settings.text("BIND", "127.0.0.1")),
        postgres_user=settings.text("POSTGRES_USER", "-").removeprefix("-"),
        certificate_life_s=settings.seconds("CERTIFICATE_LIFE", CERTIFICATE_LIFE_S, maximum=365 * DAY_S),
        tunnel_domain=_domain(settings.text("TUNNEL_DOMAIN", "tunnels.localhost")),
        traces=_traces(settings),
        has_second=settings.integer("CLUSTERS", 1, minimum=1, maximum=2) == 2,  # noqa: PLR2004 - said in a word
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


def _ports(settings: Settings, host: str) -> Ports:
    has_second_cell = settings.integer("CELLS", 1, minimum=1, maximum=2) == 2  # noqa: PLR2004 - said in a word
    last = SECOND_CELL + SECOND_CELL_PORTS - 1 if has_second_cell else LAST_OFFSET
    base = settings.integer("PORT_BASE", FIRST_PORT, minimum=1, maximum=MAX_PORT - last)
    chosen = settings.integer("TUNNEL_PORT", 0, minimum=0, maximum=MAX_PORT)
    return Ports(base, chosen or None, has_second_cell, is_here=host in HERE)


def _traces(settings: Settings) -> dict[str, str]:
    """They are read by who sends them; the platform's own authority is believed where no other one is named."""
    told = {name: settings.text(name, "") for name in ("OTLP_ENDPOINT", "OTLP_CA_FILE", "OTLP_SAMPLE_RATIO")}
    return {name: value for name, value in told.items() if value}


def _domain(text: str) -> str:
    domain = text.lower()
    if _HOST_NAME.fullmatch(domain) is None or is_address(domain):
        raise SettingsError("IRONFLOCK_LOCAL_TUNNEL_DOMAIN must be a domain, of which each tunnel has a host")
    return domain


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
