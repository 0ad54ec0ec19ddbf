"""How long a project's entries are kept: its owner says so, and who said so is kept for ever."""

from services.audit.projects import Projects
from services.audit.records import NameProject, Retention, SetRetention
from services.audit.store import upkeep
from shared import audit
from shared.database import Database
from shared.identities import Person
from shared.procedures import for_people


class RetentionProcedures:
    """Audit's procedures about retention."""

    def __init__(self, database: Database, projects: Projects) -> None:
        """Serve from `database`."""
        self._database = database
        self._projects = projects

    @for_people("ironflock.audit.retention.show", NameProject, is_reading=True)
    async def retention_show(self, person: Person, request: NameProject) -> Retention:
        """For how many days the project's entries are kept."""
        key = await self._projects.resolve(person, request.project)
        return Retention(key, await self._database.run(lambda connection: upkeep.retention(connection, key)))

    @for_people("ironflock.audit.retention.set", SetRetention)
    async def retention_set(self, person: Person, request: SetRetention) -> Retention:
        """Keep the project's entries for that many days; what is older loses entry and salt within the hour."""
        key = await self._projects.resolve(person, request.project, "DELETE")
        async with self._database.transaction() as connection:
            before = await upkeep.retention_set(connection, key, request.days)
            await audit.record(connection, _set(person, key, before, request.days))
        return Retention(key, request.days)


def _set(person: Person, project_key: int, before: int | None, days: int | None) -> audit.Draft:
    return audit.Draft(
        action=audit.Action.AUDIT_RETENTION_SET,
        aspect=audit.Aspect.RETENTION,
        actor=audit.actor_of(person),
        asset=audit.Asset("project", project_key),
        project_key=project_key,
        before={"days": before},
        after={"days": days},
        session=person.session or None,
    )
