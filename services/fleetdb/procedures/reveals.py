"""Secrets, for the app itself; a table without a secret column has no such procedures."""

from collections.abc import AsyncGenerator
from typing import Any

from attrs import frozen

from services.fleetdb.errors import no_such_procedure
from services.fleetdb.gates import Lane
from services.fleetdb.live import LiveRealm
from services.fleetdb.procedures.declaring import procedure
from services.fleetdb.records.calls import Asked
from services.fleetdb.records.tables import Table
from services.fleetdb.revealing import Revealing
from services.fleetdb.rules.chunks import Rows
from services.fleetdb.rules.queries import reveal_query, verify_query
from services.fleetdb.sending import answered


@frozen
class RevealProcedures:
    """`secret.reveal.<table>` and `secret.verify.<table>`."""

    revealing: Revealing

    @procedure("secret.reveal.", Lane.READS)
    async def reveal(self, realm: LiveRealm, asked: Asked) -> Any:
        """Rows with their secrets in clear, newest first."""
        table = _with_secrets(realm, asked.name)
        query, caller = reveal_query(asked.args), asked.caller
        rows = await self.revealing.reveal(realm.backend, table, query, authid=caller.authid, role=caller.role)
        answer, _ = await answered(table.name, _as_they_are(rows), None)
        return answer[::-1]

    @procedure("secret.verify.", Lane.READS)
    async def verify(self, realm: LiveRealm, asked: Asked) -> dict[str, Any]:
        """Whether a secret is what the caller holds."""
        table = _with_secrets(realm, asked.name)
        query, caller = verify_query(asked.args), asked.caller
        return await self.revealing.verify(realm.backend, table, query, authid=caller.authid, role=caller.role)


def _with_secrets(realm: LiveRealm, name: str) -> Table:
    table = realm.table(name)
    if not table.secret_columns:
        raise no_such_procedure(f"{name[:100]} has no secret column")
    return table


async def _as_they_are(rows: Rows) -> AsyncGenerator[Rows]:
    yield rows
