"""The parts of realms, put together."""

from attrs import frozen

from services.realms.announcing import Announcing
from services.realms.apps import Apps
from services.realms.factors import Factors
from services.realms.installing import Installing
from services.realms.projects import Projects
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
    apps: Apps
    installing: Installing


def assemble(bus: Bus, database: Database, rights: Rights) -> Parts:
    """All of them, over one bus and one database."""
    factors, announcing = Factors(bus), Announcing(bus, database)
    return Parts(
        database=database,
        rights=rights,
        factors=factors,
        telling=Telling(bus, database),
        announcing=announcing,
        projects=Projects(database, rights, factors),
        apps=Apps(database, rights),
        installing=Installing(database, announcing),
    )
