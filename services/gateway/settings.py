"""What the gateway reads from its environment, once."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from attrs import frozen

from shared.database import DatabaseSettings
from shared.proxied import Proxies, read_proxies
from shared.service import (
    LOCAL,
    BusSettings,
    CommonSettings,
    bus_settings,
    common_settings,
    service_database_settings,
)
from shared.settings import Settings, SettingsError

KNOWN_AGENT: Final = "0.20.20"  # the published agent whose wire we were built against
_SEMVER: Final = re.compile(r"\d+\.\d+\.\d+", re.ASCII)


@frozen
class GatewaySettings:
    """The gateway's settings; `agent_version` is what agents are told to be at where the folder does not say.

    `url` is the https origin under which clients reach the gateway.
    """

    common: CommonSettings
    bus: BusSettings
    database: DatabaseSettings
    requests_per_minute: int
    failures_per_minute: int
    port: int
    bind: str
    proxies: Proxies
    url: str
    agent_updates: Path
    agent_version: str


def read(settings: Settings) -> GatewaySettings:
    """All of them.

    Raises:
        SettingsError: One is missing, malformed or unknown.
    """
    version = settings.text("AGENT_VERSION", KNOWN_AGENT)
    if _SEMVER.fullmatch(version) is None:
        raise SettingsError("IRONFLOCK_GATEWAY_AGENT_VERSION must be a version like 0.20.20")
    common = common_settings(settings)
    read_settings = GatewaySettings(
        common=common,
        bus=bus_settings(settings, "gateway", common.ca),
        database=service_database_settings(settings, "gateway", common.ca),
        requests_per_minute=settings.integer("REQUESTS_PER_MINUTE", 600, minimum=100, maximum=1_000_000),
        failures_per_minute=settings.integer("FAILURES_PER_MINUTE", 30, minimum=5, maximum=100_000),
        port=settings.port("PORT"),
        bind=settings.text("BIND", LOCAL),
        proxies=read_proxies(settings),
        url=_origin(settings.text("URL")),
        agent_updates=settings.path("AGENT_UPDATES"),
        agent_version=version,
    )
    settings.refuse_unknown()
    return read_settings


def _origin(text: str) -> str:
    """An https origin without a path: what is below it is ours to say."""
    parts = urlsplit(text)
    if parts.scheme != "https" or not parts.hostname or text != f"https://{parts.netloc}" or "@" in parts.netloc:
        raise SettingsError("IRONFLOCK_GATEWAY_URL must be an origin like https://gateway.example.com")
    return text
