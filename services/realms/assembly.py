"""The parts of realms, put together."""

import time

from attrs import frozen

from services.realms.announcing import Announcing
from services.realms.apps import Apps
from services.realms.backends import Backends
from services.realms.board_sessions import BoardSessions
from services.realms.boards import Boards
from services.realms.factors import Factors
from services.realms.forgetting import Forgetting
from services.realms.installing import Installing
from services.realms.legacy import LegacyModes
from services.realms.moving import Moving
from services.realms.placing import Placing
from services.realms.projects import Projects
from services.realms.readers import Readers
from services.realms.retaining import Retaining
from services.realms.telling import Telling
from shared.bus import Bus
from shared.database import Database
from shared.rights.decision_point import Rights


@frozen
class Parts:
    """What procedures serve with."""

    database: Database
    rights: Rights
    factors: Factors
    telling: Telling
    announcing: Announcing
    projects: Projects
    placing: Placing
    moving: Moving
    forgetting: Forgetting
    legacy: LegacyModes
    apps: Apps
    backends: Backends
    readers: Readers
    retaining: Retaining
    installing: Installing
    boards: Boards
    board_sessions: BoardSessions


def assemble(bus: Bus, database: Database, rights: Rights) -> Parts:
    """All of them, over one bus and one database."""
    factors, announcing, backends = Factors(bus), Announcing(bus, database), Backends(database)
    projects = Projects(database, rights, factors)
    return Parts(
        database=database,
        rights=rights,
        factors=factors,
        telling=Telling(bus, database),
        announcing=announcing,
        projects=projects,
        placing=Placing(database, rights, [cell.name for cell in bus.cells]),
        moving=Moving(database, backends, time.monotonic),
        forgetting=Forgetting(database, backends),
        legacy=LegacyModes(database, announcing),
        apps=Apps(database, rights),
        backends=backends,
        readers=Readers(database, backends),
        retaining=Retaining(database),
        installing=Installing(database, announcing, backends),
        boards=Boards(database, rights, projects),
        board_sessions=BoardSessions(bus, database, rights, factors, time.monotonic),
    )
