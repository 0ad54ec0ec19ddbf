"""What fleetdb reads from its environment, once."""

from pathlib import Path

from attrs import field, frozen

from shared.clusters import Clusters
from shared.database import DatabaseSettings
from shared.proxied import Proxies, read_proxies
from shared.secrets import MasterKeys, SecretsError, parse_master_keys
from shared.service import LOCAL, BusSettings, CommonSettings, bus_settings, common_settings, service_database_settings
from shared.settings import Settings, SettingsError


@frozen
class ClusterSettings:
    """The PostgreSQL servers that have the databases of projects, and how many connections all backends share at each.

    The first one is told by host and port, `others` by a folder.
    """

    host: str
    port: int
    ca: Path
    connections: int
    others: Clusters


@frozen
class FleetdbSettings:
    """Fleetdb's settings."""

    common: CommonSettings
    bus: BusSettings
    database: DatabaseSettings
    cluster: ClusterSettings
    sql_port: int
    sql_bind: str
    proxies: Proxies
    masters: MasterKeys = field(repr=False)


def read(settings: Settings) -> FleetdbSettings:
    """All of them.

    Raises:
        SettingsError: One is missing, malformed or unknown.
    """
    common, folder = common_settings(settings), settings.text("CLUSTERS_FOLDER", "-")
    read_settings = FleetdbSettings(
        common=common,
        bus=bus_settings(settings, "fleetdb", common.ca),
        database=service_database_settings(settings, "fleetdb", common.ca),
        cluster=ClusterSettings(
            host=settings.text("CLUSTER_HOST"),
            port=settings.port("CLUSTER_PORT"),
            ca=common.ca,
            connections=settings.integer("CLUSTER_CONNECTIONS", 120, minimum=4, maximum=10_000),
            others=Clusters(None if folder == "-" else Path(folder)),
        ),
        sql_port=settings.port("SQL_PORT"),
        sql_bind=settings.text("SQL_BIND", LOCAL),
        proxies=read_proxies(settings),
        masters=_masters(settings.path("MASTER_KEYS_FILE")),
    )
    settings.refuse_unknown()
    return read_settings


def _masters(path: Path) -> MasterKeys:
    try:
        return parse_master_keys(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, SecretsError) as error:
        raise SettingsError(f"IRONFLOCK_FLEETDB_MASTER_KEYS_FILE names {path}: {error}") from error
