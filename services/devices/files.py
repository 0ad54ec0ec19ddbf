"""What device files and apps' environments say of where the platform is: that of the device's project.

Agents cannot be told another endpoint, so it is that of the project's cell from the start.
"""

from urllib.parse import urlsplit

from attrs import evolve

from services.devices.records.devices import FlockSettings
from shared.project_cells import ProjectCells


class Files:
    """Knows it."""

    def __init__(self, cells: ProjectCells, settings: FlockSettings) -> None:
        """`settings` has what the installation writes, with the endpoint of its first cell; `cells` the others'."""
        self._cells = cells
        self._settings = settings

    async def settings(self, project_key: int) -> FlockSettings:
        """What is written for devices of that project.

        Raises:
            UnavailableError, OutcomeUnknownError: Realms is away.
        """
        endpoint = (await self._cells.find(project_key)).endpoint
        if endpoint is None:
            return self._settings
        path = urlsplit(self._settings.device_endpoint_url).path
        return evolve(self._settings, device_endpoint_url=f"{endpoint}{path}")
