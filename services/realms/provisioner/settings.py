"""What the provisioner reads from its environment, once."""

from pathlib import Path
from typing import Final

from attrs import frozen

from shared.clusters import Clusters
from shared.database import DatabaseSettings, database_settings
from shared.settings import Settings
from shared.trace_settings import TraceSettings, trace_settings

LOGIN: Final = "provisioner"


@frozen
class ProvisionerSettings:
    """Its settings: the control database, and the CA of the logins that it makes, certificate and key as PEM.

    The first cluster is the server of the control database; `clusters` are the others.
    `alive` is touched each time that it goes round, since it listens to nobody who could ask.
    """

    database: DatabaseSettings
    ca_certificate: Path
    ca_key: Path
    clusters: Clusters
    alive: Path | None
    traces: TraceSettings | None


def read(settings: Settings) -> ProvisionerSettings:
    """All of them.

    Raises:
        SettingsError: One is missing, malformed or unknown.
    """
    alive, folder = settings.text("ALIVE_FILE", "-"), settings.text("CLUSTERS_FOLDER", "-")
    found = ProvisionerSettings(
        database=database_settings(settings, LOGIN, settings.path("CA_FILE")),
        ca_certificate=settings.path("LOGIN_CA_CERTIFICATE"),
        ca_key=settings.path("LOGIN_CA_KEY_FILE"),
        clusters=Clusters(None if folder == "-" else Path(folder)),
        alive=None if alive == "-" else Path(alive),
        traces=trace_settings(settings),
    )
    settings.refuse_unknown()
    return found
