"""What direct SQL leaves in the audit log: who came and went, and every statement before PostgreSQL sees it."""

from typing import Any, Final

from services.fleetdb.records.sql import Admission, Tally
from shared import audit
from shared.database import Database

PART: Final = 8_000
"""Letters of a statement that one entry has; a longer one is in several."""


class SqlRecording:
    """Records it."""

    def __init__(self, database: Database) -> None:
        """Into the control database."""
        self._database = database

    async def begun(self, admission: Admission) -> None:
        """Somebody is about to come in."""
        await self._put(admission, audit.Action.SQL_OPENED, {"login": admission.login})

    async def asked(self, admission: Admission, statement: str) -> None:
        """A statement is about to be passed on."""
        parts = [statement[start : start + PART] for start in range(0, len(statement), PART)] or [""]
        for number, part in enumerate(parts, 1):
            place = {"part": number, "parts": len(parts)} if len(parts) > 1 else {}
            await self._put(admission, audit.Action.SQL_ASKED, {"statement": part, **place})

    async def ended(self, admission: Admission, tally: Tally, cause: str) -> None:
        """The session is over."""
        counted = {"statements": tally.statements, "rows": tally.rows, "octets": tally.octets, "cause": cause}
        await self._put(admission, audit.Action.SQL_CLOSED, counted)

    async def _put(self, admission: Admission, action: audit.Action, what: dict[str, Any]) -> None:
        entry = audit.Draft(
            action=action,
            aspect=audit.Aspect.READING,
            actor=audit.Actor(audit.ActorKind.PERSON, admission.account_key, admission.credential),
            asset=audit.Asset("data_backend", admission.backend_key),
            project_key=admission.project_key,
            after=what,
        )
        await self._database.run(lambda connection: audit.record(connection, entry))
