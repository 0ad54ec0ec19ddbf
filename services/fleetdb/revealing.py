"""Secrets in clear, and whether one is what somebody holds: for the app itself alone, and not often."""

import hmac
from collections.abc import Callable
from typing import Any, Final, Protocol

from attrs import evolve

from services.fleetdb.errors import not_authorized, typed
from services.fleetdb.records.backends import Backend
from services.fleetdb.records.queries import HistoryQuery, VerifyQuery
from services.fleetdb.records.tables import Table
from services.fleetdb.secrets import Secrets
from shared.allowance import Allowance

REVEALS: Final = 30
VERIFICATIONS: Final = 120
WINDOW_S: Final = 60.0
APP: Final = "app"

Rows = list[dict[str, Any]]


class Stored(Protocol):
    """What reads rows with their secret values as they are stored."""

    async def sealed(self, backend: Backend, table: Table, query: HistoryQuery, reader: str | None) -> Rows:
        """The rows that `query` asks for, newest first."""


class Revealing:
    """`secret.reveal.<table>` and `secret.verify.<table>`."""

    def __init__(self, stored: Stored, secrets: Secrets, now: Callable[[], float]) -> None:
        """Read from `stored`; `now` gives seconds of a clock that only goes forward."""
        self._stored = stored
        self._secrets = secrets
        self._now = now
        self._reveals = Allowance(REVEALS, WINDOW_S)
        self._verifications = Allowance(VERIFICATIONS, WINDOW_S)

    async def reveal(self, backend: Backend, table: Table, query: HistoryQuery, *, authid: str, role: str) -> Rows:
        """The rows that `query` asks for with their secrets in clear, whichever columns it names; newest first.

        Raises:
            Refusal: The caller is not the app itself, or asks too often; or as history refuses.
        """
        _check_role(role)
        self._admit(self._reveals, backend, authid)
        named = tuple(name for name in query.columns if name.strip())
        columns = tuple(dict.fromkeys((*named, *table.secret_columns))) if named else ()
        rows = await self._stored.sealed(backend, table, evolve(query, columns=columns), None)
        await self._secrets.open(backend, table, rows)
        return rows

    async def verify(
        self, backend: Backend, table: Table, query: VerifyQuery, *, authid: str, role: str
    ) -> dict[str, Any]:
        """Whether the secret column of any of the rows holds the candidate: `{match, checked}`.

        Every row is looked at, whichever matches.

        Raises:
            Refusal: As `reveal`; or the column is none that is secret.
        """
        _check_role(role)
        if query.column not in table.secret_columns:
            raise typed("not_a_secret_column", f"column {query.column[:63]!r} is not secret")
        self._admit(self._verifications, backend, authid)
        selected = evolve(query.rows, columns=(query.column,), column_paths=())
        rows = await self._stored.sealed(backend, table, selected, None)
        await self._secrets.open(backend, table, rows)
        candidate = _octets(query.candidate)
        values = [row[query.column] for row in rows]
        matches = [hmac.compare_digest(_octets(value), candidate) for value in values if value is not None]
        return {"match": any(matches), "checked": len(values)}

    def _admit(self, allowance: Allowance, backend: Backend, authid: str) -> None:
        if not allowance.take((backend.backend_key, authid), self._now()):
            raise typed("rate_limited", f"too often; there are at most {allowance.times} of these a minute")


def _check_role(role: str) -> None:
    if role != APP:
        raise not_authorized("only the app itself may read its secrets")


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
