"""In which cell opens what somebody brings: for the router, which lets them in there alone.

Realms says it, and can be slow or away. Whoever proves nothing must not learn from that which devices and apps there
are: so nobody waits for realms before the router says that they have proved their secret.
"""

import asyncio
from typing import Final

import structlog

from shared.errors import PublicError
from shared.project_cells import ProjectCells

TIMEOUT_S: Final = 1.5
"""A router gives up after 3 s, and its client reads the same then."""
UNKNOWN: Final = ""

log = structlog.get_logger()


async def cell_for(cells: ProjectCells, project_key: int, *, is_proven: bool) -> str:
    """The name of the project's cell; `UNKNOWN` while nobody can say, or who asks has proved nothing yet."""
    found = cells.known(project_key)
    if found is not None:
        return found.name
    if not is_proven:
        cells.learn(project_key)  # a router of the release before this does not ask again: its client comes again
        return UNKNOWN
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return (await cells.find(project_key)).name
    except (PublicError, TimeoutError) as error:
        log.warning("cell_unknown", project_key=project_key, error=str(error) or "no answer in time")
        return UNKNOWN
