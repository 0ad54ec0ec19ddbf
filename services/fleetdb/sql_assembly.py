"""The parts of direct SQL, put together."""

from collections.abc import Callable
from datetime import datetime

from attrs import frozen

from services.fleetdb.pools import ConnectionSettings
from services.fleetdb.readers import Readers
from services.fleetdb.realms import Realms
from services.fleetdb.records.backends import Backend
from services.fleetdb.settings import FleetdbSettings
from services.fleetdb.sql_admission import Admissions
from services.fleetdb.sql_front import FrontParts, SqlFront
from services.fleetdb.sql_recording import SqlRecording
from services.fleetdb.upstream import Upstreams
from shared.bus import Bus
from shared.database import Database
from shared.rights.decision_point import Rights
from shared.tls import ServerContexts


@frozen
class Surroundings:
    """What the front stands on; `now` is the time in UTC."""

    bus: Bus
    database: Database
    rights: Rights
    realms: Realms
    now: Callable[[], datetime]


def sql_front(around: Surroundings, settings: FleetdbSettings) -> SqlFront:
    """The front."""

    def find(realm: str) -> Backend | None:
        return next((backend for backend in around.realms.backends if backend.realm == realm), None)

    cluster, common = settings.cluster, settings.common
    where = ConnectionSettings(cluster.host, cluster.port, cluster.ca, others=cluster.others)
    readers = Readers(around.bus, where.address_of, around.now)
    parts = FrontParts(
        Admissions(around.bus, around.rights, find, readers.login_of),
        Upstreams(where.address_of, readers.tls_of),
        SqlRecording(around.database),
    )
    tls = ServerContexts(common.certificate, common.key)
    return SqlFront(tls.current, parts, lambda: around.now().timestamp())
