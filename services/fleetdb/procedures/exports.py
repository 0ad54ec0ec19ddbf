"""Rows for people, over the platform's own bus."""

from services.fleetdb.exporting import Exporting
from services.fleetdb.records.exports import Exported, ExportTable
from shared.identities import Person
from shared.procedures import Progress, for_people


class ExportProcedures:
    """Fleetdb's procedures for people."""

    def __init__(self, exporting: Exporting) -> None:
        """Serve with this."""
        self._exporting = exporting

    @for_people("ironflock.fleetdb.backend.export", ExportTable, is_stream=True, is_reading=True, is_narrowing=True)
    async def backend_export(self, person: Person, request: ExportTable, progress: Progress) -> Exported:
        """All rows of a table (flag `READ` on the data backend), oldest first; recorded."""
        return await self._exporting.send(person, request, progress)
