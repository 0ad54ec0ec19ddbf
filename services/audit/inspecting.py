"""Comparing every entry with the leaf that commits to it, again and again.

Tiles and heads are verified by anybody; that each leaf still has its entry, unchanged, only who holds the entries can
see. What is found is said loudly: it stands in health until the process is started anew.
"""

from typing import Final

import rfc8785
import structlog

from services.audit.encoding import canonical_octets
from services.audit.records import Leaf
from services.audit.store import entries as store
from shared.database import Database
from shared.health import Health
from shared.tlog.hashing import commitment

PART: Final = "entries"
CHUNK: Final = 500
STEP_S: Final = 1.0
REST_STEPS: Final = 600

log = structlog.get_logger()


def wrong_with(leaf: Leaf) -> str | None:
    """What is wrong with the entry of `leaf`, in words; None where nothing is."""
    if leaf.row is None:
        return None if leaf.is_redacted else f"entry {leaf.leaf_index} is missing"
    changed = f"entry {leaf.leaf_index} is not the one that the log commits to"
    try:
        octets = canonical_octets(leaf.row)
    except (rfc8785.CanonicalizationError, ValueError, AttributeError):
        return changed
    return None if commitment(leaf.row.salt or bytes(32), octets) == leaf.commitment else changed


class Inspector:
    """Goes through the log, a part at each step, and rests after its end."""

    def __init__(self, database: Database, health: Health) -> None:
        """Begin with the first entry."""
        self._database = database
        self._health = health
        self._start = 0
        self._rest = 0

    async def step(self) -> None:
        """Compare the next entries, or rest on."""
        if self._rest > 0:
            self._rest -= 1
            return
        leaves = await self._database.run(lambda connection: store.leaves(connection, start=self._start, limit=CHUNK))
        self._tell([(leaf.leaf_index, found) for leaf in leaves if (found := wrong_with(leaf)) is not None])
        is_end = len(leaves) < CHUNK
        self._start, self._rest = (0, REST_STEPS) if is_end else (leaves[-1].leaf_index + 1, 0)

    def _tell(self, wrong: list[tuple[int, str]]) -> None:
        for leaf_index, found in wrong:
            log.error("log_tampered_with", leaf_index=leaf_index, finding=found)
        if wrong:
            self._health.set(PART, ok=False, reason=wrong[0][1])
